"""What the benchmarks share. A benchmark imports from here and never from another benchmark."""
