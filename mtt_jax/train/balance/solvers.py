"""Small convex programs on the device: a T x T matrix, a loop under jit.

All are written for a handful of tasks. Each stops when it has converged, and after a fixed number
of rounds at the latest.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

_BISECTIONS = 40


def minimize_on_simplex(
    gradient: Callable[[jax.Array], jax.Array], allowed: jax.Array, rounds: int = 500
) -> jax.Array:
    """Minimizes a convex function over weights that are at least 0 and sum to 1.

    Pairwise Frank-Wolfe (Lacoste-Julien and Jaggi 2015, arXiv:1511.05932): each round moves weight
    from the worst task that has some to the best one, as far as that helps, found by bisection.

    Args:
      gradient: of the function.
      allowed: bool [T]; the other weights stay 0.
      rounds: at most.
    """
    start = allowed / jnp.maximum(allowed.sum(), 1)

    def slopes(w):
        slope = gradient(w)
        worst = jnp.argmax(jnp.where(w > 0, slope, -jnp.inf))
        best = jnp.argmin(jnp.where(allowed, slope, jnp.inf))
        return slope, worst, best

    def unfinished(carry):
        w, done = carry
        slope, worst, best = slopes(w)
        scale = jnp.abs(jnp.where(allowed, slope, 0.0)).max()
        return (done < rounds) & (slope[worst] - slope[best] > 1e-6 * scale)

    def move(carry):
        w, done = carry
        _, worst, best = slopes(w)
        axis = jnp.zeros_like(w).at[best].add(1.0).at[worst].add(-1.0)

        def halve(_, ends):
            low, high = ends
            middle = 0.5 * (low + high)
            falling = gradient(w + middle * axis) @ axis < 0
            return jnp.where(falling, middle, low), jnp.where(falling, high, middle)

        whole = w[worst]
        low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, (jnp.zeros_like(whole), whole))
        all_of_it = gradient(w + whole * axis) @ axis <= 0
        moved = jnp.maximum(w + 0.5 * (low + high) * axis, 0.0)
        emptied = (w + whole * axis).at[worst].set(0.0)
        return jnp.where(all_of_it, emptied, moved), done + 1

    w, _ = jax.lax.while_loop(unfinished, move, (start, jnp.int32(0)))
    return w


def least_above(matrix: jax.Array, bound: jax.Array, rounds: int = 2000) -> jax.Array:
    """Minimizes x' M x over x >= bound, coordinate by coordinate.

    Args:
      matrix: [T, T], positive semi-definite with a diagonal of 1 (or 0 in an empty row).
      bound: [T].
      rounds: sweeps at most.
    """

    def update(index, x):
        rest = matrix[index] @ x - matrix[index, index] * x[index]
        free = -rest / jnp.where(matrix[index, index] > 0, matrix[index, index], 1.0)
        best = jnp.where(matrix[index, index] > 0, jnp.maximum(free, bound[index]), bound[index])
        return x.at[index].set(best)

    def sweep(carry):
        x, _, done = carry
        fresh = jax.lax.fori_loop(0, len(x), update, x)
        return fresh, jnp.abs(fresh - x).max(), done + 1

    def unfinished(carry):
        x, change, done = carry
        return (done < rounds) & (change > 1e-7 * jnp.maximum(jnp.abs(x).max(), 1e-30))

    first = sweep((bound, jnp.inf, jnp.int32(0)))
    x, _, _ = jax.lax.while_loop(unfinished, sweep, first)
    return x


def solve_inverse_power(
    matrix: jax.Array, target: jax.Array, power: float, rounds: int = 100
) -> jax.Array:
    """Solves M y = target / y^power for y > 0, by Newton steps that never leave y > 0.

    The solution is the only minimum of a convex function, ½ y' M y minus the integral of the right
    side; each step is shortened until it decreases that function.

    Args:
      matrix: [T, T], positive semi-definite with a diagonal of 1.
      target: [T], above 0.
      power: above 0.
      rounds: at most.
    """
    # Keeps the minimum finite if gradients cancel: two opposite ones have none otherwise.
    matrix = matrix + 1e-6 * jnp.eye(len(target))

    def value(y):
        integral = jnp.log(y) if power == 1 else y ** (1 - power) / (1 - power)
        return 0.5 * y @ matrix @ y - (target * integral).sum()

    def slope(y):
        return matrix @ y - target * y**-power

    def step(carry):
        y, done, _ = carry
        down = slope(y)
        curvature = matrix + jnp.diag(power * target * y ** (-power - 1))
        direction = -jnp.linalg.solve(curvature, down)
        # No further than 0.9 of the way to the nearest bound.
        room = jnp.where(direction < 0, -y / jnp.where(direction < 0, direction, -1.0), jnp.inf)
        first = jnp.minimum(1.0, 0.9 * room.min())
        here = value(y)

        def too_far(length):
            return (value(y + length * direction) > here + 1e-4 * length * (down @ direction)) & (
                length > 1e-6 * first
            )

        length = jax.lax.while_loop(too_far, lambda length: 0.5 * length, first)
        fresh = y + length * direction
        return fresh, done + 1, jnp.abs(fresh - y).max() / jnp.abs(y).max()

    def unfinished(carry):
        _, done, change = carry
        return (done < rounds) & (change > 1e-6)

    start = target ** (1 / (1 + power))  # exact if all gradients are orthogonal
    y, _, _ = jax.lax.while_loop(unfinished, step, (start, jnp.int32(0), jnp.ones_like(start[0])))
    return y


def pseudo_inverse(matrix: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Eigenvalues, eigenvectors and which are not 0, of a positive semi-definite matrix."""
    values, vectors = jnp.linalg.eigh(matrix)
    real = values > values.max() * len(matrix) * jnp.finfo(matrix.dtype).eps
    return values, vectors, real
