"""Sampling: which training sentences are drawn for a task, how often, and the tasks' shares.

    train.mixing     share of a task with n sentences, n at most its sampling_cap
    size             n
    equal            1
    temperature      n^(1/T)                   T = train.temperature
    annealed         from n to n^(1/T)         over the phase (Stickland & Murray 2019)
    explicit         tasks.NAME.sampling

With teachers, sentences without a label of a task that trains, of which a teacher fills one, are a
part of their own, `UNLABELLED`: it takes distill.unlabelled of the draws, and the tasks divide the
rest.

A task without labels draws from all texts, of which there may be any number. Unless it has a
sampling_cap of its own, its n is at most the sum of the other tasks' n; with explicit, and no
sampling, its share is the sum of theirs. By size and by explicit shares it thus gets at most half
of the draws.

Temperature as in Arivazhagan et al. 2019 (arXiv:1907.05019), the cap as in Raffel et al. 2020
(arXiv:1910.10683).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mtt_jax.config.schema import Config, TaskConfig
from mtt_jax.data.encode import ExampleSet
from mtt_jax.tasks import Task

# The part of the sentences that have no label but what teachers say.
UNLABELLED = "unlabelled"
# Annealing changes the shares in this many steps.
_STAGES = 20
# Draws in which the shares of a stage are met exactly.
_CYCLE = 1000


def seed_of(root: int, stream: str) -> int:
    """A separate seed for each stream, the same on every machine."""
    return int(np.random.SeedSequence([root, *stream.encode()]).generate_state(1)[0] >> 1)


def parts_by_task(examples: ExampleSet, config: Config) -> dict[str, np.ndarray]:
    """Task -> int64 indices of the sentences drawn for it, repeated as class_sampling asks.

    A sentence with labels of several tasks is drawn for the task with the fewest labels; one
    without a label of an active task is left out, unless teachers fill one: then it is in the part
    `UNLABELLED`. What needs no labels draws from all texts.
    """
    counts = examples.counts()
    tasks = [task for task in examples.tasks if task.name in config.active]
    owner = np.full(examples.sentences, "", dtype=object)
    for task in sorted(tasks, key=lambda task: -counts[task.name]):
        owner[examples.labelled(task)] = task.name
    parts = {}
    for task in tasks:
        part = np.flatnonzero(owner == task.name)
        if len(part):
            seed = seed_of(config.seed, f"classes of {task.name}")
            parts[task.name] = _resampled(part, examples, task, config.tasks[task.name], seed)
    if examples.answers and config.distill.unlabelled:
        taught = [name for name in examples.answers.tasks if name in config.active]
        filled = [examples.answers.answered(name) for name in taught]
        part = np.flatnonzero((owner == "") & np.any([np.zeros(len(owner), bool), *filled], axis=0))
        if len(part):
            parts[UNLABELLED] = part
    for objective in config.objectives:
        if not objective.needs_labels and objective.name in config.active and len(examples):
            # Texts for teachers are there a second time, as texts of this objective.
            own = examples.sentences - examples.for_teachers
            parts[objective.name] = np.r_[0:own, examples.sentences : len(examples)]
    return parts


def lengths_read(examples: ExampleSet, config: Config) -> np.ndarray:
    """int64 [n] subwords that training reads of every example."""
    return np.minimum(examples.lengths(), config.data.max_length)


def _resampled(
    part: np.ndarray, examples: ExampleSet, task: Task, fields: TaskConfig, seed: int
) -> np.ndarray:
    """A task's sentences, with those of rare classes repeated or those of frequent ones dropped."""
    if not fields.class_sampling:
        return part
    holds = examples.holds(task, part)
    counts = holds.sum(axis=0)
    if not counts.any():  # empty sets alone
        return part
    present = np.maximum(counts, 1)
    if isinstance(fields.class_sampling, Mapping):
        times_by_label = fields.class_sampling
        factor = np.array([times_by_label.get(label, 1.0) for label in task.labels])
    elif fields.class_sampling == "over":
        factor = counts.max() / present
    else:  # under
        factor = counts[counts > 0].min() / present
    # The rarest of a sentence's classes decides.
    most = np.where(holds.any(axis=1), np.where(holds, factor, 0).max(axis=1), 1.0)
    times = np.minimum(most, fields.repeat_cap)
    whole = times.astype(np.int64)
    more = np.random.default_rng(seed).random(len(part)) < times - whole
    kept = np.repeat(part, whole + more)
    return kept if len(kept) else part


