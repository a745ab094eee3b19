"""`speecheq finetune`: training goes on from a model folder, on one's own labelled files; docs/finetune.md."""
