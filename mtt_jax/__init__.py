"""One shared transformer in JAX that classifies news sentences and finds the entities in them."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Predictor", "UserError", "__version__"]


def __getattr__(name: str) -> Any:
    """Loads the public names on first use, so that `import mtt_jax` does not start JAX."""
    if name == "Predictor":
        from mtt_jax.predict.predictor import Predictor

        return Predictor
    if name == "UserError":
        from mtt_jax.errors import UserError

        return UserError
    raise AttributeError(f"module 'mtt_jax' has no attribute {name!r}")
