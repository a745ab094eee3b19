"""Stage 5: the loop, the losses, CTC, checkpoints, and what a run is (`seq.train.experiment`)."""
