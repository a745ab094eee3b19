"""From a corpus to batches: manifests (stage 1), features (2), folds (3), cuts of a mini-batch with their labels."""
