"""Audio: read, resampled, judged, trimmed; numpy and soundfile, so that prediction shares it with training."""
