"""Checking: what is wrong with labelled data, before and after a model has seen it."""
