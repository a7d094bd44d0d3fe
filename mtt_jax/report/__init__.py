"""What a person reads: console tables, the run page and the model card."""
