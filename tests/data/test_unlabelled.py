"""Text without labels: which files are read, in what order, and what is refused."""

import gzip
import json

import numpy as np
import pytest

from mtt_jax.config import TaskConfig, default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.prepare import prepare
from mtt_jax.data.sampling import mixing_weights, parts_by_task
from mtt_jax.data.unlabelled import encode_unlabelled, read_unlabelled, unlabelled_texts
from mtt_jax.errors import UserError
from tests.helpers import encoded, make_config, written


def texts(spec, **fields):
    config = make_config(**{f"data__{name}": value for name, value in fields.items()},
                         data__unlabelled=str(spec))  # fmt: skip
    return [record.text for record in unlabelled_texts(config)]


def complaint(spec, **fields):
    with pytest.raises(UserError) as caught:
        texts(spec, **fields)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_text_file_has_a_text_per_line_and_empty_lines_are_skipped(tmp_path):
    file = written(tmp_path, "news.txt", "Ann left Rome .\n\n   \nShares fell .\n")
    assert texts(file) == ["Ann left Rome .", "Shares fell ."]


def test_files_are_read_in_their_order_whatever_their_format(tmp_path):
    written(tmp_path, "a.txt", "One .\n")
    rows = [{"text": "Two .", "label": "x"}, {"text": ""}]
    written(tmp_path, "b.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + "\n")
    written(tmp_path, "c.csv", "id,text\n1,Three .\n")
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"Four .\n"))
    names = ",".join(str(tmp_path / name) for name in ("c.csv", "a.txt", "b.jsonl", "d.txt.gz"))
    assert texts(names) == ["Three .", "One .", "Two .", "Four ."]
    assert texts(tmp_path / "*.txt*") == ["One .", "Four ."]


def test_of_a_folder_the_files_in_it_are_read(tmp_path):
    (tmp_path / "more").mkdir()
    written(tmp_path, "b.txt", "Two .\n")
    written(tmp_path, "a.txt", "One .\n")
    written(tmp_path, ".hidden", "Not this .\n")
    written(tmp_path / "more", "c.jsonl", '{"text": "Three ."}\n')
    assert texts(tmp_path) == ["One .", "Two .", "Three ."]


def test_each_text_says_where_it_is(tmp_path):
    file = written(tmp_path, "news.txt", "\nAnn left Rome .\n")
    (found,) = unlabelled_texts(make_config(data__unlabelled=str(file)))
    assert found.place == f"{file}, line 2"
    assert found.labels == {}


def test_texts_are_read_as_they_are_asked_for(tmp_path):
    file = written(tmp_path, "news.txt", "One .\n" * 5)
    with file.open("ab") as stream:
        stream.write(b"\xff\xfe broken\n" + b"Two .\n")
    found = unlabelled_texts(make_config(data__unlabelled=str(file), data__encoding="utf-8"))
    assert [next(found).text for _ in range(5)] == ["One ."] * 5
    with pytest.raises(UserError, match="line 6: byte 1 is not UTF-8"):
        next(found)


def test_a_key_and_a_format_can_be_named(tmp_path):
    file = written(tmp_path, "rows.jsonl", '{"a": "One .", "b": "Two ."}\n')
    assert texts(file, unlabelled_text="b") == ["Two ."]
    lines = written(tmp_path, "tags.txt", "Rome LOC\nOslo LOC\n")
    assert texts(lines, unlabelled_format="text") == ["Rome LOC", "Oslo LOC"]


def test_what_cannot_be_read_is_named_with_its_flag_and_a_remedy(tmp_path):
    assert "--config.data.unlabelled: " in complaint(tmp_path / "none.txt")
    assert "no such file" in complaint(tmp_path / "none.txt")
    assert "no file matches" in complaint(tmp_path / "*.txt")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no text" in complaint(empty)
    rows = written(tmp_path, "rows.jsonl", '{"a": "One ."}\n')
    assert "with --config.data.unlabelled_text=..." in complaint(rows)
    lines = written(tmp_path, "tags.txt", "Rome LOC\nOslo LOC\n")
    assert "add --config.data.unlabelled_format=text" in complaint(lines)
    tabs = written(tmp_path, "tabs.txt", "One\tand two\nThree\tand four\n")
    assert complaint(tabs).endswith(
        "with --config.data.unlabelled_text=NUMBER or, if the file begins with column names, "
        "convert it with mtt convert; if each line is a text, add "
        "--config.data.unlabelled_format=text"
    )
    assert "the formats are text, " in complaint(lines, unlabelled_format="txt")
    broken = written(tmp_path, "broken.jsonl", '{"text": "One ."}\n{"text": \n')
    assert f"{broken}, line 2: not valid JSON" in complaint(broken)
    assert "Correct the line, or leave it out." in complaint(broken)


# Encoded


def stored(folder, tokenizer, content, known=(), **fields):
    """What a run reads of a file with some content."""
    file = written(folder, "news.txt", content)
    config = make_config(
        **{f"data__{name}": value for name, value in fields.items()},
        data__unlabelled=str(file), train__mlm=1.0,
    )  # fmt: skip
    encode_unlabelled(folder / "store", config, tokenizer, known)
    return read_unlabelled(folder / "store")


