"""Checking: what is wrong with labeled data, before and after a model has seen it."""
