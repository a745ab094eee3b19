"""Several corpora as one: what the stages of egs/unified do."""
