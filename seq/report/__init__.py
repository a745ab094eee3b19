"""Stage 8: tables and figures out of scores.json and predictions."""
