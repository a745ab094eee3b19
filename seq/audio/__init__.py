"""Audio: read, resampled, judged, trimmed; numpy and soundfile alone, so that prediction shares it with training."""
