"""Packing: sentences share rows, and neither tokens nor labels change."""

import numpy as np
import pytest

from mtt_jax.data.encode import cut, windows
from mtt_jax.data.pack import assign_rows, lay_out, pack_examples, piece_of
from mtt_jax.tasks.schemes import class_ids
from tests.helpers import (
    batch_of,
    encoded,
    four_task_config,
    four_task_records,
    make_config,
    record,
)


def test_packing_places_every_piece_once_and_rows_never_overflow():
    lengths = np.random.default_rng(0).integers(3, 40, 500)
    rows = assign_rows(lengths, 64, slots=6)
    assert sorted(i for row in rows for i in row) == list(range(500))
    assert max(sum(lengths[i] for i in row) for row in rows) <= 64
    assert max(map(len, rows)) <= 6
    assert lengths.sum() / (len(rows) * 64) > 0.95


def test_packing_puts_no_more_sentences_in_a_row_than_slots():
    assert [len(row) for row in assign_rows([4] * 10, 64, slots=3)] == [3, 3, 3, 1]


def test_labels_of_words_are_on_first_subwords_and_nowhere_else(records, examples):
    config = make_config()
    packed = batch_of(examples, config)
    batch = packed.batch
    tokens = 0
    for row, slot, offset, window in packed.windows:
        example = examples[window.source]
        starts = offset + example.starts
        np.testing.assert_array_equal(batch.masks["ner"][row, starts], 1)
        tokens += len(starts)
        gold = records[window.source]
        task = config.task_list[-1]
        names = [task.classes[i] for i in batch.targets["ner"][row, starts]]
        expected = ["O"] * len(starts)
        for start, end, label in gold.labels["ner"]:
            for word in range(len(gold.text[:start].split()), len(gold.text[:end].split())):
                expected[word] = label
        assert names == expected
        assert batch.masks["topic"][row, slot] == 1
        topic = config.tasks["topic"].labels[batch.targets["topic"][row, slot]]
        assert topic == gold.labels["topic"]
    assert batch.masks["ner"].sum() == tokens
    assert batch.masks["topic"].sum() == len(examples)


def test_missing_label_has_mask_0(tokenizer):
    config = make_config()
    some = encoded(
        [record("Tom ran .", "sports", None), record("Ann sat .", None, [(0, 1, "PER")])],
        tokenizer,
        config.task_list,
    )
    batch = batch_of(some, config, rows=1).batch
    assert batch.masks["topic"].sum() == 1
    assert batch.masks["ner"].sum() == 3
    only_second = batch.masks["ner"][0] > 0
    assert set(batch.segments[0][only_second]) == {1 + int(np.argmin(batch.masks["topic"][0, :2]))}


def test_training_reads_the_same_labels_as_evaluation(examples):
    config = make_config()
    for example in (examples[i] for i in range(len(examples))):
        batch = batch_of([example], config, rows=1).batch
        piece = piece_of(example, config.task_list, config.data.max_length)
        n = len(example.tokens)
        np.testing.assert_array_equal(piece.tokens, batch.tokens[0, :n])
        values, mask = piece.targets["ner"]
        np.testing.assert_array_equal(mask, batch.masks["ner"][0, :n])
        np.testing.assert_array_equal(values, batch.targets["ner"][0, :n])
        assert piece.targets["topic"] == (batch.targets["topic"][0, 0], 1)


def test_windows_of_a_long_text_decide_every_word_exactly_once(tokenizer):
    text = " ".join(f"Tom{i} ran" for i in range(200))
    (example,) = encoded([record(text)], tokenizer, ())
    pieces = list(windows([example], 32, 8))
    assert len(pieces) > 3
    assert max(len(piece.tokens) for piece in pieces) <= 32
    words = np.concatenate([piece.words for piece in pieces])
    np.testing.assert_array_equal(words, np.arange(400))
    assert abs(sum(piece.share for piece in pieces) - 1) < 1e-9
    for piece in pieces:
        np.testing.assert_array_equal(
            piece.tokens[piece.starts], example.tokens[example.starts[piece.words]]
        )


def test_training_cuts_a_long_sentence_and_drops_the_labels_after_the_cut(tokenizer):
    (example,) = encoded([record("Tom ran " * 40, None, [])], tokenizer, ())
    short = cut(example, 20)
    assert len(short.tokens) == 20
    assert short.tokens[-1] == example.tokens[-1]
    assert (short.starts[short.starts >= 0] < 19).all()
    assert cut(short, 20) is short


