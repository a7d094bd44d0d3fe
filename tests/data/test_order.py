"""The order of draws is Grain's, and any draw is computed without those before it."""

import grain
import numpy as np
import pytest

from mtt_jax.data.order import Order, Shares, generator_of, shuffled, shuffling_seed


def as_grain_draws(parts, seeds, weights, count):
    """Indices of the examples that a pipeline of Grain's draws."""
    streams = [
        grain.MapDataset.source(part).seed(seed).shuffle().repeat()
        for part, seed in zip(parts, seeds, strict=True)
    ]
    mixed = grain.MapDataset.mix(streams, weights)
    return [int(mixed[index]) for index in range(count)]


@pytest.mark.parametrize(
    "weights", [[1.0], [0.6, 0.4], [0.1, 0.2, 0.7], [0.001, 0.999], [1, 1, 1]], ids=str
)
def test_order_is_that_of_a_pipeline_of_grain(weights):
    parts = [np.arange(30 * (index + 1)) + 1000 * index for index in range(len(weights))]
    seeds = [7 + index for index in range(len(weights))]
    order = Order(parts, [shuffling_seed(seed) for seed in seeds], Shares(weights))
    expected = as_grain_draws(parts, seeds, weights, 600)
    assert order.draws(0, 600).examples.tolist() == expected
    assert order.draws(450, 100).examples.tolist() == expected[450:550]


@pytest.mark.parametrize("size", [1, 2, 3, 257, 65_535, 65_536, 65_537, 65_538, 300_007])
def test_shuffle_is_that_of_grain(size):
    # 65,537 is where Grain permutes blocks that are one bit too short.
    turns = np.unique(np.linspace(0, 3 * size - 1, 300, dtype=np.int64))
    stream = grain.MapDataset.source(range(size)).seed(2**31).shuffle().repeat()
    found = shuffled(turns, size, shuffling_seed(2**31))
    assert found.tolist() == [int(stream[int(turn)]) for turn in turns]


@pytest.mark.parametrize("size", [1, 40, 70_000])
def test_every_epoch_is_another_permutation(size):
    first, second = shuffled(np.arange(2 * size), size, 3).reshape(2, size)
    np.testing.assert_array_equal(np.sort(first), np.arange(size))
    np.testing.assert_array_equal(np.sort(second), np.arange(size))
    assert size == 1 or (first != second).any()


def test_the_last_seed_is_followed_by_the_first():
    later = shuffled(np.arange(100, 200), 100, 2**32 - 1)
    np.testing.assert_array_equal(later, shuffled(np.arange(100), 100, 0))


def test_draws_name_their_part_and_their_turn_in_it():
    parts = [np.arange(5), np.arange(100, 107)]
    draws = Order(parts, [1, 2], Shares([2, 1])).draws(0, 60)
    assert np.bincount(draws.tasks).tolist() == [40, 20]
    for task in (0, 1):
        own = draws.tasks == task
        np.testing.assert_array_equal(draws.turns[own], np.arange(own.sum()))
        assert np.isin(draws.examples[own], parts[task]).all()


def test_random_numbers_of_a_draw_are_those_of_grain_and_depend_on_no_other():
    drawn = grain.MapDataset.range(9).random_map(lambda _, rng: rng.random(3).tolist(), seed=11)
    assert generator_of(11, 4).random(3).tolist() == drawn[4]
    assert generator_of(11, 4).random(3).tolist() != generator_of(11, 5).random(3).tolist()
