"""The training stream: seeded, resumable, mixed as configured; packing loses no sentence."""

from collections import Counter
from itertools import islice

import jax
import numpy as np
import pytest

from mtt_jax.data.pipeline import open_shards, training_stream
from mtt_jax.data.sampling import parts_by_task
from mtt_jax.errors import UserError
from tests.helpers import (
    assert_trees_equal,
    encoded,
    four_task_config,
    four_task_records,
    make_config,
    record,
)

TOPICS, NAMES = 60, 20


@pytest.fixture(scope="module")
def corpus(tokenizer):
    """60 sentences with a topic, then 20 with entities, 4 of which have a topic too."""
    rng = np.random.default_rng(0)
    words = [
        "Tom",
        "Ann",
        "Lee",
        "scored",
        "joined",
        "Rovers",
        "City",
        "Oslo",
        "resigned",
        "fell",
        "again",
        "on",
        "of",
        ".",
    ]
    texts: list[str] = []
    while len(texts) < TOPICS + NAMES:
        text = " ".join(rng.choice(words, int(rng.integers(1, 9))))
        if text not in texts and len(tokenizer.encode(text).ids) <= 32:
            texts.append(text)
    records = [record(text, "sports") for text in texts[:TOPICS]]
    records += [record(text, "others" if i < 4 else None, [(0, 1, "PER")])
                for i, text in enumerate(texts[TOPICS:])]  # fmt: skip
    return encoded(records, tokenizer, make_config().task_list)


def stream_config(**overrides):
    return make_config(**{"train__row_length": 48, "train__batch_rows": 4} | overrides)


def batches(corpus, config, count, **options):
    return list(islice(iter(training_stream(corpus, config, **options)), count))


def sentences(batch, row):
    """Token tuples of the sentences of a row, in their order."""
    segments = batch.segments[row]
    return [
        tuple(batch.tokens[row][segments == segment].tolist())
        for segment in range(1, segments.max() + 1)
    ]


def seen(some_batches, corpus):
    """How often each sentence of the corpus was drawn, by index."""
    index = {tuple(corpus[i].tokens.tolist()): i for i in range(len(corpus))}
    assert len(index) == len(corpus)
    return Counter(
        index[sentence]
        for batch in some_batches
        for row in range(len(batch.tokens))
        for sentence in sentences(batch, row)
    )


def test_task_without_sentences_is_left_out_of_the_mix(tokenizer):
    only = encoded([record("Tom ran .", "sports")] * 3, tokenizer, make_config().task_list)
    config = stream_config(train__mixing="equal")
    (batch,) = batches(only, config, 1)
    assert batch.masks["ner"].sum() == 0
    assert batch.masks["topic"].sum() > 0


def share_of_names(some_batches, corpus):
    counts = seen(some_batches, corpus)
    return sum(n for index, n in counts.items() if index >= TOPICS) / counts.total()


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ({}, 0.25),
        ({"train__mixing": "equal"}, 0.5),
        ({"train__mixing": "temperature", "train__temperature": 2.0}, 1 / (1 + 3**0.5)),
        ({"train__mixing": "explicit", "tasks__topic__sampling": 1.0, "tasks__ner__sampling": 3.0},
         0.75),
        ({"tasks__topic__sampling_cap": 20}, 0.5),
    ],
)  # fmt: skip
def test_stream_draws_tasks_in_the_shares_of_the_mix(overrides, wanted, corpus):
    found = share_of_names(batches(corpus, stream_config(**overrides), 40), corpus)
    assert abs(found - wanted) < 0.03


def test_annealed_stream_moves_from_shares_by_size_towards_equal_shares(corpus):
    config = stream_config(train__mixing="annealed", train__temperature=100.0, train__steps=900)
    taken = batches(corpus, config, 900)
    assert abs(share_of_names(taken[:70], corpus) - 0.25) < 0.03
    assert abs(share_of_names(taken[415:485], corpus) - 0.37) < 0.03
    assert abs(share_of_names(taken[-70:], corpus) - 0.5) < 0.03
    counts = seen(taken, corpus)
    for part in (range(TOPICS), range(TOPICS, TOPICS + NAMES)):
        often = [counts[index] for index in part]
        assert max(often) - min(often) <= 3, "a task's sentences are drawn in whole epochs"


