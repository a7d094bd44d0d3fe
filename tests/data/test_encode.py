"""Encoding: labels on first subwords, absent labels absent, windows that decide each word once."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from mtt_jax.data.encode import (
    ExampleSet,
    cut,
    encode_records,
    encode_text,
    tags,
    windows,
)
from mtt_jax.data.words import split_words
from mtt_jax.tasks.schemes import Task, spans_to_tags
from mtt_jax.types import Example, Span
from tests.helpers import make_config, record

CLS, SEP = 1000, 1001


def random_example(rng, subwords, words=None):
    """An example of `subwords` between its ends, whose words begin at random subwords."""
    count = int(rng.integers(0, subwords + 1)) if words is None else words
    starts = np.sort(rng.choice(subwords, count, replace=False)) + 1
    starts = np.where(rng.random(count) < 0.1, -1, starts)  # words without a subword
    tokens = np.concatenate([[CLS], rng.permutation(subwords), [SEP]]).astype(np.int32)
    return Example(tokens, starts.astype(np.int32), {}, {})


def random_cases(count=400, seed=0):
    """(example, max_length, overlap) with an overlap that a config allows."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        max_length = int(rng.integers(8, 40))
        overlap = int(rng.integers(0, max_length // 2 + 1))
        yield random_example(rng, int(rng.integers(0, 150))), max_length, overlap


# First subwords


def test_a_word_starts_at_the_subword_that_begins_where_it_begins(tokenizer):
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


def test_a_word_that_the_tokenizer_drops_has_no_start(tokenizer):
    text = "Tom \x02 ran"
    ((tokens, starts),) = encode_text(tokenizer, [text], [((0, 3), (4, 5), (6, 9))])
    assert starts[1] == -1
    assert tokenizer.decode(tokens[starts[0] : starts[2]]) == "Tom"
    assert tokenizer.decode(tokens[starts[2] : -1]) == "ran"


def test_a_word_that_begins_inside_a_subword_has_none_of_it(tokenizer):
    text = "scored"
    (whole,) = (len(tokenizer.encode(text).ids) - 2,)
    spans = tuple((i, i + 1) for i in range(len(text)))
    ((_, starts),) = encode_text(tokenizer, [text], [spans])
    assert (starts >= 0).sum() == whole
    assert starts[0] == 1


# Example sets


def test_labels_are_ids_and_what_is_absent_is_absent(tokenizer):
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
    assert [example.labels for example in map(examples.__getitem__, range(3))] == [
        {"topic": 2},
        {"topic": 0},
        {},
    ]
    np.testing.assert_array_equal(examples[0].spans["ner"], [[0, 1, 0], [1, 2, 3]])
    assert examples[1].spans == {}
    assert examples[2].spans["ner"].shape == (0, 3)
    assert examples.counts() == {"topic": 2, "ner": 2}
    topic, ner = tasks
    assert examples.labelled(topic).tolist() == [True, True, False]
    assert examples.labelled(ner).tolist() == [True, False, True]


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


def test_what_is_saved_is_loaded(examples, tmp_path):
    examples.save(tmp_path / "train.npz")
    loaded = ExampleSet.load(tmp_path / "train.npz", examples.tasks)
    same(examples, loaded)
    for index in range(len(examples)):
        ours, theirs = examples[index], loaded[index]
        assert ours.labels == theirs.labels
        assert ours.spans.keys() == theirs.spans.keys()
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
        np.testing.assert_array_equal(ours.starts, theirs.starts)
        np.testing.assert_array_equal(ours.spans["ner"], theirs.spans["ner"])


def test_an_empty_set_and_a_sentence_without_words_are_saved_and_loaded(tokenizer, tmp_path):
    tasks = make_config().task_list
    for count in (0, 1):
        some = encode_records([record("", "sports", [])] * count, tokenizer, tasks)
        some.save(tmp_path / "some.npz")
        loaded = ExampleSet.load(tmp_path / "some.npz", tasks)
        same(some, loaded)
        assert len(loaded) == count
        assert loaded.counts() == {"topic": count, "ner": count}
        assert loaded.lengths().tolist() == [2] * count


# Tags


@pytest.mark.parametrize("scheme", ["io", "iob2"])
def test_tags_are_the_class_ids_of_the_scheme(scheme):
    task = Task("ner", "token", ("O", "PER", "ORG", "LOC"), scheme)
    rng = np.random.default_rng(0)
    for _ in range(200):
        edges = np.unique(rng.integers(0, 20, 8))
        spans = [
            (start, end, int(rng.integers(3)))
            for start, end in zip(edges, edges[1:], strict=False)
            if rng.random() < 0.7
        ]
        named = [Span(start, end, task.entity_types[kind]) for start, end, kind in spans]
        ids = tags(np.array(spans, np.int32).reshape(-1, 3), 20, scheme)
        assert [task.classes[i] for i in ids] == spans_to_tags(named, 20, scheme)
        assert ids.dtype == np.int32


# Cutting


def test_cutting_keeps_the_head_and_both_ends():
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


def test_the_shares_of_the_windows_of_a_sentence_sum_to_one():
    for example, max_length, overlap in random_cases():
        shares = [w.share for w in windows([example], max_length, overlap)]
        assert abs(sum(shares) - 1) < 1e-9
        assert min(shares) > 0


def test_a_window_fits_the_model_and_is_a_stretch_of_the_sentence_between_its_ends():
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


def test_a_word_is_decided_where_it_has_at_least_half_of_the_overlap_on_both_sides():
    for example, max_length, overlap in random_cases():
        pieces = list(windows([example], max_length, overlap))
        for place, window in enumerate(pieces):
            before = window.starts - 1
            behind = len(window.tokens) - 2 - window.starts
            if place > 0:
                assert (before >= overlap // 2).all()
            if place < len(pieces) - 1:
                assert (behind >= (overlap + 1) // 2).all()


def test_the_drawing_in_the_text_of_the_module_holds():
    tokens = np.array([CLS, *range(10), SEP], np.int32)
    example = Example(tokens, np.arange(1, 11, dtype=np.int32), {}, {})
    first, second = windows([example], max_length=8, overlap=2)
    assert first.tokens.tolist() == [CLS, 0, 1, 2, 3, 4, 5, SEP]
    assert second.tokens.tolist() == [CLS, 4, 5, 6, 7, 8, 9, SEP]
    assert first.words.tolist() == [0, 1, 2, 3, 4]
    assert second.words.tolist() == [5, 6, 7, 8, 9]


def test_a_sentence_that_fits_is_one_window_and_each_knows_its_source():
    rng = np.random.default_rng(0)
    some = [random_example(rng, length) for length in (6, 0, 30, 7)]
    pieces = list(windows(some, 8, 2))
    assert [w.source for w in pieces] == [0, 1, *[2] * 7, 3, 3]
    assert pieces[0].tokens is some[0].tokens
    assert [w.share for w in pieces[:2]] == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["byte level", "metaspace"])
def test_a_subword_that_holds_the_blank_before_its_word_is_that_words_first(kind):
    text, words = "Tom works at Microsoft.", [(0, 3), (4, 9), (10, 12), (13, 22), (22, 23)]
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    if kind == "metaspace":
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
