"""`python -m mtt_jax COMMAND`, which is the same as `mtt COMMAND`."""

from mtt_jax.errors import installed

with installed():
    from mtt_jax.cli import entry

if __name__ == "__main__":
    entry()
