"""The network: encoder, pooling, heads and the module that joins them."""
