"""The files of a run as reports read them: a damaged one is named, whatever is wrong in it."""

import copy
import json
import shutil

import pytest

from mtt_jax.errors import UserError
from mtt_jax.report import compare, run_page
from mtt_jax.report.run_files import mismatch, read_history, read_metrics, read_mistakes, read_run
from tests.helpers import FINAL, NER, ROOT, TOPIC

BY_TASK = {"step": 3, "dev": TOPIC, "test": TOPIC}
TEACHER = {"path": "a", "tasks": ["topic"], "dev": {"topic": TOPIC}}
WHOLE = {
    **FINAL,
    "stopped_early": [
        {"phase": "train", "step": 4, "planned": 9, "best_step": 3, "best_score": 0.5}
    ],
    "phases": [
        {
            "name": "train", "start": 0, "end": 4, "tasks": ["topic"], "learning_rate": 0.1,
            "before": {"topic": 0.1}, "after": {"topic": 0.2},
        }
    ],
    "dev": {"topic": TOPIC, "ner": NER},
    "test": {"topic": TOPIC, "ner": NER},
    "data": {"sentences": {"train": {"topic": 4}}, "notes": ["a note"]},
    "held_out": {"mlm": {"perplexity": 3.5, "loss": 1.25, "count": 40}},
    "best_by_task": {"topic": BY_TASK},
    "distill": {
        "temperature": 1.0, "gold": 0.5, "anneal": True, "weight": 1.0, "floor": 0.0,
        "unlabelled": 0.5, "filled": {"topic": 2}, "teachers": [TEACHER],
    },
}  # fmt: skip
MISTAKE = {"text": "Ann left.", "probability": 0.1, "loss": 2.0}
MISTAKES = {
    "dev": {
        "ner": [{**MISTAKE, "given": [{"start": 0, "end": 3, "label": "PER"}], "found": []}],
        "topic": [{**MISTAKE, "given": {"label": "a"}, "found": {"label": "b"}, "cut": True}],
    }
}
WRONG = (None, [], {}, "x", -1.5, True, [[1]], {"a": {"b": 1}}, [None])


@pytest.fixture
def run(tmp_path):
    for name in ("config.json", "metrics.jsonl"):
        shutil.copy(ROOT / "tests" / "old_runs" / "v0_1" / "finished" / name, tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(WHOLE))
    (tmp_path / "mistakes.json").write_text(json.dumps(MISTAKES))
    return tmp_path


def test_whole_files_are_read(run):
    found = read_run(run)
    assert (found.final, found.mistakes) == (WHOLE, MISTAKES)
    assert "Ann left." in run_page.render(found)


def places(value, path=()):
    """The paths of all values in a JSON value, the first two of each list."""
    yield path
    inner = value.items() if isinstance(value, dict) else []
    inner = list(enumerate(value))[:2] if isinstance(value, list) else inner
    for name, item in inner:
        yield from places(item, (*path, name))


def changed(value, path, new):
    """A copy with another value at a path; without it if that is `...`."""
    if not path:
        return new
    found = copy.deepcopy(value)
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return found


def refused(run):
    """Whether a run is refused in one line; all reports can be made of one that is not."""
    try:
        found = read_run(run)
    except UserError as error:
        return "\n" not in str(error)
    compare.compare([found, found])
    run_page._mistakes(found.mistakes)
    run_page._best_by_task(found.final)
    run_page._teachers(found.final)
    return False


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        pytest.param("metrics.json", WHOLE, marks=pytest.mark.peers),  # slow: 1,000 files
        ("mistakes.json", MISTAKES),
    ],
)
def test_whatever_is_wrong_in_a_file_is_refused_or_can_be_reported(name, whole, run):
    count = 0
    for path in places(whole):
        for new in (*WRONG, *([...] if path else [])):
            (run / name).write_text(json.dumps(changed(whole, path, new)))
            count += refused(run)
    assert count > 100


@pytest.mark.peers  # slow: thousands of pages are rendered
@pytest.mark.parametrize(("name", "whole"), [("metrics.json", WHOLE), ("mistakes.json", MISTAKES)])
def test_whatever_is_wrong_in_a_file_is_refused_or_can_be_rendered(name, whole, run):
    for path in places(whole):
        for new in (*WRONG, *([...] if path else [])):
            (run / name).write_text(json.dumps(changed(whole, path, new)))
            if not refused(run):
                found = read_run(run)
                run_page.render(found)
                compare.render([found, found])


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "{}", "3", "\xff", "[" * 100_000])
def test_metrics_that_are_damaged_are_refused_with_what_to_do(content, run):
    (run / "metrics.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"metrics\.json: is damaged \(.*\)\. Restore it .* delete"):
        read_metrics(run)


def test_a_run_that_is_not_finished_has_no_metrics_and_no_mistakes(run):
    for name in ("metrics.json", "mistakes.json"):
        (run / name).unlink()
    assert read_metrics(run) is None
    assert read_mistakes(run) == {}


def test_a_damaged_line_of_the_history_is_named_and_a_last_one_cut_off_is_left_out(run):
    file = run / "metrics.jsonl"
    file.write_text('{"step": 1}\n{"step": 2')
    assert read_history(run) == [{"step": 1}]
    for line in ('{"step": 1', "null", '{"step": "one"}', "{}", "[1]"):
        file.write_text('{"step": 1}\n' + line + '\n{"step": 3}\n')
        with pytest.raises(UserError, match=r"metrics\.jsonl: is damaged \(line 2"):
            read_history(run)


def test_a_difference_from_a_shape_is_named_by_its_place():
    shape = {"a": (int,), "b?": [{...: (float, int)}]}
    assert mismatch({"a": 1}, shape) == ""
    assert mismatch({"a": 1, "b": [{"x": 1.5}, {}]}, shape) == ""
    assert mismatch({"a": True}, shape) == "a: expected a number"
    assert mismatch({"a": 1, "b": [{"x": 1}, {"y": "z"}]}, shape) == "b[1].y: expected a number"
    assert mismatch({"a": 1, "c": 2}, shape) == "c: unknown"
    assert mismatch({}, shape) == "the file: a is missing"
