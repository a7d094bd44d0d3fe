"""The exponential moving average of the parameters, which is evaluated and saved as the model.

Averaging the iterates of gradient descent goes back to Polyak and Juditsky (1992); with exponential
weights it gives the models of Tarvainen and Valpola 2017 (arXiv:1703.01780), and Morales-Brotons et
al. 2024 (arXiv:2411.18704) show what it does to generalization and how it stands in for a decay of
the learning rate.

The average is the last part of the optimizer's state. It is therefore computed within the step,
sharded as the parameters are, and in every checkpoint. Without it the state has no such part.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mtt_jax.model.shapes import Array, Int


class Average(NamedTuple):
    """What the average needs from one step to the next.

    Attributes:
      steps: since the average was started.
      params: like the parameters, with `optax.MaskedNode` for one that never trains.
    """

    steps: Int[Array, ""]
    params: Any


def averaging(decay: float, frozen: Any, never: Any) -> optax.GradientTransformation:
    """Averages the parameters as they are after an update; the last transformation of a chain.

    The n-th step, counted from 0, has the decay min(decay, (1 + n) / (10 + n)), as in TensorFlow's
    ExponentialMovingAverage: parameters of the first steps are forgotten fast.

    Args:
      decay: in [0, 1).
      frozen: tree of bools over the parameters; what is frozen now keeps its average.
      never: likewise, for what never trains and has no average.
    """

    def init(params: Any) -> Average:
        # Copies, because a step donates parameters and average, and cannot take one buffer twice.
        copies = jax.tree.map(
            lambda off, leaf: optax.MaskedNode() if off else jnp.copy(leaf), never, params
        )
        return Average(jnp.int32(0), copies)

    def update(updates: Any, state: Average, params: Any = None) -> tuple[Any, Average]:
        done = state.steps.astype(jnp.float32)
        new = 1 - jnp.minimum(decay, (1 + done) / (10 + done))

        def moved(off: bool, average: Any, leaf: jax.Array) -> Any:
            return average if off else average + (new * (leaf - average)).astype(average.dtype)

        moved_params = optax.apply_updates(params, updates)
        averages = jax.tree.map(moved, frozen, state.params, moved_params)
        return updates, Average(state.steps + 1, averages)

    return optax.GradientTransformation(init, update)


def model_params(params: Any, opt_state: Any) -> Any:
    """The parameters to evaluate and to save: their average, if the optimizer keeps one.

    Args:
      params: as trained.
      opt_state: that of an optimizer that `make_optimizers` returned.
    """
    average = opt_state[-1]
    if not isinstance(average, Average):
        return params
    return jax.tree.map(
        lambda leaf, mean: leaf if isinstance(mean, optax.MaskedNode) else mean,
        params,
        average.params,
    )


def restarted(params: Any, opt_state: Any) -> tuple[Any, Any]:
    """The parameters and the optimizer's state that the next phase starts from.

    With an average the parameters become what it says, and a new one starts from there. So the
    phase starts from what was evaluated at the end of the one before, as a run would that starts
    from its model, and a parameter that is frozen from now on equals its average.
    """
    average = opt_state[-1]
    if not isinstance(average, Average):
        return params, opt_state
    # A copy; see `averaging`.
    means = jax.tree.map(jnp.copy, model_params(params, opt_state))
    fresh = Average(jnp.zeros_like(average.steps), average.params)
    return means, (*opt_state[:-1], fresh)
