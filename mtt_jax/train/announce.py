"""What a run tells the user before it trains."""

import jax
import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.sampling import expected_draws, lengths_read, parts_by_task
from mtt_jax.train.phases import EarlyStop, Phase
from mtt_jax.train.setup import Setup
from mtt_jax.train.step import TrainState
from mtt_jax.weights.build import count_parameters

# How many labels are named, at most.
_SHOWN = 20


def labels_found(given: Config, complete: Config) -> list[str]:
    """A line for each task whose labels were left to the data: which they are.

    Args:
      given: the config as the user gave it.
      complete: with all labels.
    """
    lines = []
    for task in given.task_list:
        name, found = task.name, complete.tasks[task.name].labels
        if not task.labels:
            more = f", and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
            shown = ", ".join(found[:_SHOWN])
            lines.append(f"{name}: {len(found):,} labels, from the data: {shown}{more}.")
    return lines


def announce_run(setup: Setup, state: TrainState) -> None:
    """Says how large the model and the training data are."""
    train_split = setup.data.splits["train"]
    labelled = ", ".join(f"{count:,} with {name}" for name, count in train_split.counts().items())
    more = len(train_split) - train_split.sentences
    texts = f"; {more:,} windows of texts without labels" if more else ""
    setup.console.say(
        f"{count_parameters(state.params):,} parameters; {train_split.sentences:,} training "
        f"sentences{f' ({labelled})' if labelled else ''}{texts}."
    )


def announce_phase(setup: Setup, phase: Phase, state: TrainState) -> None:
    """Says what a phase is about to train, and on which sentences."""
    train_split = setup.data.splits["train"]
    pairs = zip(jax.tree.leaves(state.params), jax.tree.leaves(phase.frozen), strict=True)
    trained = sum(leaf.size for leaf, frozen in pairs if not frozen)
    setup.console.say(
        f"{phase.name}, steps {phase.start + 1:,} to {phase.end:,}: {trained:,} parameters train."
    )
    parts = parts_by_task(train_split, phase.config)
    for name in phase.config.active:
        if name not in parts:
            setup.console.say(f"  {name}: all its sentences are drawn for another task.")
    draws = expected_draws(parts, lengths_read(train_split, phase.config), phase.config)
    for name, part in parts.items():
        different = len(np.unique(part))
        repeats = f" ({len(part):,} with repeats)" if different < len(part) else ""
        setup.console.say(
            f"  {name}: {draws[name] / sum(draws.values()):.0%} of the draws, about "
            f"{draws[name]:,.0f} from {different:,} sentences{repeats}, "
            f"{draws[name] / len(part):.1f} epochs."
        )


def stopped_early(stop: EarlyStop, config: Config) -> str:
    """The line that says that patience has run out."""
    what = f"phase {stop.phase}" if config.phases else "the run"
    count = config.train.patience
    return (
        f"step {stop.step:,}: no better score in {count:,} evaluation{'s' * (count > 1)} since "
        f"step {stop.best_step:,} ({stop.best_score:.4f}); {what} ends here, "
        f"{stop.planned - stop.step:,} steps early."
    )