def test_encoded_texts_are_mapped_files_and_read_as_records_are(tmp_path, tokenizer, records):
    store = stored(tmp_path, tokenizer, "".join(f"{r.text}\n" for r in records))
    texts = store.train._examples
    assert {type(array) for name, array in texts.arrays.items()} == {np.memmap}
    assert len(store.train) + len(store.held_out) == len(texts) == len(records)
    expected = encoded(records, tokenizer, ())
    for index in range(len(records)):
        found = texts[index]
        for name in ("tokens", "starts", "features"):
            np.testing.assert_array_equal(
                getattr(found, name), getattr(expected[index], name), strict=True
            )
    np.testing.assert_array_equal(texts.lengths(), expected.lengths())


def test_a_long_text_is_several_windows_that_are_held_out_together(tmp_path, tokenizer):
    long = "Rovers beat City again . " * 30
    store = stored(tmp_path, tokenizer, f"{long}\n" * 4, dev_share=0.25, max_length=32)
    assert (store.texts, store.texts_out) == (4, 1)
    assert len(store.train) == 3 * len(store.held_out) > 9
    assert max(store.train.lengths()) == 32


def test_texts_of_dev_and_test_are_left_out(tmp_path, tokenizer, records):
    dev = encoded(records[:2], tokenizer, ())
    store = stored(tmp_path, tokenizer, "".join(f"{r.text}\n" for r in records), known=[dev])
    assert store.scored == 2
    assert store.texts == len(records) - 2


def test_without_word_features_texts_have_none(tmp_path, tokenizer):
    file = written(tmp_path, "news.txt", "Rovers beat City .\nShares fell .\n")
    config = make_config(data__unlabelled=str(file), train__mlm=1.0, encoder__word_features="")
    encode_unlabelled(tmp_path / "store", config, tokenizer, ())
    assert read_unlabelled(tmp_path / "store").train[0].features.shape[1] == 0


def test_a_file_without_a_text_is_an_error_and_leaves_nothing_behind(tmp_path, tokenizer):
    with pytest.raises(UserError, match="no text that is not empty"):
        stored(tmp_path, tokenizer, "\n \n")
    assert [path.name for path in tmp_path.iterdir()] == ["news.txt"]


# Drawn


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    return folder, prepare(config_of(folder))


def config_of(folder, mlm=None, **train):
    config = default_config(
        {
            "topic": TaskConfig(kind="classes", labels=("sports", "others")),
            "mlm": TaskConfig(kind="mlm", **(mlm or {})),
        }
    )
    topics = "".join(f'{{"text": "Rovers beat City {n} .", "label": "sports"}}\n' for n in range(9))
    news = "".join(f"Shares fell {n} .\n" for n in range(40))
    config.data.update(source="files", cache_dir=str(folder / "cache"), max_length=32, overlap=8)
    config.data.topic.train = str(written(folder, "topics.jsonl", topics))
    config.data.unlabelled = str(written(folder, "news.txt", news))
    config.tokenizer.vocab_size = 120
    config.train.update(row_length=48, batch_rows=4, **train)
    return resolve(config)


def test_training_sentences_are_texts_too_and_dev_is_held_out(prepared):
    folder, data = prepared
    train, held_out = data.splits["train"], data.held_out
    assert (train.sentences, len(data.splits["dev"]), len(train)) == (8, 1, 8 + 36)
    assert len(held_out) == 1 + 4
    parts = parts_by_task(train, config_of(folder))
    assert parts["topic"].tolist() == list(range(8))
    assert parts["mlm"].tolist() == list(range(44))
    assert train[8].labels == {}
    assert train[7].labels != {}
    assert len(train.lengths()) == 44


def test_texts_get_at_most_half_of_the_draws_unless_the_config_says_more(tmp_path):
    sizes = {"topic": 8, "mlm": 44}
    assert mixing_weights(sizes, config_of(tmp_path))["mlm"] == 0.5
    assert mixing_weights(sizes, config_of(tmp_path, mixing="explicit"))["mlm"] == 0.5
    capped = config_of(tmp_path, {"sampling_cap": 24})
    assert mixing_weights(sizes, capped)["mlm"] == 0.75
    given = config_of(tmp_path, {"sampling": 3.0}, mixing="explicit")
    assert mixing_weights({"topic": 8, "mlm": 8}, given)["mlm"] == pytest.approx(3 / 3.5)
    assert mixing_weights({"mlm": 44}, config_of(tmp_path)) == {"mlm": 1.0}


def test_a_stream_hides_other_words_each_time_and_resumes_where_it_was(prepared):
    folder, data = prepared
    stream = iter(training_stream(data.splits["train"], config_of(folder)))
    first = next(stream)
    state = stream.get_state()
    second = next(stream)
    assert not np.array_equal(first.targets["mlm"], second.targets["mlm"])
    assert first.masks["mlm"].sum() > 0
    assert first.masks["topic"].sum() > 0
    again = iter(training_stream(data.splits["train"], config_of(folder)))
    again.set_state(state)
    for one, other in zip(second.targets.values(), next(again).targets.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_changed_texts_are_encoded_anew(prepared):
    folder, data = prepared
    config = config_of(folder)
    written(folder, "news.txt", "Parliament passed the Tax Act .\n" * 3)
    assert len(prepare(config).splits["train"]) == 8 + 2
