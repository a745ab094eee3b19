"""Corpus readers, one file each: `seq.corpora.<name>` defines `Reader`. See `seq.corpora.base`."""
