"""The training step: one jitted function over all devices, its state donated.

A step whose loss or gradient is NaN or infinite is skipped: the state stays what it was, and only
the count of steps goes on. This is decided on the devices, so that the host waits for nothing.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from mtt_jax.config.schema import Config
from mtt_jax.devices.mesh import by_rows, of_state, replicated
from mtt_jax.model.multitask import MultiTask
from mtt_jax.model.shapes import Array, Bool, Float, Int
from mtt_jax.train import average
from mtt_jax.train.gradient import make_balancer, make_gradient
from mtt_jax.train.teaching import gold_share, labels_in, with_shares
from mtt_jax.types import Batch
from mtt_jax.weights.build import param_shapes


class TrainState(NamedTuple):
    """What a step changes.

    Attributes:
      step: steps done.
      params: {"encoder": ..., "heads": {task: ...}}.
      opt_state: the optimizer's, with the average of the parameters if there is one.
      balance: the balancer's; () for a stateless one.
    """

    step: Int[Array, ""]
    params: Any
    opt_state: Any
    balance: Any

    @property
    def model_params(self) -> Any:
        """The parameters to evaluate and to save: their average with train.ema."""
        return average.model_params(self.params, self.opt_state)

    def next_phase(self) -> "TrainState":
        """What the next phase starts from: with train.ema the average, else the state as it is."""
        params, opt_state = average.restarted(self.params, self.opt_state)
        return self._replace(params=params, opt_state=opt_state)


def state_shapes(
    model: MultiTask, optimizer: optax.GradientTransformation, config: Config
) -> TrainState:
    """The state of a run as a tree of `jax.ShapeDtypeStruct`."""

    def first(params: Any) -> TrainState:
        balance = make_balancer(config).init(len(config.tasks))
        return TrainState(jnp.int32(0), params, optimizer.init(params), balance)

    return jax.eval_shape(first, param_shapes(model))


def _chosen(sound: Bool[Array, ""], fresh: TrainState, before: TrainState) -> TrainState:
    """The state after a step: `fresh`, or the one before it if the step is skipped.

    Counts of steps always go on, also that of the learning rate: otherwise its schedule would lag
    behind, and later phases would begin with the rate of the one before.
    """

    def leaf(new: Any, old: Any) -> Any:
        if isinstance(new, optax.ScaleByScheduleState):
            return new
        return jnp.where(sound, new, old)

    kept = jax.tree.map(
        leaf, fresh, before, is_leaf=lambda node: isinstance(node, optax.ScaleByScheduleState)
    )
    return kept._replace(step=fresh.step)


class StepMetrics(NamedTuple):
    """What a step reports, all on the device.

    Attributes:
      loss: the sum of the tasks' losses, each times its weight in the config.
      losses: task that trains -> mean loss over its labels, whatever its weight; 0 if the batch has
        no label of it.
      counts: task -> labels in the batch; what only teachers label counts by its weight.
      weights: task -> the factor that the balancer gave its gradient on the encoder.
      gradient_norm: before clipping.
      tokens: positions of the batch that hold a subword.
      skipped: whether the state was left as it was, since the loss, the gradient or the balancer's
        next state is NaN or infinite.
    """

    loss: Float[Array, ""]
    losses: dict[str, Float[Array, ""]]
    counts: dict[str, Float[Array, ""]]
    weights: dict[str, Float[Array, ""]]
    gradient_norm: Float[Array, ""]
    tokens: Int[Array, ""]
    skipped: Bool[Array, ""]


def make_step(
    model: MultiTask,
    optimizer: optax.GradientTransformation,
    config: Config,
    mesh: Mesh,
    frozen: Any,
    steps: int = 0,
) -> jax.stages.Wrapped:
    """The jitted step: (state, batch, root key) -> (state, metrics).

    Args:
      model: what to train.
      optimizer: one of those returned by `make_optimizers`.
      config: task weights, balancing, gradient accumulation; that of a phase, like its `frozen`.
      mesh: devices; the batch is sharded by rows, the state as `of_state` says.
      frozen: tree of bools over the parameters; True for a frozen one.
      steps: of the whole run, over which distill.anneal goes; 0 for those of the config.
    """
    gradient = make_gradient(model, config, frozen)
    names = tuple(config.tasks)

    def step(state: TrainState, batch: Batch, root: jax.Array):
        counts = labels_in(batch)
        if batch.teacher:
            share = gold_share(config.distill, state.step, steps or config.train.steps)
            batch = with_shares(batch, share)
        key = jax.random.fold_in(root, state.step)
        (losses, weights, balance), grads = gradient(
            state.params, batch, counts, key, state.balance
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        loss, norm = jnp.asarray(sum(losses.weighted.values())), optax.global_norm(grads)
        # A finite norm means that every gradient and its square is finite, and so the moments are.
        sound = jnp.stack(
            [jnp.isfinite(leaf).all() for leaf in (loss, norm, *jax.tree.leaves(balance))]
        ).all()
        metrics = StepMetrics(
            loss=loss,
            losses=losses.mean,
            counts=counts,
            weights=dict(zip(names, weights, strict=True)),
            gradient_norm=norm,
            tokens=(batch.segments > 0).sum(),
            skipped=~sound,
        )
        params = optax.apply_updates(state.params, updates)
        fresh = TrainState(state.step + 1, params, opt_state, balance)
        return _chosen(sound, fresh, state), metrics

    everywhere = replicated(mesh)
    state = of_state(state_shapes(model, optimizer, config), mesh)
    return jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(state, by_rows(mesh), everywhere),
        out_shardings=(state, everywhere),
    )
