"""Stage 6: which weights decode, and what they say of the valid and test parts."""