def test_all_batches_have_the_same_shape(examples):
    config = make_config()
    shapes = {
        packed.batch.tokens.shape
        for packed in pack_examples(
            examples, config.task_list, max_length=32, overlap=8, row_length=32, slots=4, rows=2
        )
    }
    assert shapes == {(2, 32)}


def test_batch_has_the_largest_of_several_sizes_that_is_filled(tokenizer):
    config = make_config()
    texts = encoded([record("Tom ran ." * 4)] * 7, tokenizer, ())
    length = int(texts.lengths()[0])
    packed = pack_examples(
        texts, config.task_list,
        max_length=length, overlap=2, row_length=length, slots=1, rows=(1, 2, 4),
    )  # fmt: skip
    found = list(packed)
    assert [len(batch.batch.tokens) for batch in found] == [4, 2, 1]
    placed = [window.source for batch in found for *_, window in batch.windows]
    assert sorted(placed) == list(range(7))


# All four kinds of tasks in one batch

NAMES = ("subjects", "topic", "ner", "pos")


@pytest.fixture(scope="module")
def mixed(tokenizer):
    """(config, records, examples): all labels, none, and each task's label alone."""
    config, full = four_task_config(tasks__ner__scheme="iob2"), four_task_records()
    alone = [
        r._replace(labels={name: r.labels[name]}) for r, name in zip(full, NAMES, strict=False)
    ]
    records = [*full, record("Shares fell ."), *alone]
    return config, records, encoded(records, tokenizer, config.task_list)


def test_targets_and_masks_of_all_four_kinds_have_the_shapes_and_dtypes_of_the_batch(mixed):
    config, _, examples = mixed
    batch = batch_of(examples, config, rows=8).batch
    rows, length, slots = 8, config.train.row_length, config.slots
    for array in (batch.tokens, batch.segments, batch.positions):
        assert (array.shape, array.dtype) == ((rows, length), np.int32)
    expected = {
        "topic": ((rows, slots), np.int32),
        "subjects": ((rows, slots, 3), np.float32),
        "ner": ((rows, length), np.int32),
        "pos": ((rows, length), np.int32),
    }
    assert {n: (t.shape, t.dtype) for n, t in batch.targets.items()} == expected
    for name, mask in batch.masks.items():
        assert (mask.shape, mask.dtype) == (expected[name][0][:2], np.float32)
        assert set(np.unique(mask)) == {0, 1}


def test_targets_are_exactly_0_wherever_the_mask_is_0(mixed):
    config, _, examples = mixed
    batch = batch_of(examples, config, rows=8).batch
    for name, mask in batch.masks.items():
        assert batch.targets[name].any()
        assert not batch.targets[name][mask == 0].any()


def test_padding_has_mask_0_and_segment_0(mixed):
    config, _, examples = mixed
    batch = batch_of(examples, config, rows=8).batch
    padding = batch.segments == 0
    assert padding[-1].all(), "the last rows are empty"
    assert not batch.tokens[padding].any()
    assert not batch.positions[padding].any()
    for name in ("ner", "pos"):
        assert not batch.masks[name][padding].any()
    used = batch.segments.max(axis=1)
    for name in ("topic", "subjects"):
        empty = np.arange(config.slots)[None] >= used[:, None]
        assert not batch.masks[name][empty].any()


def test_targets_of_all_four_kinds_are_the_labels_of_their_sentence(mixed):
    config, records, examples = mixed
    packed = batch_of(examples, config, rows=8)
    batch, tasks = packed.batch, {task.name: task for task in config.task_list}
    seen = dict.fromkeys(NAMES, 0)
    for row, slot, offset, window in packed.windows:
        labels, example = records[window.source].labels, examples[window.source]
        starts = offset + example.starts
        here = slice(offset, offset + len(window.tokens))
        assert batch.masks["topic"][row, slot] == ("topic" in labels)
        assert batch.masks["subjects"][row, slot] == ("subjects" in labels)
        for name in ("ner", "pos"):
            first = np.zeros(config.train.row_length)
            first[starts] = name in labels
            np.testing.assert_array_equal(batch.masks[name][row, here], first[here])
        if "topic" in labels:
            assert tasks["topic"].labels[batch.targets["topic"][row, slot]] == labels["topic"]
        if "subjects" in labels:
            chosen = batch.targets["subjects"][row, slot] == 1
            found = np.array(tasks["subjects"].labels)[chosen]
            assert tuple(found) == labels["subjects"]
        if "pos" in labels:
            found = [tasks["pos"].labels[i] for i in batch.targets["pos"][row, starts]]
            assert found == [tag for _, _, tag in labels["pos"]]
        if "ner" in labels:
            expected = class_ids(example.labels["ner"].spans, len(starts), "iob2")
            np.testing.assert_array_equal(batch.targets["ner"][row, starts], expected)
        for name in labels:
            seen[name] += 1
    assert seen == dict.fromkeys(NAMES, 7)


