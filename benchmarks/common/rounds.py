"""Interleaved rounds: each round measures every side once, so that all see the same machine."""

import time
from statistics import median

import jax


def medians(measures, rounds, warmup=0):
    """Runs every measure once per round and takes medians over the rounds.

    Args:
      measures: name -> function that returns one figure, such as seconds.
      rounds: how many count.
      warmup: rounds before them, whose figures are dropped.

    Returns:
      Name -> median.
    """
    found = {name: [] for name in measures}
    for turn in range(warmup + rounds):
        for name, measure in measures.items():
            figure = measure()
            if turn >= warmup:
                found[name].append(figure)
    return {name: median(figures) for name, figures in found.items()}


def seconds_of(call):
    """Seconds of one call, until the JAX arrays that it returns are computed."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def median_seconds(calls, rounds):
    """Name -> median seconds of a call."""
    return medians({n: lambda call=call: seconds_of(call) for n, call in calls.items()}, rounds)
