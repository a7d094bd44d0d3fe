"""Devices: the start-up of JAX, the mesh, and runs of several processes."""