def test_packed_and_alone_a_sentence_has_the_same_targets_and_masks(mixed):
    config, _, examples = mixed
    packed = batch_of(examples, config, rows=8)
    for row, slot, offset, window in packed.windows:
        alone = batch_of([examples[window.source]], config, rows=1).batch
        here, first = slice(offset, offset + len(window.tokens)), slice(0, len(window.tokens))
        np.testing.assert_array_equal(packed.batch.tokens[row, here], alone.tokens[0, first])
        for task in config.task_list:
            for ours, theirs in (
                (packed.batch.targets[task.name], alone.targets[task.name]),
                (packed.batch.masks[task.name], alone.masks[task.name]),
            ):
                if task.unit == "sentence":
                    np.testing.assert_array_equal(ours[row, slot], theirs[0, 0])
                else:
                    np.testing.assert_array_equal(ours[row, here], theirs[0, first])


def test_word_without_a_tag_has_mask_0_and_target_0(tokenizer):
    config = four_task_config()
    some = [record("Tom ran away .", pos=("VERB", "", "OTHER", ""))]
    examples = encoded(some, tokenizer, config.task_list)
    batch, starts = batch_of(examples, config, rows=1).batch, examples[0].starts
    assert batch.masks["pos"][0, starts].tolist() == [1, 0, 1, 0]
    assert batch.targets["pos"][0, starts].tolist() == [1, 0, 2, 0]
    assert batch.masks["pos"].sum() == 2


def test_windows_of_a_long_sentence_repeat_its_sentence_label_and_divide_its_word_labels(tokenizer):
    config = four_task_config()
    words = 60
    tags = tuple("NOUN" if i % 2 else "VERB" for i in range(words))
    text = " ".join("Tom" if i % 2 else "ran" for i in range(words))
    spans = [(i, i + 1, "PER") for i in range(1, words, 2)]
    long = record(text, "sports", spans, subjects=("law",), pos=tags)
    examples = encoded([long], tokenizer, config.task_list)
    packed = batch_of(examples, config, rows=8)
    assert len(packed.windows) > 1
    batch = packed.batch
    for row, slot, _, _ in packed.windows:
        assert batch.masks["topic"][row, slot] == batch.masks["subjects"][row, slot] == 1
        assert batch.targets["subjects"][row, slot].tolist() == [0, 1, 0]
    assert batch.masks["pos"].sum() == batch.masks["ner"].sum() == words
    for name, count in (("pos", words / 2), ("ner", words / 2)):
        assert (batch.targets[name][batch.masks[name] == 1] == 1).sum() == count


def test_labels_of_words_after_the_cut_have_mask_0_in_training(tokenizer):
    config = four_task_config()
    tags = ("NOUN",) * 60
    spans = [(i, i + 1, "PER") for i in range(60)]
    long = record("Tom " * 60, "sports", spans, subjects=(), pos=tags)
    example = encoded([long], tokenizer, config.task_list)[0]
    piece = piece_of(example, config.task_list, config.data.max_length)
    kept = int((example.starts < config.data.max_length - 1).sum())
    assert 0 < kept < 60
    assert len(piece.tokens) == config.data.max_length
    for name in ("ner", "pos"):
        values, mask = piece.targets[name]
        assert mask.sum() == kept
        assert mask[0] == mask[-1] == 0
        assert len(values) == len(piece.tokens)
    batch = lay_out([[piece]], config.task_list, config.train.row_length, config.slots, 2)
    assert batch.masks["pos"].sum() == kept
    assert batch.masks["subjects"].sum() == 1