def mixing_weights(
    sizes: Mapping[str, int], config: Config, progress: float = 1.0
) -> dict[str, float]:
    """Task -> share of the draws.

    Args:
      sizes: task -> sentences of its part.
      config: how to mix.
      progress: 0 at the start of the phase, 1 at its end; annealed shares depend on it.
    """
    if UNLABELLED in sizes:
        own = {name: size for name, size in sizes.items() if name != UNLABELLED}
        share = config.distill.unlabelled if own else 1.0
        weights = mixing_weights(own, config, progress) if own else {}
        return {n: (1 - share) * w for n, w in weights.items()} | {UNLABELLED: share}
    how, temperature = config.train.mixing, config.train.temperature
    power = {
        "size": 1.0,
        "explicit": 1.0,
        "equal": 0.0,
        "temperature": 1 / temperature,
        "annealed": 1 - progress * (1 - 1 / temperature),
    }[how]
    capped = {n: min(size, config.tasks[n].sampling_cap or size) for n, size in sizes.items()}
    texts = {task.name for task in config.objectives if not task.needs_labels} & sizes.keys()
    others = [n for n in sizes if n not in texts]
    labelled = sum(capped[n] for n in others)
    for name in texts:
        if others and not config.tasks[name].sampling_cap:
            capped[name] = min(capped[name], labelled)
    total = sum(capped.values())
    shares = {n: (size / total) ** power for n, size in capped.items()}
    if how == "explicit":
        shares = {n: config.tasks[n].sampling or share for n, share in shares.items()}
        for name in texts:
            if others and not config.tasks[name].sampling:
                shares[name] = sum(shares[n] for n in others)
    whole = sum(shares.values())
    return {n: share / whole for n, share in shares.items()}


def expected_draws(
    parts: Mapping[str, np.ndarray], lengths: np.ndarray, config: Config
) -> dict[str, float]:
    """Task -> about how many of its sentences a phase draws.

    Args:
      parts: as returned by `parts_by_task`.
      lengths: as returned by `lengths_read`.
      config: of the phase.
    """
    rows = config.train.steps * config.train.batch_rows
    stages = _stages(parts, config)
    shares = {name: float(np.mean([stage[name] for stage in stages])) for name in parts}
    mean = sum(shares[name] * lengths[part].mean() for name, part in parts.items())
    draws = rows * min(config.train.row_length / mean, config.slots)
    return {name: share * draws for name, share in shares.items()}


class AnnealedSelection:
    """Which task, and which of its sentences, the draws of a phase take.

    The shares are constant within a stage, and a stage repeats one cycle of draws that meets them:
    any draw is computed without those before it.
    """

    def __init__(self, shares: Sequence[Sequence[float]], draws: int):
        """Plans the stages.

        Args:
          shares: share of each task, by stage.
          draws: sentences of the whole phase; the last stage never ends.
        """
        tasks = len(shares[0])
        self._stage_length = max(1, draws // len(shares))
        self._cycles = np.stack([_spread(stage) for stage in shares])
        # Earlier draws of the same task: within a cycle, in a whole one, and before a stage.
        self._ranks = np.stack([_ranks(cycle) for cycle in self._cycles])
        self._counts = np.stack([np.bincount(cycle, minlength=tasks) for cycle in self._cycles])
        whole, rest = divmod(self._stage_length, _CYCLE)
        within = whole * self._counts + np.stack(
            [np.bincount(cycle[:rest], minlength=tasks) for cycle in self._cycles]
        )
        self._before = np.cumsum(within, axis=0) - within

    def select(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `order.Selection`."""
        stages = np.minimum(draws // self._stage_length, len(self._cycles) - 1)
        cycles, places = np.divmod(draws - stages * self._stage_length, _CYCLE)
        tasks = self._cycles[stages, places]
        earlier = self._before[stages, tasks] + cycles * self._counts[stages, tasks]
        return tasks, earlier + self._ranks[stages, places]


def annealed_selection(
    parts: Mapping[str, np.ndarray], lengths: np.ndarray, config: Config, processes: int
) -> AnnealedSelection:
    """The selection of a phase for one of `processes`; other arguments as for `expected_draws`."""
    draws = sum(expected_draws(parts, lengths, config).values()) / processes
    stages = [list(stage.values()) for stage in _stages(parts, config)]
    return AnnealedSelection(stages, int(draws))


def _stages(parts: Mapping[str, np.ndarray], config: Config) -> list[dict[str, float]]:
    """Task -> share, for each stage of a phase."""
    sizes = {name: len(part) for name, part in parts.items()}
    return [mixing_weights(sizes, config, progress) for progress in np.linspace(0, 1, _STAGES)]


def _spread(shares: Sequence[float]) -> np.ndarray:
    """A cycle of draws that meets the shares, each task's draws spread evenly; none is left out."""
    counts = np.maximum(np.floor(np.array(shares) * _CYCLE), 1).astype(np.int64)
    counts[np.argmax(counts)] += _CYCLE - counts.sum()
    # The k-th of n draws of a task falls at (k + 1/2) / n of the cycle.
    due = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    return np.repeat(np.arange(len(counts)), counts)[np.argsort(due, kind="stable")]


def _ranks(cycle: np.ndarray) -> np.ndarray:
    """For each draw of the cycle, how many earlier ones took the same task."""
    ranks = np.zeros(len(cycle), np.int64)
    for task in np.unique(cycle):
        ranks[cycle == task] = np.arange((cycle == task).sum())
    return ranks
