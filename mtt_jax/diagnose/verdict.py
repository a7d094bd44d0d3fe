"""The verdict: differences with their intervals, and what follows from them in plain words."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from mtt_jax.tasks import Task

_DRAWS = 1000
_DEPENDS, _NONE = "depends", "no difference found"


class Difference(NamedTuple):
    """How much better one arm is than another on a task's headline score, with a 95% interval."""

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
    """Ours minus theirs, paired by seed and by sentence.

    Two sources of chance add up: the training seeds, by Student's t over the paired differences of
    the seeds, and the dev sentences, by a bootstrap that draws the same sentences for both.

    Args:
      task: whose headline score is compared.
      ours: tallies [seeds, n, 3, X] of the dev sentences; at least two seeds.
      theirs: the same of the other arm.
      seed: of the bootstrap.
    """
    seeds, sentences = ours.shape[:2]
    by_seed = task.headline(ours.sum(axis=1)) - task.headline(theirs.sum(axis=1))
    of_training = stats.t.ppf(0.975, seeds - 1) * by_seed.std(ddof=1) / np.sqrt(seeds)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(sentences, np.full(sentences, 1 / sentences), size=_DRAWS)
    drawn = drawn.astype(np.float32)  # exact below 2^24, and a fast matmul

    def scores(tallies):  # [n, 3, X] -> the headline score of each draw
        flat = drawn @ tallies.reshape(sentences, -1).astype(np.float32)
        return task.headline(flat.reshape(_DRAWS, *tallies.shape[1:]))

    pairs = zip(ours, theirs, strict=True)
    means = np.mean([scores(one) - scores(other) for one, other in pairs], axis=0)
    of_sentences = 1.96 * means.std()
    half = float(np.hypot(of_training, of_sentences))
    mean = float(by_seed.mean())
    return Difference(mean, mean - half, mean + half)


class Verdict(NamedTuple):
    """What to do, and why.

    Attributes:
      finding: "no difference found", "depends", or what to do: "share" or "separate", "train" or
        "freeze", "synthetic" or "real", "plain" or the name of a balancer.
      text: the reason, in sentences.
    """

    finding: str
    text: str


class _Sides(NamedTuple):
    """On which tasks one arm is better and worse than another, and all differences in words."""

    better: str
    worse: str
    shown: str

    def finding(self, gain: str, loss: str) -> str:
        """`gain` if some task is better and none is worse, `loss` the other way round."""
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
    """One model for all tasks or one per task.

    Args:
      differences: task -> joint minus alone.
      parameters: of the separate models together, as a multiple of the shared model's.
      prediction: time of the separate models together, as a multiple of the shared model's.
    """
    better, worse, shown = sides = _sides(differences)
    cost = (
        f"Separate models have {parameters:.1f} times the parameters and take {prediction:.1f} "
        "times as long to predict."
    )
    widest = max(change.high - change.low for change in differences.values()) / 2
    finding = sides.finding("share", "separate")
    text = {
        "share": f"The shared model scores higher on {better} and lower on no task ({shown}). "
        f"{cost}",
        "separate": f"The shared model scores lower on {worse} and higher on no task ({shown}). "
        f"{cost} If that is too expensive, try a larger encoder, other task weights or a balancer.",
        _DEPENDS: f"The shared model scores higher on {better} and lower on {worse} ({shown}). "
        f"Raise the weight of {worse}, or train separate models. {cost}",
        _NONE: f"No difference found at this budget ({shown}): one of {widest:.3f} or less would "
        f"not have shown. {cost} More seeds, more dev sentences or longer runs would show smaller "
        "differences; until then, take the cheaper choice.",
    }[finding]
    return Verdict(finding, text)


def freeze_or_train(differences: Mapping[str, Difference], time: float) -> Verdict:
    """Train the encoder or freeze it.

    Args:
      differences: task -> frozen minus joint.
      time: of training with the encoder frozen, as a multiple of joint training's.
    """
    better, worse, shown = sides = _sides(differences)
    finding = sides.finding("freeze", "train")
    text = {
        "freeze": f"With a frozen encoder the model scores higher on {better}",
        "train": f"With a frozen encoder the model scores lower on {worse}",
        _DEPENDS: f"With a frozen encoder the model scores higher on {better} and lower on {worse}",
        _NONE: "No difference found at this budget",
    }[finding]
    took = f"Training only the heads took {time:.2f} times as long."
    return Verdict(finding, f"{text} ({shown}). {took}")


def synthetic_or_real(differences: Mapping[str, Difference]) -> Verdict:
    """Whether synthetic sentences and those of the embedded corpus help.

    Args:
      differences: task -> only real sentences minus joint, which has both.
    """
    better, worse, shown = sides = _sides(
        {name: Difference(-c.mean, -c.high, -c.low) for name, c in differences.items()}
    )
    finding = sides.finding("synthetic", "real")
    text = {
        "synthetic": f"Synthetic sentences raise the score on {better}",
        "real": f"Synthetic sentences lower the score on {worse}",
        _DEPENDS: f"Synthetic sentences raise the score on {better} and lower it on {worse}",
        _NONE: "No difference found at this budget",
    }[finding]
    return Verdict(finding, f"{text} ({shown}).")


def balance_or_not(by_balancer: Mapping[str, Mapping[str, Difference]]) -> Verdict:
    """Whether a balancer does better than plain joint training.

    Args:
      by_balancer: balancer -> task -> balanced minus joint.
    """
    sides = {balancer: _sides(changes) for balancer, changes in by_balancer.items()}
    gains = {
        balancer: sum(change.mean for change in by_balancer[balancer].values())
        for balancer, (better, worse, _) in sides.items()
        if better and not worse
    }
    shown = ". ".join(f"{balancer}: {side.shown}" for balancer, side in sides.items())
    if not gains:
        text = f"No balancer scores higher on some task and lower on none ({shown})."
        return Verdict("plain", text)
    best = max(gains, key=lambda name: gains[name])
    several = " The best of several balancers is partly chance." if len(by_balancer) > 1 else ""
    return Verdict(best, f"It scores higher on some task and lower on none ({shown}).{several}")
