"""`speecheq demo`: a page on this machine that judges recordings; needs what prediction needs and nothing else."""
