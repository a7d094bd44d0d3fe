"""check.html and the terminal: what was found, escaped, and shortened where there is much."""

import io
from collections import Counter

import pytest
from rich.console import Console as RichConsole

from mtt_jax.check.examine import Examined
from mtt_jax.check.page import render
from mtt_jax.check.show import one_line, show, show_suspects, totals, where
from mtt_jax.check.suspects import Suspect
from mtt_jax.data.check.findings import ERROR, WARNING, Finding
from mtt_jax.report.console import Console
from tests.helpers import Elements, make_config

FINDING = Finding(ERROR, "n", "topic", "dev", "topic: <b>bad</b> & worse.", ("<i>.csv, line 3",))
FIGURES = {
    "sentences": 1, "subwords_mean": 7.5, "subwords_max": 11, "cut_share": 0.5, "unknown_share": 0.0
}  # fmt: skip


def examined(*findings, labels=("<x>",)):
    counts = {"topic": {"train": Counter(dict.fromkeys(labels, 1200)), "test": Counter(["new"])}}
    mixture = {"topic": {"sentences": 1, "share": 0.25, "epochs": 12.0}}
    figures = {"train": FIGURES}
    return Examined(make_config(), {}, ["a&b.csv: read."], findings, counts, figures, mixture)


def suspect(number, task="topic", **fields):
    values = {"given": "sports", "found": {"label": "<o>", "score": 0.9}, "probability": 0.1}
    values |= {"place": f"a.csv, line {number}", "text": f"<p> {number}", "wrong": True} | fields
    return Suspect(task=task, **values)


def shown(print_on):
    text = io.StringIO()
    print_on(Console(RichConsole(file=text, highlight=False, soft_wrap=True, width=80)))
    return text.getvalue()


def test_the_page_has_everything_escaped():
    page = render("<run>", examined(FINDING), [suspect(1)])
    for text in ("<run>", "<b>bad", "<i>.csv", "<x>", "a&b.csv", "<p> 1", "<o>"):
        assert text not in page
        assert text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page
    assert "1 error, 0 warnings." in page
    assert "25%" in page
    assert Elements(page).open == []
    assert Elements(page).fetched == []


def test_the_page_of_clean_data_says_so():
    page = render("a", examined())
    assert "<p>None.</p>" in page
    assert "Least likely" not in page


def test_the_page_holds_the_first_of_many_places_and_suspects():
    many = FINDING._replace(places=tuple(f"a.csv, line {n}" for n in range(200)))
    page = render("a", examined(many), [suspect(n) for n in range(1000, 2000)])
    assert "a.csv, line 49<" in page
    assert "and 150 more" in page
    assert "line 1299<" in page
    assert "line 1300<" not in page


def test_the_terminal_names_files_labels_mixture_and_findings():
    many = tuple(f"a.csv, line {n}" for n in range(9))
    text = shown(lambda c: show(examined(FINDING._replace(places=many)), c))
    assert "a&b.csv: read." in text
    assert "│ topic │ <x>   │ 1,200 │     │    0 │" in text
    assert "train: 1 text of 7.5 subwords, at most 11; 50.0% longer" in text
    assert "topic: 25% of what training draws, 12 times each of 1 sentence." in text
    assert "error: topic: <b>bad</b> & worse." in text
    assert "    a.csv, lines 0, 1, 2, 3, 4 and 4 more\n" in text
    assert text.endswith("1 error, 0 warnings.\n")


def test_labels_that_look_like_markup_are_shown_as_they_are():
    assert "[red]" in shown(lambda c: show(examined(labels=("[red]",)), c))


def test_the_terminal_shows_the_first_labels_of_many():
    text = shown(lambda c: show(examined(labels=[f"label-{n}" for n in range(40)]), c))
    assert "label-29" in text
    assert "label-30" not in text
    assert "... 11 more" in text


@pytest.mark.parametrize(
    ("errors", "warnings", "text"),
    [(0, 0, "0 errors, 0 warnings."), (1, 1, "1 error, 1 warning."), (2, 0, "2 errors, 0 w")],
)
def test_findings_are_counted(errors, warnings, text):
    found = [FINDING] * errors + [FINDING._replace(severity=WARNING)] * warnings
    assert totals(examined(*found)).startswith(text)


def test_suspects_are_shown_by_task_with_the_answer_beside_the_label():
    found = [suspect(n) for n in range(12)] + [suspect(1, "ner", given=[], found=[], wrong=False)]
    text = shown(lambda c: show_suspects(found, "test", c))
    assert "topic: the model gives another answer for 12 of 12 test sentences." in text
    assert "0.1000  sports, model: <o>: <p> 9" in text
    assert "<p> 10" not in text
    assert "ner: the model gives another answer for 0 of 1 test sentence." in text
    assert "(none), model: (none)" in text


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("sports", "sports"),
        ({"label": "sports", "score": 1.0}, "sports"),
        ({"labels": ["a", "b"], "scores": {}}, "a, b"),
        ([{"text": "Tom", "label": "PER", "start": 0, "end": 3}], "Tom (PER)"),
        ([], "(none)"),
        (["a", "b"], "a, b"),
    ],
)
def test_labels_and_answers_are_written_on_one_line(answer, line):
    assert one_line(answer) == line


@pytest.mark.parametrize(
    ("places", "lines"),
    [
        (["a.csv, line 3"], ["a.csv, line 3"]),
        (["a.csv, line 3", "b, c.csv, item 7", "a.csv, line 9", "a.csv, line 3"],
         ["a.csv, lines 3, 9", "b, c.csv, item 7"]),
        (["a.csv", ""], ["a.csv"]),
        (["my, file 2.csv"], ["my, file 2.csv"]),
        ([f"{n}.txt" for n in range(7)], [*(f"{n}.txt" for n in range(5)), "and 2 more files"]),
        ([], []),
    ],
)  # fmt: skip
def test_places_are_listed_by_file(places, lines):
    assert where(places) == lines
