"""Synthetic speech by espeak-ng: a corpus that everybody can make, and miniatures of the others in their own trees."""
