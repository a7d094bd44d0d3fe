"""What a run directory says about its run, for reports; also of a run that is not finished."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config import files as config_files
from mtt_jax.config.files import to_plain
from mtt_jax.errors import UserError
from mtt_jax.report import paths
from mtt_jax.tasks import Score
from mtt_jax.tasks.score import read_scores

# Gold labels and answers of the sentences that went most wrong: split -> task -> list.
MISTAKES = "mistakes.json"


class RunFiles(NamedTuple):
    """The files of a run, as a report reads them.

    Attributes:
      name: of the run directory.
      config: as nested dicts; files are named without their folders.
      history: rows of metrics.jsonl.
      final: the content of metrics.json; {} for a run that is not finished.
      mistakes: the content of mistakes.json; {} if there is none.
    """

    name: str
    config: dict[str, Any]
    history: list[dict[str, Any]]
    final: dict[str, Any]
    mistakes: dict[str, Any]


def read_history(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl, except for a last line that a kill cut off.

    Raises:
      UserError: naming the line, if one is damaged.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        return []
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    for number, line in enumerate(lines, start=1):
        if not line.endswith("}\n"):
            if number < len(lines):
                raise _damaged(path, f"line {number}: not JSON")
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError):
            raise _damaged(path, f"line {number}: not JSON") from None
        if fault := mismatch(rows[-1], _HISTORY, f"line {number}"):
            raise _damaged(path, fault)
    return rows


def read_run(run: Path) -> RunFiles:
    """Reads a run directory, of this version or an earlier one.

    Raises:
      UserError: if the folder is no run directory, or a file in it is damaged.
    """
    file = run / "config.json"
    if not file.is_file():
        if run.is_dir():
            what = "is not a run directory: it has no config.json"
        else:
            what = "is a file, not a run directory" if run.exists() else "not found"
        raise UserError(f"{run}: {what}; name one, such as runs/balanced.")
    return RunFiles(
        run.resolve().name,
        paths.named(to_plain(config_files.read(file))),
        read_history(run),
        read_metrics(run) or {},
        read_mistakes(run),
    )


def read_metrics(run: Path) -> dict[str, Any] | None:
    """The content of metrics.json; None if there is none, as in a run that is not finished.

    Raises:
      UserError: if it is damaged.
    """
    file = run / "metrics.json"
    if not file.is_file():
        return None
    found = _checked(file, _METRICS)
    teachers = found.get("distill", {}).get("teachers", [])
    try:
        by_split = [read_scores(one) for one in (found, *teachers)]
        scores = [score for one in by_split for tasks in one.values() for score in tasks.values()]
        for best in found.get("best_by_task", {}).values():
            scores += [Score.from_json(best[split]) for split in ("dev", "test") if split in best]
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise _damaged(file, f"a score is not whole: {error}") from None
    if fault := next(filter(None, map(_of_score, scores)), ""):
        raise _damaged(file, fault)
    for task, best in found.get("best_by_task", {}).items():
        if "dev" not in best or task not in found.get("dev", {}):
            raise _damaged(file, f"best_by_task.{task}: dev is missing")
    return found


def _of_score(score: Score) -> str:
    """What is wrong with a score beyond the types of its parts; "" if nothing is."""
    if not all(type(figure.value) in _NUMBERS for figure in score.figures):
        return "a figure of a score is not a number"
    if confusion := score.confusion:
        sizes = {len(confusion.labels), len(confusion.counts), *map(len, confusion.counts)}
        if len(sizes) > 1:
            return "the confusion of a score is not a square of its labels"
    return ""


def read_mistakes(run: Path) -> dict[str, Any]:
    """The content of mistakes.json; {} if there is none.

    Raises:
      UserError: if it is damaged.
    """
    file = run / MISTAKES
    if not file.is_file():
        return {}
    found = _checked(file, _MISTAKES)
    for split, by_task in found.items():
        for task, sentences in by_task.items():
            for index, one in enumerate(sentences):
                if not _has_one_kind(one["given"], one["found"]):
                    raise _damaged(file, f"{split}.{task}[{index}]: neither labels nor spans")
    return found


def _has_one_kind(given: Any, found: Any) -> bool:
    """Whether a label and an answer are both spans, or both labels of the whole text."""
    spans = [answer for answer in (given, found) if isinstance(answer, list)]
    if any(isinstance(part, dict) for answer in spans for part in answer):
        return all(answer is None or not mismatch(answer, [_SPAN]) for answer in (given, found))
    return True


_SPAN: Mapping[Any, Any] = {"start": (int,), "end": (int,), "label": (str, type(None)), ...: object}


def _checked(file: Path, shape: Any) -> dict[str, Any]:
    """The content of a JSON file that has a shape, as `mismatch` takes it.

    Raises:
      UserError: if it has another one.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from None
    if fault := mismatch(found, shape):
        raise _damaged(file, fault)
    return found


