"""Several runs side by side: the figures, and a page of the same parts as that of one run."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtt_jax.report.charts import Series, lines
from mtt_jax.report.page import (
    Cell,
    contents,
    document,
    grid,
    heading,
    paragraph,
    section,
    settings,
    shown,
    table,
)
from mtt_jax.report.run_files import RunFiles
from mtt_jax.report.run_page import by_task, speed
from mtt_jax.tasks.score import read_scores

# What a run took, by the name in metrics.json.
_FACTS = {
    "steps": "steps",
    "best_step": "step kept",
    "parameters": "parameters",
    "seconds": "seconds",
    "device": "device",
}
_SPEED = {
    "tokens_per_second": "subwords per second, median",
    "padding": "share of padding",
    "utilisation": "share of the device's FLOPs",
}

# Fields of config.data that no score depends on.
_HARMLESS = ("data.cache_dir", "data.shards")


def compare(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """The comparison as JSON.

    Returns:
      {"runs": [{"name", "finished", "steps", "best_step", "parameters", "seconds", "device",
      "tokens_per_second", "padding", "scores": split -> task -> figure -> value, "labels": split ->
      task -> label -> F1}], "config": field -> one value per run, for the fields that differ}. What
      a run has not recorded is left out of its part.
    """
    names = _names(runs)
    return {
        "runs": [_figures(name, run) for name, run in zip(names, runs, strict=True)],
        "config": _differences(runs),
    }


def _names(runs: Sequence[RunFiles]) -> list[str]:
    """The names of runs; those of several runs with one name are numbered."""
    names = [run.name for run in runs]
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _figures(name: str, run: RunFiles) -> dict[str, Any]:
    scores = read_scores(run.final)
    return {
        "name": name,
        "finished": bool(run.final),
        **{key: run.final[key] for key in _FACTS if key in run.final},
        **speed(run.history),
        "scores": {
            split: {t: {f.name: f.value for f in score.figures} for t, score in tasks.items()}
            for split, tasks in scores.items()
        },
        "labels": {
            split: {
                task: {label: row.f1 for label, row in score.rows.items() if row.f1 is not None}
                for task, score in tasks.items()
            }
            for split, tasks in scores.items()
        },
    }


def _differences(runs: Sequence[RunFiles]) -> dict[str, list[Any]]:
    """Field -> its value in each run, for the fields in which runs differ."""
    all_settings = [settings(run.config) for run in runs]
    fields = dict.fromkeys(field for one in all_settings for field in one)
    values = {field: [one.get(field) for one in all_settings] for field in fields}
    return {field: each for field, each in values.items() if any(v != each[0] for v in each)}


def render(runs: Sequence[RunFiles]) -> str:
    """The page that compares runs."""
    found = compare(runs)
    names = [run["name"] for run in found["runs"]]
    parts = [
        *(_split(split, found["runs"], runs) for split in ("test", "dev")),
        section("Training", grid(*_curves(names, runs))),
        _facts(found["runs"]),
        _config(names, found["config"]),
    ]
    title = " and ".join(names) if len(names) < 4 else f"{len(names)} runs"
    top = [
        heading(1, title),
        paragraph("A star marks the best of a line. One run of each says little about chance."),
        paragraph(_data(found["config"]), "error"),
        contents([part for part in parts if part]),
    ]
    return document(title, [*top, *parts])


def _data(differences: Mapping[str, Sequence[Any]]) -> str:
    """A warning if the runs may have been scored on different sentences; "" if not."""
    fields = [name for name in differences if name.startswith("data.") and name not in _HARMLESS]
    if not fields:
        return ""
    return f"The runs differ in {', '.join(fields)}: their scores may be of different sentences."


def _split(split: str, found: Sequence[Mapping[str, Any]], runs: Sequence[RunFiles]) -> str:
    """The tables of scores and of F1 by label."""
    titles = {
        (task, figure.name): figure.title
        for run in runs
        for task, score in read_scores(run.final).get(split, {}).items()
        for figure in score.figures
    }
    rows = []
    for task, figure in titles:
        values = [run["scores"].get(split, {}).get(task, {}).get(figure) for run in found]
        rows.append((f"{task}, {titles[task, figure]}", *_with_best(values)))
    labels = dict.fromkeys(
        (task, label)
        for run in found
        for task, by_label in run["labels"].get(split, {}).items()
        for label in by_label
    )
    by_label = []
    for task, label in labels:
        values = [run["labels"].get(split, {}).get(task, {}).get(label) for run in found]
        by_label.append((f"{task}, {label}", *_with_best(values)))
    names = [run["name"] for run in found]
    return section(
        f"Scores on {split}",
        table(("score", *names), rows) if rows else "",
        table(("F1 by label", *names), by_label) if by_label else "",
    )


def _with_best(values: Sequence[float | None]) -> list[Any]:
    """The values of a line, the highest with a star unless all are the same."""
    known = [value for value in values if value is not None]
    best = max(known, default=None)
    if len(known) < 2 or min(known) == best:
        return list(values)
    return [Cell(shown(value), "best") if value == best else value for value in values]


def _curves(names: Sequence[str], runs: Sequence[RunFiles]) -> list[str]:
    """A chart per task of its loss and of its score on dev, with a curve per run."""
    charts = []
    kinds = (("train", "losses", "training loss"), ("dev", "scores", "score on dev"))
    of_runs = [
        {
            title: by_task([row for row in run.history if row.get("kind") == kind], key)
            for kind, key, title in kinds
        }
        for run in runs
    ]
    tasks = dict.fromkeys(task for one in of_runs for found in one.values() for task in found)
    for task in tasks:
        for kind, _, title in kinds:
            series = [
                Series(name, one[title].get(task, ()), color=i)
                for i, (name, one) in enumerate(zip(names, of_runs, strict=True))
            ]
            charts.append(lines(f"{task}: {title}", series, log=kind == "train"))
    return charts


def _facts(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (title, *(_fact(key, run.get(key)) for run in found))
        for key, title in (_FACTS | _SPEED).items()
        if any(key in run for run in found)
    ]
    return section("Cost and speed", table(("", *(run["name"] for run in found)), rows))


def _fact(key: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    return f"{value:.1%}" if key in ("padding", "utilisation") else f"{value:,.0f}"


def _config(names: Sequence[str], differences: Mapping[str, Sequence[Any]]) -> str:
    if not differences:
        return section("Config", paragraph("The configs are the same."))
    rows = [(field, *(repr(value) for value in each)) for field, each in differences.items()]
    return section("Fields of the config that differ", table(("field", *names), rows, text=99))
