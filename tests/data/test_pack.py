"""Packing moves sentences into rows and changes nothing else."""

import numpy as np

from mtt_jax.data.encode import cut, encode_records, windows
from mtt_jax.data.pack import assign_rows, pack_examples, piece_of
from tests.helpers import batch_of, make_config, record


def test_every_piece_is_placed_once_and_rows_never_overflow():
    lengths = np.random.default_rng(0).integers(3, 40, 500)
    rows = assign_rows(lengths, 64, slots=6)
    assert sorted(i for row in rows for i in row) == list(range(500))
    assert max(sum(lengths[i] for i in row) for row in rows) <= 64
    assert max(map(len, rows)) <= 6
    assert lengths.sum() / (len(rows) * 64) > 0.95


def test_a_row_holds_no_more_sentences_than_slots():
    assert [len(row) for row in assign_rows([4] * 10, 64, slots=3)] == [3, 3, 3, 1]


def test_labels_sit_on_first_subwords_and_nowhere_else(records, examples):
    config = make_config()
    packed = batch_of(examples, config)
    batch = packed.batch
    tokens = 0
    for row, slot, offset, window in packed.windows:
        example = examples[window.source]
        starts = offset + example.starts
        np.testing.assert_array_equal(batch.weights["ner"][row, starts], 1)
        tokens += len(starts)
        gold = records[window.source]
        task = config.task_list[-1]
        names = [task.classes[i] for i in batch.labels["ner"][row, starts]]
        expected = ["O"] * len(starts)
        for span in gold.spans["ner"]:
            expected[span.start : span.end] = [span.label] * (span.end - span.start)
        assert names == expected
        assert batch.weights["topic"][row, slot] == 1
        topic = config.tasks["topic"].labels[batch.labels["topic"][row, slot]]
        assert topic == gold.labels["topic"]
    assert batch.weights["ner"].sum() == tokens
    assert batch.weights["topic"].sum() == len(examples)


def test_a_missing_label_has_weight_zero(tokenizer):
    config = make_config()
    some = encode_records(
        [record("Tom ran .", "sports", None), record("Ann sat .", None, [(0, 1, "PER")])],
        tokenizer,
        config.task_list,
    )
    batch = batch_of(some, config, rows=1).batch
    assert batch.weights["topic"].sum() == 1
    assert batch.weights["ner"].sum() == 3
    only_second = batch.weights["ner"][0] > 0
    assert set(batch.segments[0][only_second]) == {
        1 + int(np.argmin(batch.weights["topic"][0, :2]))
    }


def test_training_reads_the_same_labels_as_evaluation(examples):
    config = make_config()
    for example in (examples[i] for i in range(len(examples))):
        batch = batch_of([example], config, rows=1).batch
        piece = piece_of(example, config.task_list, config.data.max_length)
        n = len(example.tokens)
        np.testing.assert_array_equal(piece.tokens, batch.tokens[0, :n])
        np.testing.assert_array_equal(piece.tags["ner"] >= 0, batch.weights["ner"][0, :n])
        np.testing.assert_array_equal(np.maximum(piece.tags["ner"], 0), batch.labels["ner"][0, :n])
        assert piece.labels == {"topic": batch.labels["topic"][0, 0]}


def test_windows_decide_every_word_of_a_long_text_exactly_once(tokenizer):
    text = " ".join(f"Tom{i} ran" for i in range(200))
    (example,) = encode_records([record(text)], tokenizer, ())
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


def test_training_cuts_a_long_sentence_and_drops_the_labels_behind_the_cut(tokenizer):
    (example,) = encode_records([record("Tom ran " * 40, None, [])], tokenizer, ())
    short = cut(example, 20)
    assert len(short.tokens) == 20
    assert short.tokens[-1] == example.tokens[-1]
    assert (short.starts[short.starts >= 0] < 19).all()
    assert cut(short, 20) is short


def test_all_batches_have_one_shape(examples):
    config = make_config()
    shapes = {
        packed.batch.tokens.shape
        for packed in pack_examples(
            examples, config.task_list, max_length=32, overlap=8, row_length=32, slots=4, rows=2
        )
    }
    assert shapes == {(2, 32)}


def test_of_several_sizes_a_batch_has_the_largest_that_is_filled(tokenizer):
    config = make_config()
    texts = encode_records([record("Tom ran ." * 4)] * 7, tokenizer, ())
    length = int(texts.lengths()[0])
    packed = pack_examples(
        texts, config.task_list,
        max_length=length, overlap=2, row_length=length, slots=1, rows=(1, 2, 4),
    )  # fmt: skip
    found = list(packed)
    assert [len(batch.batch.tokens) for batch in found] == [4, 2, 1]
    placed = [window.source for batch in found for *_, window in batch.windows]
    assert sorted(placed) == list(range(7))
