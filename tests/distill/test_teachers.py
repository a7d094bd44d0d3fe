"""Teachers: what runs and files say about the student's words, in the student's classes."""

import json
import shutil

import jax
import numpy as np
import pytest

from mtt_jax import Predictor
from mtt_jax.config.files import to_json
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, as_plain, default_config, phase
from mtt_jax.data.encode import encode_texts, reading_of
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.distill.teachers import open_teachers, trained_tasks
from mtt_jax.errors import UserError
from mtt_jax.weights import manifest, saved_model
from mtt_jax.weights.build import build_model, init_params
from tests.distill.conftest import sentence, write

TEXTS = [sentence(number)[0] for number in range(8)] + ["Zoë's AC/DC-fan &amp; Mo won!", " "]


def save(folder, config, tokenizer):
    """A model directory with large random heads, so that answers differ."""
    model = build_model(config, vocabulary_size(tokenizer))
    params = init_params(model, jax.random.key(1))
    for head in params["heads"].values():
        head["logits"]["kernel"] *= 100
    saved_model.save(folder, config, params, tokenizer, "")
    return str(folder)


@pytest.fixture(scope="module")
def tokenizers(configured):
    """A wordpiece and a byte-level BPE tokenizer."""
    fields = configured().tokenizer
    bpe = configured(tokenizer__algorithm="bpe", tokenizer__vocab_size=300).tokenizer
    return train_tokenizer(TEXTS, fields), train_tokenizer(TEXTS, bpe)


@pytest.fixture(scope="module")
def run(configured, tokenizers, tmp_path_factory):
    """A teacher whose tokenizer is wordpiece."""
    return save(tmp_path_factory.mktemp("run") / "model", configured(), tokenizers[0])


def words_of(config, tokenizer):
    return [found.words for found in encode_texts(tokenizer, TEXTS, reading_of(config))]


def answers(config, tokenizer):
    (teacher,) = open_teachers(config)
    return teacher.answer(TEXTS, words_of(config, tokenizer))


