"""report.html: what a run did and how well, in one file that opens offline.

Each part is made from what the run recorded; a part about which it recorded nothing is left out, so
that runs of earlier versions and unfinished ones have a page as well.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from mtt_jax.report.charts import Curve, Series, dots, lines, reliability
from mtt_jax.report.console import beside_teachers, calibration
from mtt_jax.report.marked import card, label_order
from mtt_jax.report.page import (
    Cell,
    cards,
    contents,
    document,
    folded,
    grid,
    heading,
    listing,
    paragraph,
    section,
    sentences,
    settings,
    table,
)
from mtt_jax.report.run_files import RunFiles
from mtt_jax.tasks import Score
from mtt_jax.tasks.score import Confusion, Row

# How many rows of a table, or cells of a confusion matrix, are shown without a click.
_OPEN = 12
# How many notes on the data are shown without a click.
_NOTES = 8

Rows = Sequence[Mapping[str, Any]]


def render(run: RunFiles) -> str:
    """The page of a run."""
    final, history = run.final, run.history
    parts = [
        *(_split(split, final[split]) for split in ("test", "dev") if final.get(split)),
        _mistakes(run.mistakes),
        _teachers(final),
        _held_out(final.get("held_out", {})),
        _best_by_task(final),
        _phases(final.get("phases", []), bool(run.config.get("init_from"))),
        section("Training", grid(*curves(run))),
        _speed(history),
        _data(final.get("data", {})),
        section("Config", folded("every field", f"<pre>{_config(run.config)}</pre>")),
    ]
    top = [
        heading(1, run.name),
        paragraph(_summary(final, history)),
        *(paragraph(_stopped(stop)) for stop in final.get("stopped_early", [])),
        *(paragraph(line) for line in _health(history)),
        contents([part for part in parts if part]),
    ]
    return document(run.name, [*top, *parts])


def _summary(final: Mapping[str, Any], history: Rows) -> str:
    if not final:
        done = max((row["step"] for row in history), default=0)
        return f"This run is not finished: {done:,} steps are done."
    facts = [
        f"step {final['best_step']:,} of {final['steps']:,} kept",
        f"{final['parameters']:,} parameters",
        f"{final['seconds']:,.0f} seconds",
        str(final["device"]),
    ]
    return "; ".join(facts) + ". Chosen on dev; test was read once, at the end."


def _health(history: Rows) -> Iterator[str]:
    """Lines about steps that were skipped and losses that jumped; none about a sound run."""
    skipped = [row for row in history if row["kind"] == "skipped"]
    spikes = [row for row in history if row["kind"] == "spike"]
    if skipped:
        tasks = sorted({task for row in skipped for task in row["tasks"]})
        of_tasks = f" of {', '.join(tasks)}" if tasks else ""
        yield (
            f"{len(skipped):,} step{'s' * (len(skipped) > 1)} skipped, since the loss{of_tasks} or "
            f"the gradient was NaN or infinite: {_steps(skipped)}."
        )
    if spikes:
        tasks = sorted({row["task"] for row in spikes})
        yield f"The loss of {', '.join(tasks)} jumped at: {_steps(spikes)}."


def _steps(rows: Rows) -> str:
    """`step 7, 12, 30 and 5 more`."""
    numbers = list(dict.fromkeys(row["step"] for row in rows))
    more = f" and {len(numbers) - _OPEN:,} more" if len(numbers) > _OPEN else ""
    return f"step {', '.join(f'{number:,}' for number in numbers[:_OPEN])}{more}"


def _stopped(stop: Mapping[str, Any]) -> str:
    return (
        f"Stopped early: {stop['phase']} ended at step {stop['step']:,} of "
        f"{stop['planned']:,}, since its score on dev was best at step {stop['best_step']:,} "
        f"({stop['best_score']:.4f})."
    )


def _held_out(texts: Mapping[str, Mapping[str, Any]]) -> str:
    """The perplexity of what trains on texts without labels."""
    lines_ = [
        paragraph(
            f"{name}: perplexity {found['perplexity']:,.2f} on {found['count']:,} hidden subwords "
            "of held-out text."
        )
        for name, found in texts.items()
    ]
    return section("Held-out text", *lines_)


def _best_by_task(final: Mapping[str, Any]) -> str:
    """The checkpoints that are best by one task, and the one that was chosen for all."""
    rows = []
    for task, best in final.get("best_by_task", {}).items():
        own, shared = (Score.from_json(x).headline for x in (best["dev"], final["dev"][task]))
        rows.append((task, best["step"], own, shared))
    head = ("task", "step", "dev", "dev, chosen for all")
    return section("Best checkpoint by each task", table(head, rows)) if rows else ""


def _teachers(final: Mapping[str, Any]) -> str:
    """What the student learned from, and its scores beside those of its teachers."""
    if "distill" not in final:
        return ""
    fields = final["distill"]
    share = f"from {fields['gold']:g} to 1 over the run" if fields["anneal"] else fields["gold"]
    filled = ", ".join(f"{count:,} of {task}" for task, count in fields["filled"].items())
    facts = (
        f"Share of the label in the loss: {share}. Temperature {fields['temperature']:g}. Answers "
        f"in place of a missing label: {filled}; weight {fields['weight']:g}, confidence at least "
        f"{fields['floor']:g}."
    )
    split, found = beside_teachers(final)
    rows = [
        (task, path, theirs, ours, f"{ours - theirs:+.4f}") for task, path, theirs, ours in found
    ]
    head = ("task", "teacher", f"its score on {split}", "student", "change")
    return section("Teachers", paragraph(facts), table(head, rows, text=2) if rows else "")


def _split(split: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    read = {task: Score.from_json(plain) for task, plain in scores.items()}
    return section(
        f"Scores on {split}", *(_task(split, task, score) for task, score in read.items())
    )


def _task(split: str, task: str, score: Score) -> str:
    figures = "; ".join(f"{figure.title} {figure.value:.4f}" for figure in score.figures)
    by_label = [
        (label, {"precision": row.precision, "recall": row.recall, "F1": row.f1})
        for label, row in score.rows.items()
    ]
    many = len(by_label) > _OPEN
    drawn = "" if many else dots(f"{task}, {split}: precision, recall and F1", by_label)
    return (
        heading(3, task)
        + paragraph(f"{figures}; {sentences(score.sentences)}.", "")
        + grid(
            f"<div>{label_table(score)}{drawn}</div>",
            _confusion(score.confusion),
            _reliability(split, task, score),
        )
        + _ceiling(score)
    )


def label_table(score: Score) -> str:
    """Precision, recall and F1 per label, with the overall figures last."""
    rows = [(label, *_cells(row)) for label, row in score.rows.items()]
    totals = [(title, *_cells(row)) for title, row in score.totals.items()]
    head = ("label", "precision", "recall", "F1", "support")
    if len(rows) <= 2 * _OPEN:
        return table(head, [*rows, *totals], totals=len(totals))
    worst = sorted(rows, key=lambda row: -1 if row[3] is None else row[3])[:_OPEN]
    return table(head, [*worst, *totals], totals=len(totals)) + folded(
        f"all {len(rows):,} labels; above are those with the lowest F1", table(head, rows)
    )


def _cells(row: Row) -> tuple[Any, ...]:
    return row.precision, row.recall, row.f1, row.support


def _confusion(confusion: Confusion | None) -> str:
    """Gold per row, predicted per column, each row shaded relative to its own sum."""
    if not confusion:
        return ""
    labels, counts = confusion
    rows = []
    for label, row in zip(labels, counts, strict=True):
        total = max(sum(row), 1)
        rows.append((label, *(Cell(f"{n:,}", "heat", 0.6 * n / total) for n in row)))
    inner = table(("gold \\ predicted", *labels), rows)
    if len(labels) > _OPEN:
        inner = folded(f"{len(labels):,} labels", inner)
    return f"<figure><figcaption>Confusion</figcaption>{inner}</figure>"


def _ceiling(score: Score) -> str:
    if not score.ceiling or not score.ceiling.reason:
        return ""
    return paragraph(
        f"Highest F1 that can be reached on these sentences: {score.ceiling.f1:.4f}. Of the "
        f"entities, {score.ceiling.reason}."
    )


def _reliability(split: str, task: str, score: Score) -> str:
    """A reliability diagram, with and without the temperature if there is one."""
    if not score.calibration:
        return ""
    _, before, after = score.calibration
    found = [("with the temperature", after)]
    if before != after:
        found.append(("without it", before))
    curves = [
        Curve(name, [(bin.score, bin.right, bin.size) for bin in one.bins]) for name, one in found
    ]
    about = f"{calibration(score.calibration).capitalize()}. A larger point is more decisions."
    return reliability(f"{task}, {split}: share that is right, by score", curves, about)


def _mistakes(mistakes: Mapping[str, Mapping[str, Rows]]) -> str:
    """The sentences that went most wrong, by task."""
    parts = []
    for split, by_task in mistakes.items():
        for task, found in by_task.items():
            if not found:
                continue
            order = label_order(answer for one in found for answer in (one["given"], one["found"]))
            shown = [_mistake(i, one, order) for i, one in enumerate(found, start=1)]
            parts.append(folded(f"{task}: {sentences(len(found), split)}", cards(shown)))
    note = paragraph(
        "The labels that the model finds least likely, among the sentences it gets wrong: mistakes "
        "of the model, or of the label. Outlined is what label and model do not share."
    )
    return section("Sentences that went most wrong", note, *parts) if parts else ""


def _mistake(number: int, found: Mapping[str, Any], labels: Sequence[str]) -> str:
    part = "; part of a longer text" if found.get("cut") else ""
    title = (
        f"{number}. probability of the label {found['probability']:.2g}; loss {found['loss']:.2f}"
    )
    return card(title + part, found["text"], found["given"], found["found"], labels)


def _phases(rows: Rows, started_trained: bool) -> str:
    """What each phase did to the scores on dev: what was learned, and what was forgotten.

    Only what was learned can be forgotten: a task that no phase has trained yet does not count,
    unless the run started from another one.
    """
    tasks = dict.fromkeys(task for row in rows for task in row["after"])
    if not tasks:
        return ""
    body: list[Sequence[Any]] = []
    forgotten = []
    learned = set(tasks) if started_trained else set()
    for row in rows:
        learned.update(row["tasks"])
        for task in tasks:
            before, after = row["before"].get(task), row["after"].get(task)
            change = None if before is None or after is None else after - before
            lost = task in learned and change is not None and round(change, 4) < 0
            text = "" if change is None else f"{change:+.4f}"
            trained = f"{task}, trained" if task in row["tasks"] else task
            steps = f"{row['start'] + 1:,} to {row['end']:,}"
            moved = Cell(text, "error" if lost else "")
            body.append((row["name"], steps, trained, before, after, moved))
            if lost:
                forgotten.append((change, f"{task} {text} in the phase {row['name']}"))
    worst = "; ".join(text for _, text in sorted(forgotten))
    note = f"Forgotten: {worst}." if forgotten else "No phase made a task worse."
    return section(
        "What each phase did to the scores on dev",
        table(("phase", "steps", "task", "before", "after", "change"), body, text=3),
        paragraph(note),
    )


def curves(run: RunFiles) -> list[str]:
    """One chart per quantity of training that the run recorded, with where its phases begin."""
    train = [row for row in run.history if row.get("kind") == "train"]
    dev = [row for row in run.history if row.get("kind") == "dev"]
    texts = [row for row in run.history if row.get("kind") == "held_out"]
    starts = [(phase["name"], phase["start"]) for phase in run.final.get("phases", [])]
    losses, scores = by_task(train, "losses"), by_task(dev, "scores")
    order = list(dict.fromkeys((*losses, *scores)))
    loss = [Series(f"{task}, train", points, color=order.index(task))
            for task, points in losses.items()]  # fmt: skip
    loss += [Series(f"{task}, dev", points, True, order.index(task))
             for task, points in _dev_losses(dev).items() if task in order]  # fmt: skip
    score = [Series(task, points, color=order.index(task)) for task, points in scores.items()]
    weights = by_task(train, "weights")
    moves = any(y != 1 for points in weights.values() for _, y in points)
    return [
        lines("Loss", loss, log=True, starts=starts),
        lines("Score on dev", score, number=".4f", starts=starts),
        lines("Perplexity on held-out text", _plain(by_task(texts, "perplexity")), starts=starts),
        lines("Learning rate", _one(train, "learning_rate"), axis=".3~g", starts=starts),
        lines(
            "Gradient norm, before clipping", _one(train, "gradient_norm"), log=True, starts=starts
        ),
        lines("Weight of each task's gradient", _plain(weights), starts=starts) if moves else "",
    ]


def _speed(history: Rows) -> str:
    """Subwords per second, padding, and use of the device."""
    train = [row for row in history if row.get("kind") == "train"]
    about = speed(history)
    if not about:
        return ""
    padding = [(row["step"], 1 - row["fill"]) for row in train if "fill" in row]
    facts = [f"median {about['tokens_per_second']:,.0f} subwords per second"]
    if "padding" in about:
        facts.append(f"{about['padding']:.1%} of the positions are padding")
    if "utilisation" in about:
        facts.append(f"{about['utilisation']:.1%} of the device's FLOPs are used")
    return section(
        "Speed and padding",
        paragraph("; ".join(facts).capitalize() + ".", ""),
        grid(
            lines("Subwords per second", _one(train, "tokens_per_second"), number=",.0f"),
            lines("Share of padding", [Series("padding", padding)], number=".2%", axis=".1%"),
            lines("FLOPs used", _one(train, "utilisation"), number=".1%", axis="%"),
        ),
    )


def speed(history: Rows) -> dict[str, float]:
    """Median subwords per second, mean share of padding and of FLOPs used; {} without steps."""
    train = [row for row in history if row.get("kind") == "train"]
    rates = [row["tokens_per_second"] for row in train if "tokens_per_second" in row]
    fills = [row["fill"] for row in train if "fill" in row]
    used = [row["utilisation"] for row in train if "utilisation" in row]
    return {
        **({"tokens_per_second": statistics.median(rates)} if rates else {}),
        **({"padding": 1 - statistics.fmean(fills)} if fills else {}),
        **({"utilisation": statistics.fmean(used)} if used else {}),
    }


def _data(about: Mapping[str, Any]) -> str:
    """What was read, and what the check of the data said."""
    counts, notes = about.get("sentences", {}), list(about.get("notes", []))
    tasks = dict.fromkeys(task for of_split in counts.values() for task in of_split)
    rows = [(task, *(of_split.get(task) for of_split in counts.values())) for task in tasks]
    rest = notes[_NOTES:]
    more = folded(f"{len(rest):,} more", listing(rest)) if rest else ""
    return section(
        "Data",
        table(("labeled sentences", *counts), rows) if rows else "",
        listing(notes[:_NOTES]) + more if notes else "",
    )


def _one(rows: Rows, key: str) -> list[Series]:
    return [Series(key.replace("_", " "), [(row["step"], row[key]) for row in rows if key in row])]


def _plain(by_name: Mapping[str, Sequence[tuple[float, float]]]) -> list[Series]:
    return [Series(name, points) for name, points in by_name.items()]


def by_task(rows: Rows, key: str) -> dict[str, list[tuple[float, float]]]:
    """Task -> (step, value) of a group of numbers in rows of metrics.jsonl."""
    tasks = dict.fromkeys(task for row in rows for task in row.get(key, {}))
    return {
        task: [(row["step"], row[key][task]) for row in rows if task in row.get(key, {})]
        for task in tasks
    }


def _dev_losses(dev: Rows) -> dict[str, list[tuple[float, float]]]:
    """Task -> (step, loss on dev)."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in dev:
        for task in row.get("scores", {}):
            value = row[task].get("loss") if isinstance(row.get(task), Mapping) else None
            if value is not None:
                found.setdefault(task, []).append((row["step"], value))
    return found


def _config(config: Mapping[str, Any]) -> str:
    return escape("\n".join(f"{name} = {value!r}" for name, value in settings(config).items()))
