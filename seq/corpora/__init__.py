"""Stage 0, and corpus readers, one file each: `seq.corpora.<name>` defines `Reader` (see `seq.corpora.base`)."""
