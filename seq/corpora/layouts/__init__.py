"""Miniature corpora: a few seconds of synthetic speech in the tree and the coding of a real corpus, its traps included.

One module per corpus, each with `write(root, studio)`; see `seq.corpora.miniature`.
"""
