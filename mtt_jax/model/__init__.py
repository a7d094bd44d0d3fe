"""The network: specs, encoder, pooling, heads and the module that joins them."""
