"""The terminal: tables of scores and phases."""

import io
import re

import pytest
from rich.console import Console as RichConsole

from mtt_jax.report.console import Console, silent
from mtt_jax.tasks import Score
from mtt_jax.tasks.score import Reached, Row
from tests.helpers import CALIBRATION, NER, POS_SCORE, SUBJECTS_SCORE, TOPIC

SCORES = {
    name: Score.from_json(plain)
    for name, plain in (
        ("subjects", SUBJECTS_SCORE),
        ("topic", TOPIC),
        ("ner", NER),
        ("pos", POS_SCORE),
    )
}


@pytest.fixture
def console():
    return Console(RichConsole(file=io.StringIO(), width=120, highlight=False))


def shown(console):
    return console.rich.file.getvalue()


def cells(console):
    """The cells of each line of a table, without its borders."""
    lines = shown(console).replace("┃", "│").split("\n")
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_scores_of_all_four_kinds_are_a_line_per_label_and_per_total(console):
    console.scores({"test": SCORES})
    found = cells(console)
    assert "test scores" in shown(console)
    assert ["task", "", "precision", "recall", "F1", "support"] in found
    assert ["subjects", "law", "0.250", "0.500", "0.333", "2"] in found
    assert ["subjects", "micro, all labels", "0.500", "0.750", "0.625", ""] in found
    assert ["topic", "accuracy 0.750", "", "", "0.700", ""] in found
    assert ["ner", "PER", "0.500", "0.250", "0.333", "1,234"] in found
    assert ["ner", "strict, overall", "0.500", "0.250", "0.333", ""] in found
    assert ["pos", "accuracy 0.750", "", "", "0.700", ""] in found


def test_ceiling_of_a_tag_scheme_is_stated_with_the_remedy(console):
    console.scores({"test": SCORES})
    assert (
        "ner: no model reaches more than F1 0.9876 on these sentences: of the entities, in the tag "
        "scheme io adjacent ones of one type merge" in " ".join(shown(console).split())
    )


def test_a_task_without_test_data_is_shown_with_its_dev_scores(console):
    console.scores({"dev": SCORES, "test": {"topic": SCORES["topic"]}})
    text = shown(console)
    assert text.index("test scores") < text.index("dev scores of subjects, ner, pos, without test")
    found = [row[0] for row in cells(console)]
    assert found.count("topic") == len(SCORES["topic"].rows) + len(SCORES["topic"].totals)
    assert {"subjects", "ner", "pos"} <= set(found)


def test_dev_is_shown_if_there_is_no_test_and_a_named_split_goes_first(console):
    console.scores({"dev": SCORES})
    assert "dev scores" in shown(console)
    console.scores({"dev": SCORES, "test": SCORES}, "dev")
    assert "test scores" not in shown(console)


def test_nothing_to_score_is_stated(console):
    console.scores({})
    assert shown(console) == "No dev and no test sentences: nothing to score.\n"


def test_phases_are_shown_with_the_change_of_each_headline(console):
    row = {
        "name": "a", "start": 0, "end": 1000, "tasks": ["topic", "ner"],
        "before": {"topic": 0.75, "ner": 0.5}, "after": {"topic": 0.5, "ner": 0.875},
    }  # fmt: skip
    console.phases([row])
    assert [
        "a", "1 to 1,000", "topic, ner", "0.750 -> 0.500 (-0.250)", "0.500 -> 0.875 (+0.375)",
    ] in cells(console)  # fmt: skip


def test_phases_without_scores_show_no_table(console):
    console.phases([{"name": "a", "start": 0, "end": 1, "tasks": [], "before": {}, "after": {}}])
    assert shown(console) == ""


def test_markup_in_a_line_is_printed_as_it_is(console):
    console.say("[bold]a[/bold]")
    assert shown(console) == "[bold]a[/bold]\n"


def test_silent_console_prints_nothing(capsys):
    console = silent()
    console.say("a")
    console.scores({"test": SCORES})
    assert capsys.readouterr().out == ""


def test_calibration_error_is_shown_with_what_the_temperature_did(console):
    score = SCORES["topic"]
    plain = CALIBRATION._replace(temperature=1.0, before=CALIBRATION.after)
    scores = {
        "topic": score._replace(calibration=CALIBRATION),
        "other": score._replace(calibration=plain),
    }
    console.scores({"test": scores})
    said = shown(console)
    assert (
        "topic: expected calibration error 0.062, 0.125 before the temperature of 1.50.\n" in said
    )
    assert "other: expected calibration error 0.062.\n" in said
    assert "pos: expected" not in said


def test_thresholds_are_a_line_per_label_and_a_note_for_those_that_none_helps(console):
    row = Row(0.96, 0.5, 0.66, 10)
    nothing = Row(None, 0.0, 0.0, 3)
    found = {
        "ner": {
            "PER": Reached(0.75, 1.0, {"dev": row, "test": row._replace(precision=0.9)}),
            "ORG": Reached(None, 0.5, {"dev": nothing, "test": nothing}),
            "LOC": Reached(None, None, {"dev": nothing, "test": nothing}),
        }
    }
    console.thresholds(0.95, found)
    assert ["ner", "PER", "0.750", "0.960", "0.500", "0.900", "0.500"] in cells(console)
    assert ["ner", "ORG", "", "", "0.000", "", "0.000"] in cells(console)
    said = " ".join(shown(console).split())
    assert "ner: ORG does not reach a precision of 0.95 on dev (at best 0.500)" in said
    assert "ner: LOC does not reach a precision of 0.95 on dev (no answer there)" in said
    assert "PER does not" not in said


# Counting


def counted(total=None, **console):
    """What a count of 3 prints, on a terminal 80 columns wide unless it is another console."""
    file = io.StringIO()
    with Console(
        RichConsole(**{"file": file, "width": 80, "force_terminal": True, **console})
    ).counting("texts", total) as progress:
        progress(3)
    return file.getvalue()


def test_a_count_shows_how_many_are_done_and_the_time_left():
    assert re.search(r"texts 3/4 0:00:0\d left", without_codes(counted(4)))


def test_the_time_left_of_an_unknown_count_is_not_shown():
    found = without_codes(counted())
    assert "texts 3/?" in found
    assert "left" not in found


def test_a_count_shows_nothing_in_a_pipe_or_if_quiet():
    assert counted(4, force_terminal=False) == counted(4, quiet=True) == ""


def test_no_color_holds_for_a_count(monkeypatch):
    assert re.search("\x1b\\[[\\d;]*3\\dm", counted(4, color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search("\x1b\\[[\\d;]*3\\dm", counted(4, color_system="standard"))


def without_codes(text):
    return re.sub("\x1b\\[[\\d;?]*[a-zA-Z]", "", text)
