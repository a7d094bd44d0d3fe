"""Records in, NumPy batches out: sources, tokenizer, encoding, packing, pipeline."""
