"""Distillation: what teachers say about the training sentences, before a run begins."""