def _damaged(file: Path, error: Exception | str) -> UserError:
    if file.name == "metrics.json":
        then = (
            "; or delete it, and the command that started the run writes it anew from the "
            "checkpoints"
        )
    elif file.name == MISTAKES:
        then = "; or delete it, and reports leave it out"
    else:
        then = ", or leave this run out"
    return UserError(f"{file}: is damaged ({error}). Restore it from a copy{then}.")


_NUMBERS = (int, float)
_TEXTS = [(str,)]
_BY_TASK = {...: _NUMBERS}
_ROW: Any = {name: (*_NUMBERS, type(None)) for name in ("precision?", "recall?", "f1?", "support?")}
_BINS = [{"size": _NUMBERS, "score": _NUMBERS, "right": _NUMBERS}]
_SCORE = {
    "headline?": (str,),
    "titles?": {...: (str,)},
    "count": _NUMBERS,
    "per_class?": {...: _ROW},
    "per_entity?": {...: _ROW},
    "totals?": {...: _ROW},
    "ceiling?": {"scheme": (str,), "f1": _NUMBERS, "cut?": _NUMBERS},
    "confusion?": {"labels": _TEXTS, "counts": [[_NUMBERS]]},
    "loss": _NUMBERS,
    "calibration?": {
        "temperature": _NUMBERS,
        "ece": _NUMBERS,
        "ece_before": _NUMBERS,
        "bins": _BINS,
        "bins_before": _BINS,
    },
    ...: (*_NUMBERS, str),
}
_SCORES = {...: _SCORE}
_METRICS = {
    "best_step": (int,),
    "steps": (int,),
    "seconds": _NUMBERS,
    "device": (str,),
    "parameters": (int,),
    "stopped_early?": [
        {
            "phase": (str,),
            "step": (int,),
            "planned": (int,),
            "best_step": (int,),
            "best_score": _NUMBERS,
        }
    ],
    "phases?": [
        {
            "name": (str,),
            "start": (int,),
            "end": (int,),
            "tasks": _TEXTS,
            "learning_rate": _NUMBERS,
            "before": _BY_TASK,
            "after": _BY_TASK,
        }
    ],
    "dev?": _SCORES,
    "test?": _SCORES,
    "data?": {"sentences": {...: _BY_TASK}, "notes": _TEXTS},
    "held_out?": {...: {"perplexity": _NUMBERS, "loss": _NUMBERS, "count": _NUMBERS}},
    "best_by_task?": {...: {"step": (int,), "dev?": _SCORE, "test?": _SCORE}},
    "distill?": {
        "temperature": _NUMBERS,
        "gold": _NUMBERS,
        "anneal": (*_NUMBERS, bool),
        "weight": _NUMBERS,
        "floor": _NUMBERS,
        "unlabelled": _NUMBERS,
        "filled": _BY_TASK,
        "teachers": [{"path": (str,), "tasks": _TEXTS, "dev?": _SCORES, "test?": _SCORES}],
    },
    ...: object,
}
_MISTAKES = {
    ...: {
        ...: [
            {
                "text": (str,),
                "given": object,
                "found": object,
                "probability": _NUMBERS,
                "loss": _NUMBERS,
                ...: object,
            }
        ]
    }
}
_HISTORY = {"step": (int,), ...: object}


def mismatch(value: Any, shape: Any, place: str = "") -> str:
    """Where a JSON value differs from a shape, and what was expected there; "" if it fits.

    Args:
      value: as `json.loads` returns it.
      shape: a tuple of the types that a value may have, of which bool is none of int; `object` for
        any; [shape] for a list; {key: shape} for an object, where "key?" may be missing, and the
        key `...` stands for all others, which are refused without it.
      place: of the value in the file, such as "dev.ner.loss".
    """
    if shape is object:
        return ""
    where = place or "the file"
    if isinstance(shape, tuple):
        names = {int: "a number", float: "a number", str: "a text", type(None): "null"}
        expected = dict.fromkeys(names.get(kind, kind.__name__) for kind in shape)
        return "" if type(value) in shape else f"{where}: expected {' or '.join(expected)}"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where}: expected a list"
        found = (mismatch(item, shape[0], f"{place}[{i}]") for i, item in enumerate(value))
        return next(filter(None, found), "")
    if not isinstance(value, dict):
        return f"{where}: expected a JSON object"
    known = {key.rstrip("?"): key for key in shape if key is not ...}
    for name, key in known.items():
        if key == name and name not in value:
            return f"{where}: {name} is missing"
    for name, item in value.items():
        inner = shape[known[name]] if name in known else shape.get(...)
        path = f"{place}.{name}".lstrip(".")
        fault = f"{path}: unknown" if inner is None else mismatch(item, inner, path)
        if fault:
            return fault
    return ""
