"""Stage 7: predictions against references; intervals and tests over speakers, calibration."""
