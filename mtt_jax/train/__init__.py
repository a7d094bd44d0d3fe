"""Training: optimiser, step and loop."""
