"""The embedded corpus as records, for tasks whose labels it has."""

from collections.abc import Sequence
from pathlib import Path

from mtt_jax.config.schema import Config
from mtt_jax.data.newswire import VERSION, grammar
from mtt_jax.data.readers.rows import Place
from mtt_jax.data.readers.source import Source
from mtt_jax.data.readers.tfds import quiet
from mtt_jax.data.splits import SPLITS
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task
from mtt_jax.types import Record, Span

# What the corpus labels: a topic per sentence, and entities.
_TOPICS = ("sports", "politics", "others")
_ENTITY_TYPES = ("PER", "ORG", "LOC", "MISC")


def read_newswire(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    """Split -> records of the embedded corpus, which is written at the first call; and notes."""
    from mtt_jax.data.newswire import builder  # TFDS loads slowly, and only this needs it

    home = cache / "tfds" / f"newswire-{VERSION}"
    sources = [
        Source(task, config.tasks[task.name].data)
        for task in config.task_list
        if (task.name == "topic" and "value" in task.reads)
        or (task.name == "ner" and "offsets" in task.reads)
    ]
    with quiet():
        rows = {split: builder.load(split, str(home)) for split in SPLITS}
    records = {
        split: [
            _record(row, sources, Place(Path("newswire"), line))
            for line, row in enumerate(rows[split], start=1)
        ]
        for split in SPLITS
    }
    for source in sources:
        source.check()
    return records, []


def _record(row: dict, sources: Sequence[Source], place: Place) -> Record:
    spans = [Span(*entity) for entity in row["entities"] or []]
    labels = {}
    for source in sources:
        if "offsets" in source.task.reads and row["entities"] is not None:
            labels[source.task.name] = source.read_spans(spans, place)
        elif "value" in source.task.reads and row["topic"] is not None:
            labels[source.task.name] = source.read_value(row["topic"], "the topic", place)
    return Record(row["text"], labels)


def newswire_extra(task: Task, count: int, seed: int) -> list[Record]:
    """Sentences of the embedded corpus with labels of one task, to train on in addition.

    Raises:
      UserError: for a task whose labels are not those of the corpus.
    """
    entities = "offsets" in task.reads
    known = _ENTITY_TYPES if entities else _TOPICS
    if not task.reads & {"offsets", "value"} or not set(known) <= set(task.labels):
        raise UserError(
            f"config.data.{task.name}.newswire: the corpus labels {', '.join(known)}, and task "
            f"'{task.name}' lacks some of these labels."
        )
    records = []
    for sentence in grammar.generate("train", count, seed):
        label = (
            tuple(Span(*entity) for entity in sentence.entities)
            if entities
            else task.from_value(sentence.topic, "", lambda name: name)
        )
        records.append(Record(sentence.text, {task.name: label}))
    return records