def complaint(config):
    with pytest.raises(UserError) as error:
        open_teachers(config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_run_says_what_its_predictor_says_at_the_words_of_another_tokenizer(
    run, tokenizers, configured
):
    config = configured(distill__teachers=run, tasks__topic__labels=("politics", "sports"))
    found = answers(config, tokenizers[1])
    results = Predictor.load(run)(TEXTS)
    for index, (result, words) in enumerate(
        zip(results, words_of(config, tokenizers[1]), strict=True)
    ):
        rows = found["ner"][index]
        assert rows.shape == (len(words), 5)
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
        for entity in result["ner"]:
            (first,) = np.flatnonzero(words[:, 0] == entity["start"])
            column = ("PER", "LOC").index(entity["label"])
            assert rows[first, 1 + 2 * column : 3 + 2 * column].sum() > 0
        if result["topic"]:
            scores = result["topic"]["scores"]
            expected = [scores["politics"], scores["sports"]]
            np.testing.assert_allclose(found["topic"][index], expected, atol=1e-5)
    assert np.isnan(found["topic"][-1]).all(), "a text without words has no answer"


def test_predictions_in_a_file_teach_what_the_run_teaches(run, tokenizers, configured, tmp_path):
    results = Predictor.load(run)(TEXTS)
    file = write(tmp_path / "answers.jsonl", results)
    config = configured(distill__teachers=file)
    by_run = answers(configured(distill__teachers=run), tokenizers[1])
    by_file = answers(config, tokenizers[1])
    for ours, theirs in zip(by_file["topic"], by_run["topic"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    rows = by_file["ner"][0]
    outside = np.ones(len(rows), bool)
    for entity in results[0]["ner"]:
        words = words_of(config, tokenizers[1])[0]
        inside = (words[:, 0] >= entity["start"]) & (words[:, 1] <= entity["end"])
        np.testing.assert_allclose(1 - rows[inside, 0], entity["score"], atol=1e-5)
        outside &= ~inside
    np.testing.assert_array_equal(rows[outside, 0], 1)


def test_a_text_that_a_file_does_not_have_has_no_answer(tokenizers, configured, tmp_path):
    file = write(tmp_path / "a.jsonl", [{"text": TEXTS[1], "topic": "sports"}])
    found = answers(configured(distill__teachers=file), tokenizers[0])
    assert list(found) == ["topic"]
    assert [np.isfinite(row).all() for row in found["topic"]] == [i == 1 for i in range(10)]


def test_lines_with_the_same_text_answer_different_tasks(tokenizers, configured, tmp_path):
    rows = [{"text": TEXTS[1], **answer} for answer in (
        {"topic": "sports"}, {"topic": "sports", "ner": None}, {"ner": []}
    )]  # fmt: skip
    file = write(tmp_path / "a.jsonl", rows)
    found = answers(configured(distill__teachers=file), tokenizers[0])
    assert found["topic"][1].tolist() == [1, 0]
    assert np.isfinite(found["ner"][1]).all()


def test_different_answers_to_the_same_text_are_refused_with_both_lines(
    tokenizers, configured, tmp_path
):
    def topics(*given):
        rows = [{"text": TEXTS[1], "topic": answer} for answer in given]
        config = configured(distill__teachers=write(tmp_path / "a.jsonl", rows))
        return answers(config, tokenizers[0])["topic"][1].tolist()

    # Scores of one text differ by rounding with the texts that are read beside it.
    close = [
        {"label": "sports", "score": score, "scores": {"sports": score}} for score in (0.8, 0.81)
    ]
    assert topics(*close) == pytest.approx([0.8, 0.2])
    one = {"label": "sports", "score": 0.8}
    for other in ("politics", {**one, "label": "politics"}, {**one, "score": 0.6}, ["sports"]):
        with pytest.raises(
            UserError, match="line 3: topic: the same text has another.* in line 1;"
        ):
            topics(one, one, other)


def test_labels_of_a_file_are_mapped_as_those_of_the_data(tokenizers, configured, tmp_path):
    rows = [{"text": TEXTS[0], "topic": "Sport"}, {"text": TEXTS[1], "topic": "sports"}]
    options = {"distill__teachers": write(tmp_path / "a.jsonl", rows)}
    mapped = configured(**options, data__topic__label_map="Sport=sports")
    found = answers(mapped, tokenizers[0])["topic"]
    assert found[0].tolist() == found[1].tolist() == [1, 0]
    with pytest.raises(UserError) as error:
        answers(configured(**options), tokenizers[0])
    assert str(error.value).endswith(
        "a.jsonl, line 1: 'Sport' is not a label of task 'topic' (sports, politics). Did you mean "
        "'sports'? Other labels can be mapped with --config.data.topic.label_map."
    )


def test_only_tasks_that_a_run_trained_count(configured, raw):
    assert trained_tasks(configured()) == ("topic", "ner")
    assert trained_tasks(configured(train__tasks=("ner",))) == ("ner",)
    assert trained_tasks(configured(tasks__topic__weight=0.0)) == ("ner",)
    config = raw()
    config.phases = (phase("a", steps=1, tasks=("topic",)), phase("b", steps=1, weights="ner=0"))
    assert trained_tasks(resolve(config)) == ("topic",)


def test_teachers_that_cannot_teach_are_refused_in_one_line(
    run, tokenizers, configured, raw, tmp_path
):
    assert complaint(configured(distill__teachers="runs/none")) == (
        "config.distill.teachers: runs/none: no such directory or file; name a run, as in "
        "runs/balanced, or a JSONL file with predictions."
    )
    assert "contains no model" in complaint(configured(distill__teachers=str(tmp_path)))
    other = configured(tasks__topic__labels=("sports", "science"))
    assert (
        "cannot teach task 'topic': its labels are sports, politics, not sports, science."
        in complaint(configured(distill__teachers=run, tasks__topic__labels=("sports", "science")))
    )
    only = save(tmp_path / "only", configured(train__tasks=("ner",)), tokenizers[0])
    assert "did not train a task 'topic', only ner" in complaint(
        configured(distill__teachers=f"topic={only}")
    )
    (teacher,) = open_teachers(configured(distill__teachers=only))
    assert [task.name for task in teacher.tasks] == ["ner"]
    strange = save(tmp_path / "strange", other, tokenizers[0])
    (teacher,) = open_teachers(configured(distill__teachers=f"ner={strange}"))
    assert [task.name for task in teacher.tasks] == ["ner"]
    silent = str(shutil.copytree(run, tmp_path / "silent"))
    texts = resolve(default_config({"mlm": TaskConfig(kind="mlm")}))
    (tmp_path / "silent" / "config.json").write_text(to_json(texts))
    manifest.write(tmp_path / "silent")
    assert complaint(configured(distill__teachers=silent)).endswith(
        "silent: was trained on texts without labels, and answers nothing; name a run that trained "
        "a task."
    )
    file = write(tmp_path / "a.jsonl", [{"text": "a", "sentiment": "good"}])
    assert complaint(configured(distill__teachers=file)).endswith(
        "has no answers to topic or ner; its keys besides the text are sentiment."
    )


def test_a_task_that_the_config_does_not_have_is_refused(configured):
    with pytest.raises(UserError, match=r"config.distill.teachers: 'nre' is not one of topic, ner"):
        configured(distill__teachers="nre=runs/a")


def test_teachers_are_written_as_they_are_read(configured):
    config = configured(distill__teachers="ner=runs/ner, runs/a=b/c, runs/topic")
    assert config.distill.teachers == (("ner", "runs/ner"), ("", "runs/a=b/c"), ("", "runs/topic"))
    assert as_plain(config.distill)["teachers"] == "ner=runs/ner, runs/a=b/c, runs/topic"


def test_a_line_that_is_no_answer_is_named(tokenizers, configured, tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": TEXTS[0], "topic": {"score": 2, "label": "sports"}}))
    with pytest.raises(UserError, match=r"a.jsonl, line 1: topic: expected a score from 0 to 1"):
        answers(configured(distill__teachers=str(file)), tokenizers[0])


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ({"start": 0, "end": 99}, "span 0:99 is outside the text, which has 26 characters"),
        ({"start": 3, "end": 3}, "span 3:3 is outside the text"),
        ({"start": 1, "end": 4, "text": "Ann"}, "span 1:4 is 'nn ', not 'Ann'"),
    ],
)
def test_a_span_that_would_teach_other_words_is_named(tokenizers, configured, tmp_path, span, said):
    rows = [{"text": TEXTS[0], "ner": [{"label": "PER", **span}]}]
    with pytest.raises(UserError, match=f"a.jsonl, line 1: ner: {said}.*end is exclusive"):
        answers(configured(distill__teachers=write(tmp_path / "a.jsonl", rows)), tokenizers[0])


def test_a_file_that_holds_no_predictions_is_refused_with_what_a_teacher_is(configured, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("Ann won.\n")
    said = complaint(configured(distill__teachers=str(file)))
    assert said.startswith(f"config.distill.teachers: {file}, line 1: not valid JSON")
    assert said.endswith("A teacher is a run, or a JSONL file with predictions.")