def test_annealed_stream_is_resumed_from_its_state(corpus):
    config = stream_config(train__mixing="annealed", train__steps=200)
    whole = batches(corpus, config, 30)
    stream = iter(training_stream(corpus, config))
    for _ in range(13):
        next(stream)
    state = stream.get_state()
    again = iter(training_stream(corpus, config))
    again.set_state(state)
    for wanted, found in zip(whole[13:], again, strict=False):
        assert_trees_equal(wanted, found)


def test_every_sentence_of_a_task_is_drawn_once_per_epoch(corpus):
    config = stream_config()
    counts = seen(batches(corpus, config, 80), corpus)
    epochs = counts.total() / len(corpus)
    assert epochs > 6
    # A few sentences are still in rows that are not full.
    assert min(counts[index] for index in range(len(corpus))) >= epochs - 2
    assert max(counts.values()) <= epochs + 2


def test_first_epoch_draws_every_sentence_before_most_are_drawn_twice(corpus):
    counts, repeated = Counter(), 0
    for batch in batches(corpus, stream_config(), 40):
        counts += seen([batch], corpus)
        repeated = sum(count > 1 for count in counts.values())
        if len(counts) == len(corpus):
            break
    assert len(counts) == len(corpus)
    assert repeated < len(corpus) / 2


def first_and_second_draw(corpus, seed):
    """When each sentence with a topic is drawn for the first and for the second time."""
    when: dict[int, list[int]] = {i: [] for i in range(TOPICS)}
    for time, batch in enumerate(batches(corpus, stream_config(seed=seed), 40)):
        for index in seen([batch], corpus):
            when.get(index, []).append(time)
    return np.array([times[:2] for times in when.values()]).T


def test_sentences_are_shuffled_by_the_seed_and_again_in_every_epoch(corpus):
    first, second = first_and_second_draw(corpus, 0)
    other, _ = first_and_second_draw(corpus, 1)
    for ours, theirs in ((np.arange(TOPICS), first), (first, second), (first, other)):
        assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.4


def test_rows_never_overflow_and_contain_whole_sentences(corpus):
    config = stream_config(train__slots=5)
    full = []
    for batch in batches(corpus, config, 40):
        assert batch.tokens.shape == batch.segments.shape == batch.positions.shape == (4, 48)
        assert batch.targets["topic"].shape == (4, 5)
        for row in range(4):
            segments = batch.segments[row]
            used = int((segments > 0).sum())
            assert (segments[used:] == 0).all()
            assert (np.diff(segments[:used]) >= 0).all()
            assert 1 <= segments.max() <= 5
            for segment in range(1, segments.max() + 1):
                places = batch.positions[row][segments == segment]
                assert places.tolist() == list(range(len(places)))
            full.append(used / 48)
        assert sum(seen([batch], corpus).values()) == (batch.segments.max(axis=1)).sum()
    assert np.mean(full) > 0.9


def test_labels_stay_with_their_sentence(corpus):
    config = stream_config()
    by_tokens = {tuple(corpus[i].tokens.tolist()): corpus[i] for i in range(len(corpus))}
    classes = config.task_list[-1].classes
    for batch in batches(corpus, config, 10):
        for row in range(len(batch.tokens)):
            for slot, sentence in enumerate(sentences(batch, row)):
                example = by_tokens[sentence]
                assert batch.masks["topic"][row, slot] == ("topic" in example.labels)
                if "topic" in example.labels:
                    assert batch.targets["topic"][row, slot] == example.labels["topic"]
                here = batch.segments[row] == slot + 1
                mask, targets = batch.masks["ner"][row][here], batch.targets["ner"][row][here]
                if "ner" in example.labels:
                    assert np.flatnonzero(mask).tolist() == example.starts.tolist()
                    names = [classes[target] for target in targets[example.starts]]
                    assert names == ["PER"] + ["O"] * (len(names) - 1)
                else:
                    assert not mask.any()
            empty = slice(int(batch.segments[row].max()), None)
            assert not batch.masks["topic"][row, empty].any()


def test_sentence_longer_than_max_length_is_cut(tokenizer):
    config = stream_config()
    long = encoded([record("Tom " * 60, "sports")], tokenizer, config.task_list)
    (batch,) = batches(long, config, 1)
    assert {len(s) for row in range(4) for s in sentences(batch, row)} == {config.data.max_length}


def test_stream_depends_on_the_seed_alone(corpus):
    first, again, other = (batches(corpus, stream_config(seed=s), 6) for s in (0, 0, 1))
    assert_trees_equal(first, again)
    assert any(
        not np.array_equal(ours.tokens, theirs.tokens)
        for ours, theirs in zip(first, other, strict=True)
    )


