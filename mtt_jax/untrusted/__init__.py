"""Files and texts from strangers: read within bounds, in a stated folder, without running code."""
