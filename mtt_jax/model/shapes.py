"""Array shapes as types, such as `Float[Array, "B L D"]` (https://docs.kidger.site/jaxtyping).

They are documentation that tests/model/test_shapes.py checks. A bare machine that only runs steps,
as the benchmarks of a step do, needs no jaxtyping.
"""

from typing import Any

from jax import Array

try:
    from jaxtyping import BFloat16, Bool, Float, Float32, Int, UInt8, UInt32
except ImportError:

    class _Unchecked:
        """What an annotation is without jaxtyping."""

        def __class_getitem__(cls, shape: Any) -> Any:
            """Any type."""
            return Any

    BFloat16 = Bool = Float = Float32 = Int = UInt8 = UInt32 = _Unchecked  # type: ignore[assignment]

__all__ = ["Array", "BFloat16", "Bool", "Float", "Float32", "Int", "UInt8", "UInt32"]