@pytest.mark.parametrize("before", [0, 1, 7, 30])
def test_stream_resumed_from_a_restored_state_gives_the_same_batches(before, corpus):
    config = stream_config()
    whole = iter(training_stream(corpus, config))
    for _ in range(before):
        next(whole)
    state = whole.get_state()
    rest = list(islice(whole, 8))
    fresh = iter(training_stream(corpus, config))
    fresh.set_state(state)
    assert_trees_equal(list(islice(fresh, 8)), rest)


def test_state_of_a_stream_that_prefetches_is_that_of_the_batches_it_returned(corpus):
    """Going back to an earlier state gives the same batches again."""
    stream = iter(training_stream(corpus, stream_config()))
    next(stream)
    state = stream.get_state()
    second, third = next(stream), next(stream)
    stream.set_state(state)
    assert_trees_equal([next(stream), next(stream)], [second, third])


def test_one_shard_is_the_same_as_the_plain_stream(corpus):
    config = stream_config(data__shards=1)
    plain = batches(corpus, config, 6)
    assert_trees_equal(list(islice(open_shards(corpus, config), 6)), plain)


def test_batch_of_several_shards_is_the_same_whichever_process_reads_them(corpus):
    config = stream_config(data__shards=4)
    whole = list(islice(open_shards(corpus, config), 6))
    assert {batch.tokens.shape for batch in whole} == {(4, 48)}
    for processes in (2, 4):
        each = [islice(open_shards(corpus, config, i, processes), 6) for i in range(processes)]
        for batch, *parts in zip(whole, *each, strict=True):
            assert_trees_equal(batch, jax.tree.map(lambda *rows: np.concatenate(rows), *parts))


def test_shards_that_do_not_divide_rows_processes_or_sentences_are_refused(corpus):
    with pytest.raises(UserError, match="3 shards do not divide train.batch_rows, 4, evenly"):
        stream_config(data__shards=3)
    with pytest.raises(UserError, match="3 processes do not divide 4 shards evenly"):
        open_shards(corpus, stream_config(data__shards=4), 0, 3)
    many = stream_config(data__shards=400, train__batch_rows=400)
    with pytest.raises(UserError, match="400 shards, but task '.*' has only"):
        open_shards(corpus, many)


def test_shards_divide_the_rows_and_the_sentences_of_every_task(corpus):
    config = stream_config()
    halves = [batches(corpus, config, 40, shard=i, shards=2) for i in range(2)]
    assert {batch.tokens.shape for half in halves for batch in half} == {(2, 48)}
    ours, theirs = (set(seen(half, corpus)) for half in halves)
    assert ours.isdisjoint(theirs)
    assert ours | theirs == set(range(len(corpus)))
    for part in parts_by_task(corpus, stream_config()).values():
        assert abs(len(ours & set(part)) - len(theirs & set(part))) <= 1


def test_stream_with_all_four_kinds_of_tasks_keeps_labels_with_their_sentence(tokenizer):
    config = four_task_config(train__row_length=48, train__batch_rows=4, train__mixing="equal")
    records = [
        r._replace(labels={name: r.labels[name]})
        for r in four_task_records()
        for name in ("topic", "ner", "subjects", "pos")
    ]
    examples = encoded(records, tokenizer, config.task_list)
    assert set(parts_by_task(examples, config)) == set(config.tasks)
    by_text: dict[tuple, dict] = {}
    for i in range(len(examples)):
        by_text.setdefault(tuple(examples[i].tokens.tolist()), {}).update(examples[i].labels)
    drawn = Counter()
    for batch in batches(examples, config, 10):
        for row in range(4):
            for slot, sentence in enumerate(sentences(batch, row)):
                here, labels = batch.segments[row] == slot + 1, by_text[sentence]
                masks = {
                    "topic": batch.masks["topic"][row, slot],
                    "subjects": batch.masks["subjects"][row, slot],
                    "ner": batch.masks["ner"][row][here].max(),
                    "pos": batch.masks["pos"][row][here].max(),
                }
                assert sum(masks.values()) == 1
                (name,) = (name for name, mask in masks.items() if mask)
                drawn[name] += 1
                if name in ("topic", "subjects"):
                    np.testing.assert_array_equal(batch.targets[name][row, slot], labels[name])
                if name == "pos":
                    first = batch.masks["pos"][row][here] == 1
                    found = batch.targets["pos"][row][here][first]
                    np.testing.assert_array_equal(found, labels["pos"])
    assert min(drawn.values()) > drawn.total() / 4 * 0.8
