"""The model card: what a model was trained on, how it scores, and how to load it.

Markdown with the YAML front matter that model hubs read
(https://huggingface.co/docs/hub/model-cards).
"""

from collections.abc import Mapping, Sequence
from typing import Any

_LIMITS = """\
- Scores hold for sentences like those it was tested on; measure it on your own before you rely
  on it.
- It answers with one of its labels for any input, also for text that is no news at all.
- Scores of a prediction are probabilities of the model, and they are not calibrated."""


def render(
    name: str,
    config: Mapping[str, Any],
    final: Mapping[str, Any],
    notes: Sequence[str],
    counts: Mapping[str, Mapping[str, int]],
) -> str:
    """The card in Markdown.

    Args:
      name: of the run.
      config: plain, as in config.json.
      final: as in metrics.json.
      notes: what was said about the data.
      counts: split -> task -> labelled sentences.
    """
    parts = [
        _front_matter(name, config, final),
        f"# {name}\n\nOne transformer encoder with a head for each task: "
        f"{', '.join(_task(task, fields) for task, fields in config['tasks'].items())}. "
        f"{final['parameters']:,} parameters.",
        "## Use\n\n```python\nfrom mtt_jax import Predictor\n\n"
        f'predictor = Predictor.load("runs/{name}")\n'
        'predictor("Tom works at Microsoft in Seattle.")\n```',
        "## Scores\n\n" + _scores(config, final),
        "## Data\n\n" + _data(config, counts, notes),
        "## Training\n\n" + _training(config, final),
        "## Limits\n\n" + _limits(final),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(name: str, config: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    kinds = {"sentence": "text-classification", "token": "token-classification"}
    lines = ["---", "library_name: mtt_jax", "tags:"]
    lines += [f"- {kind}" for kind in dict.fromkeys(kinds[t["kind"]] for t in _tasks(config))]
    lines += ["- multi-task", "- jax", "model-index:", f"- name: {name}", "  results:"]
    for task, result in final.get("test", {}).items():
        kind = kinds[config["tasks"][task]["kind"]]
        lines += [
            "  - task:",
            f"      type: {kind}",
            "    dataset:",
            f"      name: {config['data']['source']} ({task})",
            f"      type: {config['data']['source']}",
            "      split: test",
            "    metrics:",
        ]
        for metric in ("accuracy", "macro_f1", "precision", "recall", "f1"):
            if metric in result:
                lines += [f"    - type: {metric}", f"      value: {result[metric]:.4f}"]
    if not final.get("test"):
        lines[-1] += " []"
    return "\n".join([*lines, "---"])


def _tasks(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(config["tasks"].values())


def _task(name: str, fields: Mapping[str, Any]) -> str:
    what = "the sentence" if fields["kind"] == "sentence" else "every word"
    return f"{name} ({', '.join(fields['labels'])}) for {what}"


def _scores(config: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    lines = ["| split | task | score | value | sentences |", "|---|---|---|---|---|"]
    for split in ("dev", "test"):
        for task, result in final.get(split, {}).items():
            shown = {
                "accuracy": "accuracy",
                "macro_f1": "macro F1",
                "precision": "entity precision, strict",
                "recall": "entity recall, strict",
                "f1": "entity F1, strict",
            }
            for metric, title in shown.items():
                if metric in result:
                    lines.append(
                        f"| {split} | {task} | {title} | {result[metric]:.4f} "
                        f"| {result['count']:,} |"
                    )
    if len(lines) == 2:
        return "No sentences were given to score it on."
    return "\n".join(lines) + (
        f"\n\nThe step was chosen on dev by the score `{config['train']['score']}`; test was read "
        "once, at the end."
    )


def _data(
    config: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]], notes: Sequence[str]
) -> str:
    source = {
        "newswire": "the corpus that comes with mtt_jax, sentences in the manner of news that a "
        "grammar writes",
        "files": "files of the user's",
        "tfds": "data sets of TensorFlow Datasets",
    }[config["data"]["source"]]
    lines = [f"Trained on {source}.", "", "| split | task | labelled sentences |", "|---|---|---|"]
    for split, by_task in counts.items():
        lines += [f"| {split} | {task} | {count:,} |" for task, count in by_task.items()]
    return "\n".join([*lines, *(["", *(f"- {note}" for note in notes)] if notes else [])])


def _training(config: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    encoder, train = config["encoder"], config["train"]
    return (
        f"{encoder['layers']} layers of width {encoder['width']} with {encoder['heads']} attention "
        f"heads, {encoder['positions']} positions, {encoder['pooling']} pooling{_lora(encoder)}. "
        f"{final['steps']:,} steps of {train['batch_rows']} rows of {train['row_length']} "
        f"subwords with AdamW{_rate(train, final)}; step "
        f"{final['best_step']:,} was kept. {final['seconds']:,.0f} seconds on {final['device']}. "
        f"{_phases(final)}config.json has every setting."
    )


def _lora(encoder: Mapping[str, Any]) -> str:
    rank = encoder.get("lora_rank", 0)
    return f", low-rank additions of rank {rank} (merged)" if rank else ""


def _rate(train: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    return "" if final.get("phases") else f" at a peak learning rate of {train['learning_rate']:g}"


def _phases(final: Mapping[str, Any]) -> str:
    phases = [
        f"{phase['name']} (to step {phase['end']:,}, on {' and '.join(phase['tasks'])}, peak rate "
        f"{phase['learning_rate']:g})"
        for phase in final.get("phases", [])
    ]
    return f"Trained in phases: {'; '.join(phases)}. " if phases else ""


def _limits(final: Mapping[str, Any]) -> str:
    lines = [_LIMITS]
    for task, result in final.get("test", final.get("dev", {})).items():
        ceiling = result.get("ceiling", {})
        if ceiling.get("f1", 1) < 1:
            lines.append(
                f"- {task} is written in the scheme {ceiling['scheme']}, in which adjacent "
                f"entities of one type merge: no model scores above F1 {ceiling['f1']:.4f} on "
                "these sentences."
            )
        rows = result.get("per_class", result.get("per_entity", {}))
        if rows:
            label, row = min(rows.items(), key=lambda item: item[1]["f1"])
            lines.append(f"- Weakest label of {task}: {label}, F1 {row['f1']:.4f}.")
    return "\n".join(lines)
