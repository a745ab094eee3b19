"""The network: front end, encoder, pooling, heads, and the whole (`seq.models.model`)."""
