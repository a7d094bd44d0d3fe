"""Newswire: the embedded corpus. Names and patterns, a grammar over them, and a TFDS builder.

Importing this package does not import `tensorflow_datasets`; only builder.py does, and that is
imported only when the corpus is loaded.
"""

# Names the content of the corpus; caches and run directories record it. Whoever changes what a
# sentence says (a name, a pattern, a probability, a split) must change this value to any other
# string, so that a run on the old sentences is not resumed on the new ones. Docstrings and comments
# may change freely. tests/data/test_newswire.py has the checksum of this version's sentences.
VERSION = "a99bd10d603d"
