"""Findings: on one line, merged, and with the right nouns."""

from mtt_jax.data.check.findings import ERROR, WARNING, Finding, merged, number


def test_a_finding_on_one_line_says_where_it_is_first():
    finding = Finding(ERROR, "n", "topic", "dev", "topic: wrong.", ("a.csv, line 3", "b"))
    assert finding.line() == "topic: wrong. First: a.csv, line 3."
    assert finding._replace(places=()).line() == "topic: wrong."
    assert finding._replace(text="at a.csv, line 3.").line() == "at a.csv, line 3."
    assert finding.as_json()["places"] == ["a.csv, line 3", "b"]


def test_findings_are_sorted_by_severity_and_those_of_several_tasks_are_told_once():
    one = Finding(WARNING, "duplicates", "topic", "dev", "topic: 1 copy.", ("a, line 1",))
    other = one._replace(task="ner", text="ner: 1 copy.")
    error = one._replace(severity=ERROR, name="no labels")
    assert merged([one, error, other, other]) == [
        error, one._replace(task="topic, ner", text="topic, ner: 1 copy.")
    ]  # fmt: skip


def test_numbers_come_with_the_right_noun():
    assert number(1, "text is", "texts are") == "1 text is"
    assert number(1200, "text is", "texts are", "dev") == "1,200 dev texts are"
