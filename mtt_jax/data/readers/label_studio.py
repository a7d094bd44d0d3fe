"""Label Studio: its exports as JSON, JSON_MIN, CSV and TSV, and tasks one per line.

JSON        [{"id": 1, "data": {"text": "Ann sold Acme."}, "annotations": [{"result": [
                {"from_name": "who", "to_name": "text", "type": "labels",
                 "value": {"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}}]}]}]
JSON_MIN    [{"id": 1, "text": "Ann sold Acme.",
              "who": [{"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}]}]

What annotators fill in is called a control, here `who`. The labels of every control are kept under
its name; those of the only control with spans are `entities`, and those of the only one for whole
texts are also `label`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.json_items import first_items, items
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import entity, longest
from mtt_jax.data.readers.tables import read_csv as read_named_columns
from mtt_jax.errors import UserError

# Where a task keeps its annotations; the second is the name before version 1.0.
_ANNOTATIONS = ("annotations", "completions")
_MINIMAL = ("annotator", "annotation_id", "lead_time")
_CANCELLED = "cancelled annotations, left out"
_FURTHER = (
    "further annotations of a text, left out; one marked as ground truth or the first is read"
)
_OF_A_REGION = "choices for a part of a text, left out"
# What the values of a control for whole texts are under.
_CHOICES, _TAXONOMY = "choices", "taxonomy"
_LEVELS = "/"
# How a file begins, up to the text or to what is annotated in it.
_BEGINS = re.compile(
    r'\[?\s*\{[^{\[]*("data"\s*:\s*\{|"(annotations|completions)"\s*:\s*\[\s*\{[^{]*"result"\s*:)'
)


class _Task(NamedTuple):
    """A text of either export.

    Attributes:
      place: where it is.
      data: key -> value of what was annotated.
      results: (control, to_name, value) of everything that was annotated; None if nothing was.
      faults: as `Row.faults`.
      minimal: whether it is of JSON_MIN.
    """

    place: Place
    data: Mapping[str, Any]
    results: list[tuple[str, str, Mapping[str, Any]]] | None
    faults: list[str]
    minimal: bool = False


class _Project(NamedTuple):
    """What all tasks of a file together say.

    Attributes:
      text: the key of the text; "" if nothing says which one it is.
      spans: the only control with spans; "" if there are none or several.
      classes: the only control for whole texts; "" if there are none or several.
      controls: all of both kinds.
      many: controls of whose classes some text has several.
    """

    text: str
    spans: str
    classes: str
    controls: frozenset[str]
    many: frozenset[str]


def recognize(head: Head) -> str | None:
    """A description of objects with `data` and `annotations`, or with spans of JSON_MIN."""
    found = [item for item in first_items(head) if isinstance(item, dict)]
    if found:
        if isinstance(found[0].get("data"), dict) and any(k in found[0] for k in _ANNOTATIONS):
            return "Label Studio JSON"
        if any(key in found[0] for key in _MINIMAL) or any(_has_spans(item) for item in found):
            return "Label Studio JSON_MIN"
        return None
    # A first task that is longer than what is looked at.
    return "Label Studio JSON" if _BEGINS.match(head.text.lstrip()) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each task, in two passes over the file.

    Cancelled annotations are left out; of several for one text the one that is marked as ground
    truth is read, otherwise the first. A text without any has no label.

    Raises:
      UserError: for other JSON, spans in HTML, and spans that do not hold the text that the file
        says they do.
    """
    project = _project(_tasks(items(path, layout.encoding)))
    for task in _tasks(items(path, layout.encoding)):
        yield _row(task, project)


def recognize_table(head: Head) -> str | None:
    """A description of a table with columns that only Label Studio writes."""
    first = next(iter(head.text.split("\n")), "")
    names = {name.strip().strip('"') for name in first.split("\t" if "\t" in first else ",")}
    return "Label Studio table" if {"annotation_id", "lead_time"} <= names else None


