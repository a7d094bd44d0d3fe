"""The verdict: differences with their intervals, and what follows from them in plain words."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from mtt_jax.diagnose.outcomes import score
from mtt_jax.tasks.schemes import Task

_DRAWS = 1000
_DEPENDS, _NONE = "depends", "no difference found"


class Difference(NamedTuple):
    """How much better one way is than another on one task's score, with a 95% interval."""

    mean: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """The whole interval is above zero."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """The whole interval is below zero."""
        return self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def difference(task: Task, ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> Difference:
    """Ours less theirs, paired by seed and by sentence.

    Two sources of chance add up: the seeds of training, by Student's t over the paired
    differences of the seeds, and the sentences of dev, by a bootstrap that draws the same
    sentences for both.

    Args:
      task: whose score is compared.
      ours: counts [seeds, n, K] as `outcomes` gives them; at least two seeds.
      theirs: the same of the other.
      seed: of the bootstrap.
    """
    seeds, sentences = ours.shape[:2]
    by_seed = score(task, ours.sum(axis=1)) - score(task, theirs.sum(axis=1))
    of_training = stats.t.ppf(0.975, seeds - 1) * by_seed.std(ddof=1) / np.sqrt(seeds)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(sentences, np.full(sentences, 1 / sentences), size=_DRAWS)
    drawn = drawn.astype(np.float32)  # exact below 2^24, and multiplied fast
    means = np.mean(
        [
            score(task, drawn @ one.astype(np.float32))
            - score(task, drawn @ other.astype(np.float32))
            for one, other in zip(ours, theirs, strict=True)
        ],
        axis=0,
    )
    of_sentences = 1.96 * means.std()
    half = float(np.hypot(of_training, of_sentences))
    mean = float(by_seed.mean())
    return Difference(mean, mean - half, mean + half)


class Verdict(NamedTuple):
    """What to do, and why.

    Attributes:
      kind: "no difference found", "depends", or what to do: "share" or "separate", "train" or
        "freeze", "made-up" or "real", "plain" or the name of a balancer.
      text: the reason, in sentences.
    """

    kind: str
    text: str


class _Sides(NamedTuple):
    """The tasks on which one way is better and worse than another, and all differences in words."""

    better: str
    worse: str
    shown: str

    def kind(self, gain: str, loss: str) -> str:
        """The kind of a verdict: `gain` where some task is better and none worse, and so on."""
        if self.better and self.worse:
            return _DEPENDS
        return gain if self.better else loss if self.worse else _NONE


def _sides(differences: Mapping[str, Difference]) -> _Sides:
    return _Sides(
        " and ".join(name for name, change in differences.items() if change.better),
        " and ".join(name for name, change in differences.items() if change.worse),
        "; ".join(f"{name} {change}" for name, change in differences.items()),
    )


def share_or_separate(
    differences: Mapping[str, Difference], parameters: float, prediction: float
) -> Verdict:
    """One model or one for each task.

    Args:
      differences: task -> joint less alone.
      parameters: of the separate models together, as a multiple of the shared one's.
      prediction: time of the separate models together, as a multiple of the shared one's.
    """
    better, worse, shown = sides = _sides(differences)
    cost = (
        f"Separate models have {parameters:.1f} times the parameters and take {prediction:.1f} "
        "times as long to predict."
    )
    widest = max(change.high - change.low for change in differences.values()) / 2
    kind = sides.kind("share", "separate")
    text = {
        "share": f"One model scores higher on {better} and lower on none ({shown}). {cost}",
        "separate": f"One model scores lower on {worse} and higher on none ({shown}). {cost} If "
        "that is too dear, try a larger encoder, other task weights or a balancer.",
        _DEPENDS: f"One model scores higher on {better} and lower on {worse} ({shown}). Weigh "
        f"{worse} more, or keep the tasks apart. {cost}",
        _NONE: f"No difference found at this budget ({shown}): one of {widest:.3f} and less would "
        f"not have shown. {cost} More seeds, more dev sentences or longer runs tell more; until "
        "then the cheaper one does as well, as far as this shows.",
    }[kind]
    return Verdict(kind, text)


def freeze_or_train(differences: Mapping[str, Difference], time: float) -> Verdict:
    """Train the encoder or leave it as it is.

    Args:
      differences: task -> frozen less joint.
      time: of training frozen, as a multiple of joint.
    """
    better, worse, shown = sides = _sides(differences)
    kind = sides.kind("freeze", "train")
    text = {
        "freeze": f"Frozen it scores higher on {better}",
        "train": f"Frozen it scores lower on {worse}",
        _DEPENDS: f"Frozen it gains on {better} and loses on {worse}",
        _NONE: "No difference found at this budget",
    }[kind]
    return Verdict(kind, f"{text} ({shown}). Training heads alone took {time:.2f} times as long.")


def made_up_or_real(differences: Mapping[str, Difference]) -> Verdict:
    """Whether synthetic sentences and those of the embedded corpus help.

    Args:
      differences: task -> real sentences alone less joint, which has both.
    """
    better, worse, shown = sides = _sides(
        {name: Difference(-c.mean, -c.high, -c.low) for name, c in differences.items()}
    )
    kind = sides.kind("made-up", "real")
    text = {
        "made-up": f"They raise the score of {better}",
        "real": f"They lower the score of {worse}",
        _DEPENDS: f"They raise the score of {better} and lower that of {worse}",
        _NONE: "No difference found at this budget",
    }[kind]
    return Verdict(kind, f"{text} ({shown}).")


def balance_or_not(by_balancer: Mapping[str, Mapping[str, Difference]]) -> Verdict:
    """Whether a balancer does better than plain joint training.

    Args:
      by_balancer: balancer -> task -> balanced less joint.
    """
    sides = {balancer: _sides(changes) for balancer, changes in by_balancer.items()}
    gains = {
        balancer: sum(change.mean for change in by_balancer[balancer].values())
        for balancer, (better, worse, _) in sides.items()
        if better and not worse
    }
    shown = ". ".join(f"{balancer}: {side.shown}" for balancer, side in sides.items())
    if not gains:
        text = f"None of them scores higher on a task and lower on none ({shown})."
        return Verdict("plain", text)
    best = max(gains, key=lambda name: gains[name])
    several = " The best of several is partly chance." if len(by_balancer) > 1 else ""
    return Verdict(best, f"It scores higher and nowhere lower ({shown}).{several}")
