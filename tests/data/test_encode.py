"""Encoding: labels on first subwords, missing labels, windows that decide each word once."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from mtt_jax.data.encode import ExampleSet, cut, encode_records, encode_text, windows
from mtt_jax.data.words import split_words
from mtt_jax.types import Example
from tests.helpers import (
    assert_trees_equal,
    four_task_config,
    four_task_records,
    make_config,
    record,
)

CLS, SEP = 1000, 1001


def random_example(rng, subwords, words=None):
    """An example of `subwords` between its ends, whose words begin at random subwords."""
    count = int(rng.integers(0, subwords + 1)) if words is None else words
    starts = np.sort(rng.choice(subwords, count, replace=False)) + 1
    starts = np.where(rng.random(count) < 0.1, -1, starts)  # words without a subword
    tokens = np.concatenate([[CLS], rng.permutation(subwords), [SEP]]).astype(np.int32)
    return Example(tokens, starts.astype(np.int32), {})


def random_cases(count=400, seed=0):
    """(example, max_length, overlap) with an overlap that a config allows."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        max_length = int(rng.integers(8, 40))
        overlap = int(rng.integers(0, max_length // 2 + 1))
        yield random_example(rng, int(rng.integers(0, 150))), max_length, overlap


# First subwords


def test_first_subword_of_a_word_begins_where_the_word_begins(tokenizer):
    rng = np.random.default_rng(0)
    pool = ["Tom", "O'Brien", "AT&T", "3-2", "U.S.", "漢字", "Zoë", "resignedly", "...", "it's"]
    texts = [" ".join(rng.choice(pool, int(rng.integers(0, 9)))) for _ in range(200)]
    words = [split_words(text) for text in texts]
    for text, spans, (tokens, starts) in zip(
        texts, words, encode_text(tokenizer, texts, words), strict=True
    ):
        encoding = tokenizer.encode(text)
        assert tokens.tolist() == encoding.ids
        assert tokens.dtype == starts.dtype == np.int32
        assert [encoding.offsets[start][0] for start in starts] == [begin for begin, _ in spans]
        assert all(0 < start < len(tokens) - 1 for start in starts)


def test_word_that_the_tokenizer_drops_has_no_first_subword(tokenizer):
    text = "Tom \x02 ran"
    ((tokens, starts),) = encode_text(tokenizer, [text], [((0, 3), (4, 5), (6, 9))])
    assert starts[1] == -1
    assert tokenizer.decode(tokens[starts[0] : starts[2]]) == "Tom"
    assert tokenizer.decode(tokens[starts[2] : -1]) == "ran"


def test_word_that_begins_inside_a_subword_has_no_first_subword(tokenizer):
    text = "scored"
    (whole,) = (len(tokenizer.encode(text).ids) - 2,)
    spans = tuple((i, i + 1) for i in range(len(text)))
    ((_, starts),) = encode_text(tokenizer, [text], [spans])
    assert (starts >= 0).sum() == whole
    assert starts[0] == 1


# Example sets


def test_labels_are_class_ids_and_missing_labels_are_missing(tokenizer):
    tasks = make_config().task_list
    examples = encode_records(
        [
            record("Tom ran .", "others", [(0, 1, "PER"), (1, 2, "MISC")]),
            record("Ann ran .", "sports", None),
            record("It ran .", None, []),
        ],
        tokenizer,
        tasks,
    )
    assert [examples[i].labels.get("topic") for i in range(3)] == [2, 0, None]
    np.testing.assert_array_equal(examples[0].labels["ner"], [[0, 1, 0], [1, 2, 3]])
    assert list(examples[1].labels) == ["topic"]
    assert list(examples[2].labels) == ["ner"]
    assert examples[2].labels["ner"].shape == (0, 3)
    assert examples.counts() == {"topic": 2, "ner": 2}
    topic, ner = tasks
    assert examples.labelled(topic).tolist() == [True, True, False]
    assert examples.labelled(ner).tolist() == [True, False, True]


def test_labels_of_all_four_kinds_are_encoded_by_class_id(tokenizer):
    examples = encode_records(four_task_records(), tokenizer, four_task_config().task_list)
    labels = examples[1].labels  # The minister resigned on Monday .
    assert labels["topic"] == 1
    assert labels["ner"].tolist() == []
    assert labels["subjects"].tolist() == [0.0, 1.0, 1.0]
    assert labels["subjects"].dtype == np.float32
    assert labels["pos"].tolist() == [0, 2, 1, 2, 0, 2]
    assert labels["pos"].dtype == np.int32
    assert examples[4].labels["subjects"].tolist() == [0.0, 0.0, 0.0], "the empty set is a label"


def test_missing_labels_of_all_four_kinds_are_missing(tokenizer):
    config = four_task_config()
    full = four_task_records()
    names = ["topic", "ner", "subjects", "pos", "", ""]
    bare = [
        r._replace(labels={n: label for n, label in r.labels.items() if n != name})
        for r, name in zip(full, names, strict=True)
    ]
    examples = encode_records(bare, tokenizer, config.task_list)
    assert [set(examples[i].labels) for i in range(6)] == [set(r.labels) for r in bare]
    assert examples.counts() == {"subjects": 5, "topic": 5, "ner": 5, "pos": 5}
    for task in config.task_list:
        assert np.flatnonzero(~examples.labelled(task)).tolist() == [names.index(task.name)]


def test_word_without_a_tag_is_encoded_as_minus_1(tokenizer):
    config = four_task_config()
    some = [record("Tom ran .", pos=("NOUN", "", "OTHER"))]
    example = encode_records(some, tokenizer, config.task_list)[0]
    assert example.labels["pos"].tolist() == [0, -1, 2]


def test_an_example_set_is_indexed_like_a_list(examples, records, tokenizer):
    assert len(examples) == len(records)
    for index, gold in enumerate(records):
        assert examples[index].tokens.tolist() == tokenizer.encode(gold.text).ids
        assert len(examples[index].starts) == len(gold.words)
        np.testing.assert_array_equal(examples[index - len(records)].tokens, examples[index].tokens)
    for outside in (len(records), -len(records) - 1):
        with pytest.raises(IndexError):
            examples[outside]
    assert examples.lengths().tolist() == [len(examples[i].tokens) for i in range(len(examples))]


def same(ours: ExampleSet, theirs: ExampleSet):
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in ours.arrays.items():
        assert array.dtype == theirs.arrays[name].dtype
        np.testing.assert_array_equal(array, theirs.arrays[name])


def test_saved_examples_are_loaded_unchanged(tokenizer, tmp_path):
    config = four_task_config()
    partly = [record("Tom ran .", "sports"), record("Tom ran .", pos=("NOUN", "", "OTHER"))]
    examples = encode_records([*four_task_records(), *partly], tokenizer, config.task_list)
    examples.save(tmp_path / "train.npz")
    loaded = ExampleSet.load(tmp_path / "train.npz", examples.tasks)
    same(examples, loaded)
    for index in range(len(examples)):
        ours, theirs = examples[index], loaded[index]
        assert_trees_equal(ours, theirs)


def test_empty_example_set_and_sentence_without_words_are_saved_and_loaded(tokenizer, tmp_path):
    tasks = four_task_config().task_list
    for count in (0, 1):
        empty = record("", "sports", [], subjects=(), pos=())
        some = encode_records([empty] * count, tokenizer, tasks)
        some.save(tmp_path / "some.npz")
        loaded = ExampleSet.load(tmp_path / "some.npz", tasks)
        same(some, loaded)
        assert len(loaded) == count
        assert loaded.counts() == {task.name: count for task in tasks}
        assert loaded.lengths().tolist() == [2] * count


# Cutting


def test_cutting_keeps_the_beginning_and_both_special_tokens():
    for example, max_length, _ in random_cases():
        short = cut(example, max_length)
        length = len(example.tokens)
        if length <= max_length:
            assert short is example
            continue
        assert len(short.tokens) == max_length
        assert short.tokens[-1] == SEP
        np.testing.assert_array_equal(short.tokens[:-1], example.tokens[: max_length - 1])
        kept = short.starts >= 0
        np.testing.assert_array_equal(short.starts[kept], example.starts[kept])
        np.testing.assert_array_equal(
            kept, (example.starts >= 0) & (example.starts < max_length - 1)
        )


# Windows


def test_windows_decide_every_word_exactly_once():
    for example, max_length, overlap in random_cases():
        decided = np.concatenate([w.words for w in windows([example], max_length, overlap)])
        np.testing.assert_array_equal(decided, np.flatnonzero(example.starts >= 0))


def test_shares_of_the_windows_of_a_sentence_sum_to_1():
    for example, max_length, overlap in random_cases():
        shares = [w.share for w in windows([example], max_length, overlap)]
        assert abs(sum(shares) - 1) < 1e-9
        assert min(shares) > 0


def test_windows_fit_the_model_and_are_parts_of_the_sentence_between_special_tokens():
    several = 0
    for example, max_length, overlap in random_cases():
        content = example.tokens[1:-1].tolist()
        covered = set()
        for window in windows([example], max_length, overlap):
            assert len(window.tokens) <= max_length
            assert (window.tokens[0], window.tokens[-1]) == (CLS, SEP)
            inner = window.tokens[1:-1].tolist()
            begin = content.index(inner[0]) if inner else 0
            assert content[begin : begin + len(inner)] == inner
            covered |= set(inner)
            np.testing.assert_array_equal(
                window.tokens[window.starts], example.tokens[example.starts[window.words]]
            )
            several += window.share < 1
        assert covered == set(content)
    assert several > 100


def test_windows_decide_words_with_at_least_half_of_the_overlap_on_both_sides():
    for example, max_length, overlap in random_cases():
        pieces = list(windows([example], max_length, overlap))
        for place, window in enumerate(pieces):
            before = window.starts - 1
            after = len(window.tokens) - 2 - window.starts
            if place > 0:
                assert (before >= overlap // 2).all()
            if place < len(pieces) - 1:
                assert (after >= (overlap + 1) // 2).all()


def test_drawing_of_windows_in_the_docstring_is_right():
    tokens = np.array([CLS, *range(10), SEP], np.int32)
    example = Example(tokens, np.arange(1, 11, dtype=np.int32), {})
    first, second = windows([example], max_length=8, overlap=2)
    assert first.tokens.tolist() == [CLS, 0, 1, 2, 3, 4, 5, SEP]
    assert second.tokens.tolist() == [CLS, 4, 5, 6, 7, 8, 9, SEP]
    assert first.words.tolist() == [0, 1, 2, 3, 4]
    assert second.words.tolist() == [5, 6, 7, 8, 9]


def test_sentence_that_fits_is_one_window_and_windows_know_their_source():
    rng = np.random.default_rng(0)
    some = [random_example(rng, length) for length in (6, 0, 30, 7)]
    pieces = list(windows(some, 8, 2))
    assert [w.source for w in pieces] == [0, 1, *[2] * 7, 3, 3]
    assert pieces[0].tokens is some[0].tokens
    assert [w.share for w in pieces[:2]] == [1.0, 1.0]


@pytest.mark.parametrize("splitting", ["byte level", "metaspace"])
def test_subword_that_includes_the_space_before_a_word_is_the_first_of_that_word(splitting):
    text, words = "Tom works at Microsoft.", [(0, 3), (4, 9), (10, 12), (13, 22), (22, 23)]
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    if splitting == "metaspace":
        pieces = pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first")]
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pieces
    trainer = trainers.BpeTrainer(
        special_tokens=["<s>", "</s>"], vocab_size=400, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator([text] * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    ((tokens, starts),) = encode_text(tokenizer, [text], [words])
    assert starts.tolist() == [1, 2, 3, 4, 5]
    assert len(tokens) == 7