def read_table(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each line of a CSV or TSV export, whose labels are JSON in cells.

    Raises:
      UserError: as `read`, and for a table that is not CSV or TSV.
    """
    project = _project(_tasks(_lines(path, layout)))
    for task in _tasks(_lines(path, layout)):
        yield _row(task, project)


def _lines(path: Path, layout: Layout) -> Iterator[tuple[Place, Any]]:
    """The lines of a table as items of JSON_MIN."""
    for row in read_named_columns(path, layout._replace(header=True)):
        named = {name: cell for name, cell in row.fields.items() if not name.isdecimal()}
        yield row.place, {name: _cell(cell) for name, cell in named.items() if cell}


def _cell(cell: str) -> Any:
    """The spans or choices in a cell; the cell if it holds neither."""
    if cell.startswith(("[{", "{")):
        try:
            value = json.loads(cell)
        except (ValueError, RecursionError):
            return cell
        if _is_spans(value) or (isinstance(value, dict) and _CHOICES in value):
            return value
    return cell


def _tasks(found: Iterable[tuple[Place, Any]]) -> Iterator[_Task]:
    seen: set[Any] = set()
    for place, item in found:
        if not isinstance(item, dict):
            raise UserError(f"{place}: expected a task of Label Studio, got {str(item)[:40]}")
        if isinstance(item.get("data"), dict):
            yield _full(item, place)
        elif item.get("id") is not None and str(item["id"]) in seen:
            yield _Task(place, {}, None, [_FURTHER])
        else:
            seen.add(str(item.get("id")))
            yield _minimal(item, place)


def _full(item: Mapping[str, Any], place: Place) -> _Task:
    """A task of the JSON export."""
    given: Any = next((item[key] for key in _ANNOTATIONS if item.get(key)), [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise UserError(f"{place}: 'annotations' is not a list of objects; export the file again.")
    valid = [one for one in given if not one.get("was_cancelled")]
    faults = [_CANCELLED] * (len(given) - len(valid)) + [_FURTHER] * (len(valid) - 1)
    data = {**({"id": item["id"]} if "id" in item else {}), **item["data"]}
    if not valid:
        return _Task(place, data, None, faults)
    chosen = next((one for one in valid if one.get("ground_truth")), valid[0])
    results: list[tuple[str, str, Mapping[str, Any]]] = []
    given = chosen.get("result")
    for result in given if isinstance(given, list) else ():
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict) and "from_name" in result:  # not a relation of two spans
            name, target = str(result["from_name"]), str(result.get("to_name", ""))
            if "start" in value and _CHOICES in value:
                faults.append(_OF_A_REGION)
            else:
                results.append((name, target, value))
    return _Task(place, data, results, faults)


def _minimal(item: Mapping[str, Any], place: Place) -> _Task:
    """A task of the JSON_MIN export, where controls are keys beside the data."""
    data, results = {}, []
    for key, value in item.items():
        if _is_spans(value):
            results += [(key, "", span) for span in value]
        elif isinstance(value, dict) and (_CHOICES in value or _TAXONOMY in value):
            results.append((key, "", value))
        else:
            data[key] = value
    return _Task(place, data, results, [], minimal=True)


def _project(tasks: Iterable[_Task]) -> _Project:
    spans: set[str] = set()
    classes: set[str] = set()
    many: set[str] = set()
    votes: Counter[str] = Counter()
    for task in tasks:
        strings = {key: value for key, value in task.data.items() if isinstance(value, str)}
        for _, target, value in task.results or ():
            if _labels(value):
                held = [k for k, text in strings.items() if _holds(text, value, task.place)]
                votes.update(dict.fromkeys(held, 2))
            votes.update([target] if target in strings else ())
        votes.update({key: 0 for key in strings if key == "text" or len(strings) == 1})
        spans.update(name for name, _, value in task.results or () if _labels(value))
        chosen = _chosen(task)
        classes.update(chosen)
        many.update(name for name, found in chosen.items() if len(found) > 1)
    texts = [key for key, _ in votes.most_common()]
    controls = frozenset(spans | classes)
    return _Project(
        texts[0] if texts else "",
        spans.pop() if len(spans) == 1 else "",
        classes.pop() if len(classes) == 1 else "",
        controls,
        frozenset(many),
    )


def _row(task: _Task, project: _Project) -> Row:
    if not task.data:
        return Row(task.place, {}, faults=task.faults)
    if task.minimal:
        task = _with_single_choices(task, project)
    text = task.data.get(project.text) if project.text else None
    if project.text and not isinstance(text, str):
        raise UserError(
            f"{task.place}: no text under {project.text!r}, where other texts of the file are."
        )
    entities, faults = _entities(task, project, text)
    classes = {
        name: found if name in project.many else next(iter(found), None)
        for name, found in _chosen(task).items()
    }
    if project.classes in classes:
        classes["label"] = classes[project.classes]
    others = {
        name: next(iter(value.values()), None)
        for name, _, value in task.results or ()
        if not _labels(value) and _classes(value) is None
    }
    # What was imported with a text does not count as its annotation.
    replaced = {"label" if project.classes else "", "entities" if project.spans else ""}
    replaced = (replaced | project.controls) - {project.text}
    fields = {key: value for key, value in task.data.items() if key not in replaced}
    return Row(
        task.place,
        fields | others | classes | entities,
        text=text,
        faults=[*task.faults, *faults],
    )


def _with_single_choices(task: _Task, project: _Project) -> _Task:
    """A task of JSON_MIN, which has a string for one choice and an object for several."""
    single = {key: task.data[key] for key in project.controls & task.data.keys() - {project.text}}
    results = [(key, "", {_CHOICES: [v]}) for key, v in single.items() if isinstance(v, str)]
    return task._replace(results=[*(task.results or ()), *results])


def _entities(
    task: _Task, project: _Project, text: str | None
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Key -> the entities of each control of a task, and faults."""
    annotated = task.results is not None and project.spans
    found: dict[str, list[dict[str, Any]]] = {project.spans: []} if annotated else {}
    for name, _, value in task.results or ():
        labels = _labels(value)
        if labels:
            _check(text, value, task.place, project.text)
            start, end = _place(value, task.place)
            spans = [entity(start, end, label, _surface(value)) for label in labels]
            found.setdefault(name, []).extend(spans)
    kept, faults = {}, []
    for name, spans in found.items():
        kept["entities" if name == project.spans else name], overlapping = longest(spans)
        faults += overlapping
    return kept, faults


def _chosen(task: _Task) -> dict[str, list[str]]:
    """Control -> the classes that it gives a whole text."""
    found: dict[str, list[str]] = {}
    for name, _, value in task.results or ():
        classes = _classes(value)
        if classes is not None and not _labels(value):
            found.setdefault(name, []).extend(classes)
    return found


def _labels(value: Mapping[str, Any]) -> list[str]:
    """The types of a span; [] for a value that is none."""
    found = value.get("labels", value.get("hypertextlabels", value.get("paragraphlabels", ())))
    return list(map(str, found)) if isinstance(found, list) and "start" in value else []


def _classes(value: Mapping[str, Any]) -> list[str] | None:
    """The classes of a text; None for a value that holds none."""
    if isinstance(value.get(_CHOICES), list):
        return list(map(str, value[_CHOICES]))
    if isinstance(value.get(_TAXONOMY), list):
        paths = value[_TAXONOMY]
        return [
            _LEVELS.join(map(str, path if isinstance(path, list) else [path])) for path in paths
        ]
    return None


def _place(value: Mapping[str, Any], place: Place) -> tuple[int, int]:
    start, end = value.get("start"), value.get("end")
    if type(start) is not int or type(end) is not int or "startOffset" in value:
        raise UserError(
            f"{place}: a span from {start!r} to {end!r} is a place in HTML or a dialogue, not in a "
            "text; annotate it as <Text> in Label Studio and export it again."
        )
    return start, end


def _holds(text: str, value: Mapping[str, Any], place: Place) -> bool:
    """Whether a span's own text is found at its offsets."""
    start, end = _place(value, place)
    return bool(_surface(value)) and _same(text[start:end], _surface(value))


def _check(text: str | None, value: Mapping[str, Any], place: Place, key: str) -> None:
    """Refuses a span that holds another text than the file says.

    Offsets in UTF-16 units or bytes are let through: whoever reads the rows recognizes them.
    """
    start, end = _place(value, place)
    given = _surface(value)
    if text is None or not given or _same(text[start:end], given):
        return
    for encoding, width in (("utf-16-le", 2), ("utf-8", 1)):
        units = text.encode(encoding, "surrogatepass")[start * width : end * width]
        if _same(units.decode(encoding, "replace"), given):
            return
    raise UserError(
        f"{place}: the span from {start} to {end} is {given!r} in the annotation, and "
        f"{text[start:end]!r} in {key!r}; the text was changed after it was annotated. Correct or "
        "remove the task."
    )


def _surface(value: Mapping[str, Any]) -> str:
    r"""The text that a span is said to hold, in which line ends are also written as `\n`."""
    given = value.get("text")
    return given.replace("\\n", "\n") if isinstance(given, str) else ""


def _same(found: str, given: str) -> bool:
    """Whether texts agree but for spaces."""
    return "".join(found.split()) == "".join(given.split())


def _is_spans(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(span, dict) and _labels(span) for span in value)
    )


def _has_spans(item: Mapping[str, Any]) -> bool:
    return any(_is_spans(value) for value in item.values())
