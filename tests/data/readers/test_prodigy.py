"""Prodigy: which answers are read, and as what."""

import json

import pytest

from mtt_jax.data.readers import prodigy, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import written

TEXT = "Ann sold Acme."
ANN = {"start": 0, "end": 3, "label": "PER"}
OPTIONS = [{"id": "business", "text": "Business"}, {"id": "sports", "text": "Sports"}]


def answers(folder, *items):
    return written(folder, "a.jsonl", "".join(json.dumps(item) + "\n" for item in items))


def rows(folder, *items):
    return list(prodigy.read(answers(folder, *items), Layout()))


def spans(answer="accept", **more):
    span = {**ANN, "token_start": 0, "token_end": 0}
    return {"text": TEXT, "_input_hash": 1, "spans": [span], "answer": answer, **more}


def question(label, answer, text=TEXT, **more):
    return {"text": text, "label": label, "answer": answer, **more}


def chosen(*accept, **more):
    return {"text": TEXT, "options": OPTIONS, "accept": list(accept), "answer": "accept", **more}


def test_spans_of_accepted_answers_are_entities(tmp_path):
    (row,) = rows(tmp_path, spans(meta={"source": "wire"}))
    assert row.text == TEXT
    assert row.fields == {
        "text": TEXT, "_input_hash": 1, "meta": {"source": "wire"}, "entities": [ANN],
    }  # fmt: skip


def test_an_accepted_text_without_spans_has_no_entities(tmp_path):
    (row,) = rows(tmp_path, {"text": TEXT, "spans": [], "answer": "accept"})
    assert row.fields["entities"] == []
    found = rows(tmp_path, {"text": "Rain.", "answer": "accept"}, spans())
    assert [row.fields["entities"] for row in found] == [[], [ANN]]
    (row,) = rows(tmp_path, {"text": "Rain.", "answer": "accept"})
    assert "entities" not in row.fields


def test_rejected_and_ignored_answers_are_left_out_and_counted(tmp_path):
    found = rows(tmp_path, spans("reject"), spans(), spans("ignore"))
    assert [row.fields.get("entities") for row in found] == [None, [ANN], None]
    assert [row.fields == {} for row in found] == [True, False, True]
    assert [list(row.faults) for row in found] == [
        ["rejected answers, left out"],
        [],
        ["ignored answers, left out"],
    ]


def test_tokens_are_words_with_offsets_unless_they_do_not_fit_the_text(tmp_path):
    tokens = [
        {"text": "Ann", "start": 0, "end": 3, "id": 0},
        {"text": " ", "start": 3, "end": 4, "id": 1},
        {"text": "sold", "start": 4, "end": 8, "id": 2},
    ]
    (row,) = rows(tmp_path, spans(tokens=tokens))
    assert row.tokens == ["Ann", "sold"]
    assert row.offsets == [(0, 3), (4, 8)]
    (row,) = rows(tmp_path, spans(tokens=[{"text": "Bob", "start": 0, "end": 3}]))
    assert (row.tokens, row.offsets) == (None, None)


def test_a_chosen_option_is_the_label(tmp_path):
    (row,) = rows(tmp_path, chosen("sports"))
    assert row.fields["label"] == "sports"


def test_options_are_lists_where_several_may_be_chosen(tmp_path):
    style = {"config": {"choice_style": "multiple"}}
    found = rows(tmp_path, chosen("sports", **style), chosen(**style))
    assert [row.fields["label"] for row in found] == [["sports"], []]
    found = rows(tmp_path, chosen("sports"), chosen("sports", "business"))
    assert [row.fields["label"] for row in found] == [["sports"], ["sports", "business"]]


def test_an_answer_without_a_choice_has_no_label_where_only_one_may_be_chosen(tmp_path):
    found = rows(tmp_path, chosen("sports"), chosen())
    assert [row.fields.get("label") for row in found] == ["sports", None]
    assert found[1].faults == ["answers without a choice, read as unlabeled"]


def test_rejections_count_where_one_label_is_asked_for(tmp_path):
    found = rows(tmp_path, question("SPAM", "accept"), question("SPAM", "reject", "Rain."))
    assert [row.fields["cats"] for row in found] == [{"SPAM": 1}, {"SPAM": 0}]
    assert [list(row.faults) for row in found] == [[], []]


def test_questions_about_one_text_are_gathered(tmp_path):
    found = rows(
        tmp_path,
        question("sports", "reject"),
        question("sports", "accept", "Rovers win."),
        question("business", "accept"),
        question("sports", "ignore", "Rain."),
    )
    assert [row.fields.get("cats") for row in found] == [
        {"sports": 0, "business": 1},
        {"sports": 1, "business": 0},
        None,
    ]
    assert "not asked about every label" in found[1].faults[0]
    assert found[2].faults == ["ignored answers, left out"]


def test_spans_that_a_pattern_found_in_a_question_are_not_entities(tmp_path):
    asked = {**spans(), "label": "business", "_view_id": "classification"}
    (row,) = rows(tmp_path, asked)
    assert row.fields["cats"] == {"business": 1}
    assert "entities" not in row.fields


def test_answers_about_a_single_entity_are_counted(tmp_path):
    (row,) = rows(tmp_path, spans(_view_id="ner"))
    assert "about a single entity" in row.faults[0]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (spans(), "prodigy"),
        (question("SPAM", "ignore"), "prodigy"),
        ({"text": TEXT, "_task_hash": 3}, "prodigy"),
        ({"text": TEXT, "spans": [{**ANN, "token_start": 0}]}, "prodigy"),
        ({"text": TEXT, "spans": [ANN]}, "jsonl"),
        ({"text": TEXT, "answer": "42"}, "jsonl"),
    ],
)
def test_recognition_is_by_answers_hashes_and_token_numbers(item, name, tmp_path):
    assert read_rows(answers(tmp_path, item), Layout()).reader.name == name


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"image": "a.png", "answer": "accept"}, "line 2: no text; expected an object"),
        ("Ann", "line 2: no text; expected an object"),
        (spans("maybe"), "line 2: answer 'maybe'; expected one of accept, reject, ignore"),
        (
            {"text": TEXT, "spans": [{"start": 0, "end": 3}]},
            'line 2: entity {"start": 0, "end": 3}',
        ),
    ],
)
def test_faults_name_file_and_line(item, message, tmp_path):
    with pytest.raises(UserError) as error:
        rows(tmp_path, spans(), item)
    assert message in str(error.value)
