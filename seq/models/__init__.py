"""The network: subsampling, encoder, pooling, heads, and the whole (`seq.models.model`)."""
