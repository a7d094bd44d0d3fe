"""Texts per second and latency of anything that predicts."""

import time

import numpy as np

from benchmarks.common.rounds import median_seconds


def texts_per_second(calls, count, rounds, what):
    """Name -> texts per second of calls that read `count` texts; prints them."""
    for call in calls.values():
        call()  # to compile
    speed = {name: count / seconds for name, seconds in median_seconds(calls, rounds).items()}
    for name, value in speed.items():
        print(f"{what}, {name}: {value:.1f} texts/s", flush=True)
    return speed


def latencies(engines, others, texts, turns=5):
    """Name -> seconds of each text; in each turn every engine reads the same part of the texts.

    Engines do not alternate after every text, because the threads of one spin for a while after its
    work, on the cores of the next.
    """
    singles = engines | {n: lambda text, peer=peer: peer([text], 1) for n, peer in others.items()}
    times = {name: [] for name in singles}
    for predict in singles.values():
        for text in texts:
            predict(text)  # to compile
    for turn in range(turns):
        for name, predict in singles.items():
            predict(texts[0])
            for text in texts[turn::turns]:
                start = time.perf_counter()
                predict(text)
                times[name].append(time.perf_counter() - start)
    return times


def percentiles(seconds):
    """The median and the 99th percentile, in milliseconds."""
    return [1000 * float(np.percentile(seconds, share)) for share in (50, 99)]
