"""What every package may use: files that are written whole or not at all, processes, progress, provenance, Markdown."""
