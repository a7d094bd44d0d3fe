"""The model card: what a model was trained on, how it scores, and how to load it.

Markdown with the YAML front matter that model hubs read
(https://huggingface.co/docs/hub/model-cards).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mtt_jax.report.console import calibration
from mtt_jax.tasks import Score, Task
from mtt_jax.tasks.score import read_scores

_LIMITS = """\
- Scores hold for sentences like those it was tested on; measure it on your own before you rely
  on it.
- It gives an answer for any input, even for text that is not news at all."""


def render(
    name: str,
    tasks: Sequence[Task],
    config: Mapping[str, Any],
    final: Mapping[str, Any],
    notes: Sequence[str],
    counts: Mapping[str, Mapping[str, int]],
) -> str:
    """The card in Markdown.

    Args:
      name: of the run.
      tasks: all.
      config: as nested dicts, as in config.json.
      final: as in metrics.json; "chosen_by" names the task whose score chose the step, if one did.
      notes: what the user was told about the data.
      counts: split -> task -> labeled sentences.
    """
    scores = read_scores(final)
    test = scores.get("test", {})
    parts = [
        _front_matter(name, tasks, config, test),
        f"# {name}\n\n{_what(tasks)}. {final['parameters']:,} parameters.",
        f"## Use\n\n{_use(name, tasks)}",
        "## Scores\n\n" + _scores(config, scores, final),
        "## Data\n\n" + _data(config, counts, notes),
        "## Training\n\n" + _training(config, final),
        "## Limits\n\n" + _limits(test or scores.get("dev", {})),
    ]
    return "\n\n".join(parts) + "\n"


def _what(tasks: Sequence[Task]) -> str:
    if not tasks:
        return "One transformer encoder, trained on texts without labels"
    return f"One transformer encoder with a head per task: {', '.join(map(_task, tasks))}"


def _use(name: str, tasks: Sequence[Task]) -> str:
    if not tasks:
        return (
            "It answers nothing by itself. Start a run with tasks from it:\n\n"
            f"```sh\n--config.init_from=runs/{name} --config.init_parts=encoder\n```"
        )
    return (
        "```python\nfrom mtt_jax import Predictor\n\n"
        f'predictor = Predictor.load("runs/{name}")\n'
        'predictor("Tom works at Microsoft in Seattle.")\n```'
    )


def _front_matter(
    name: str, tasks: Sequence[Task], config: Mapping[str, Any], test: Mapping[str, Score]
) -> str:
    lines = ["---", "library_name: mtt_jax", "tags:"]
    lines += [f"- {hub}" for hub in dict.fromkeys(task.hub for task in tasks)]
    lines += ["- multi-task", "- jax", "model-index:", f"- name: {name}", "  results:"]
    for task in tasks:
        if task.name not in test:
            continue
        lines += [
            "  - task:",
            f"      type: {task.hub}",
            "    dataset:",
            f"      name: {config['data']['source']} ({task.name})",
            f"      type: {config['data']['source']}",
            "      split: test",
            "    metrics:",
        ]
        for figure in test[task.name].figures:
            lines += [f"    - type: {figure.name}", f"      value: {figure.value:.4f}"]
    if not test:
        lines[-1] += " []"
    return "\n".join([*lines, "---"])


def _task(task: Task) -> str:
    return f"{task.name} ({', '.join(task.labels)}) for every {task.unit}"


def _scores(
    config: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, Score]],
    final: Mapping[str, Any],
) -> str:
    by_task = final.get("chosen_by")
    chosen = f"of the task {by_task}" if by_task else f"`{config['train']['score']}`"
    lines = ["| split | task | score | value | sentences |", "|---|---|---|---|---|"]
    lines += [
        f"| {split} | {task} | {figure.title} | {figure.value:.4f} | {score.sentences:,} |"
        for split, by_task in scores.items()
        for task, score in by_task.items()
        for figure in score.figures
    ]
    if len(lines) == 2:
        return "No sentences were given to score it on."
    return "\n".join(lines) + (
        f"\n\nThe step was chosen on dev by the score {chosen}; test was read once, at the end."
    )


def _data(
    config: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]], notes: Sequence[str]
) -> str:
    source = {
        "newswire": "the corpus that comes with mtt_jax, news-like sentences that a grammar writes",
        "files": "the user's files",
        "tfds": "data sets of TensorFlow Datasets",
    }[config["data"]["source"]]
    lines = [f"Trained on {source}.", "", "| split | task | labeled sentences |", "|---|---|---|"]
    for split, by_task in counts.items():
        lines += [f"| {split} | {task} | {count:,} |" for task, count in by_task.items()]
    return "\n".join([*lines, *(["", *(f"- {note}" for note in notes)] if notes else [])])


def _training(config: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    encoder, train = config["encoder"], config["train"]
    return (
        f"{encoder['layers']} layers of width {encoder['width']} with {encoder['heads']} attention "
        f"heads, {encoder['positions']} positions, {encoder['pooling']} pooling{_lora(encoder)}. "
        f"{final['steps']:,} steps of {train['batch_rows']} rows of {train['row_length']} "
        f"subwords with AdamW{_rate(train, final)}{_ema(train)}; step "
        f"{final['best_step']:,} was kept. {final['seconds']:,.0f} seconds on {final['device']}. "
        f"{_phases(final)}config.json has every setting."
    )


def _lora(encoder: Mapping[str, Any]) -> str:
    rank = encoder.get("lora_rank", 0)
    return f", low-rank additions of rank {rank} (merged)" if rank else ""


def _ema(train: Mapping[str, Any]) -> str:
    decay = train.get("ema", 0)
    return f", parameters averaged with decay {decay:g}" if decay else ""


def _rate(train: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    return "" if final.get("phases") else f" at a peak learning rate of {train['learning_rate']:g}"


def _phases(final: Mapping[str, Any]) -> str:
    phases = [
        f"{phase['name']} (to step {phase['end']:,}, on {' and '.join(phase['tasks'])}, peak rate "
        f"{phase['learning_rate']:g})"
        for phase in final.get("phases", [])
    ]
    return f"Trained in phases: {'; '.join(phases)}. " if phases else ""


def _limits(scores: Mapping[str, Score]) -> str:
    lines = [_LIMITS]
    for task, score in scores.items():
        if score.calibration:
            lines.append(f"- Scores of {task}: {calibration(score.calibration)}.")
        else:
            lines.append(f"- Scores of {task} are not calibrated.")
        if score.ceiling and score.ceiling.reason:
            lines.append(
                f"- No model reaches more than F1 {score.ceiling.f1:.4f} for {task} on these "
                f"sentences: of the entities, {score.ceiling.reason}."
            )
        by_f1 = {label: row.f1 for label, row in score.rows.items() if row.f1 is not None}
        if by_f1:
            label = min(by_f1, key=lambda name: by_f1[name])
            lines.append(f"- Weakest label of {task}: {label}, F1 {by_f1[label]:.4f}.")
    return "\n".join(lines)
