"""spaCy's DocBin: .spacy files, read by spaCy itself."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from mtt_jax.data.readers.files import open_binary
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spacy_json import flags_of
from mtt_jax.errors import UserError

# What runs where spaCy is installed, and writes what the reader of JSONL reads.
_CONVERT = (
    "import json,sys,spacy;from spacy.tokens import DocBin;"
    "[print(json.dumps({'text':d.text,'entities':[{'start':e.start_char,'end':e.end_char,"
    "'label':e.label_} for e in d.ents],'cats':d.cats})) "
    "for d in DocBin().from_disk(sys.argv[1]).get_docs(spacy.blank('xx').vocab)]"
)


def recognize(head: Head) -> str | None:
    """A description of a file that unpacks to the keys of a DocBin."""
    try:
        start = zlib.decompressobj().decompress(head.raw, 256)
    except zlib.error:
        return None
    return "spaCy DocBin" if b"attrs" in start and b"version" in start else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each document: text, words, entities, tags and `cats`.

    Groups of spans, which may overlap, are under `spans.NAME`.

    Raises:
      UserError: if spaCy is not installed, with a command for a machine where it is; and for a
        damaged file.
    """
    del layout  # a binary file
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError:
        target = path.with_suffix(".jsonl")
        raise UserError(
            f"{path}: a DocBin is read by spaCy, which is not installed: pip install spacy\n"
            "Or convert it where spaCy is installed:\n"
            f'python -c "{_CONVERT}" {quote(str(path))} > {quote(str(target))}'
        ) from None
    with open_binary(path) as stream:
        packed = stream.read()
    try:
        documents = DocBin().from_bytes(packed).get_docs(spacy.blank("xx").vocab)
        for number, document in enumerate(documents, start=1):
            yield _row(document, Place(path, number, "document"))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a DocBin that spaCy can read: {reason}") from None


def _row(document: Any, place: Place) -> Row:
    words = [token for token in document if not token.is_space]
    fields: dict[str, Any] = {"text": document.text}
    if document.has_annotation("ENT_IOB"):
        fields["entities"] = [_entity(span) for span in document.ents]
    if document.has_annotation("TAG"):
        fields["tag"] = [token.tag_ for token in words]
    if document.has_annotation("POS"):
        fields["pos"] = [token.pos_ for token in words]
    if document.cats:
        fields["cats"] = flags_of(document.cats, place)
    for name, group in document.spans.items():
        fields[f"spans.{name}"] = [_entity(span) for span in group]
    return Row(
        place,
        fields,
        text=document.text,
        tokens=[token.text for token in words] or None,
        offsets=[(token.idx, token.idx + len(token.text)) for token in words] or None,
    )


def _entity(span: Any) -> dict[str, Any]:
    return {"start": span.start_char, "end": span.end_char, "label": span.label_}
