"""Newswire: the embedded corpus. Names and patterns, a grammar over them, and a TFDS builder.

Nothing here imports `tensorflow_datasets` but builder.py, which is imported only to load.
"""
