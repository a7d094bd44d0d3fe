"""The training stream by itself, over generated sentences."""

import time
from statistics import median

import numpy as np

from mtt_jax.data.encode import ExampleSet, Reading, encode_records
from mtt_jax.data.newswire.source import newswire_extra
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.tokenizer import train as train_tokenizer

# Batches that are timed together; a window holds about ten of the smallest.
AHEAD = 100


def stream_speed(examples, config, rounds):
    """Tokens per second of the training stream alone, a median over rounds."""
    stream = iter(training_stream(examples, config))
    seconds_of(stream)
    found = [seconds_of(stream) for _ in range(rounds)]
    return median(tokens / seconds / AHEAD for seconds, tokens in found)


def seconds_of(stream):
    """(seconds per batch, tokens) of the next AHEAD batches; counting them is not timed."""
    start = time.perf_counter()
    batches = [next(stream) for _ in range(AHEAD)]
    seconds = (time.perf_counter() - start) / AHEAD
    return seconds, sum(int(np.count_nonzero(batch.segments)) for batch in batches)


def corpus(count, config):
    """Generated sentences, each labeled for one task, the tasks alternating."""
    tasks = config.task_list
    of_task = [newswire_extra(task, count // len(tasks), seed) for seed, task in enumerate(tasks)]
    records = [record for turn in zip(*of_task, strict=True) for record in turn]
    tokenizer = train_tokenizer([record.text for record in records], config.tokenizer)
    return encode_records(records, tokenizer, tasks, Reading(cleaning=True))


def cut(examples, count):
    """The first `count` examples, repeated if there are fewer."""
    whole = -(-count // len(examples))
    arrays = {}
    for name, array in examples.arrays.items():
        if name.endswith("_ends"):
            size = array[-1] if len(array) else 0
            arrays[name] = (array + size * np.arange(whole)[:, None]).ravel()[:count]
        else:
            by_sentence = f"{name[:-1]}_ends" not in examples.arrays
            arrays[name] = np.concatenate([array] * whole)[: count if by_sentence else None]
    return ExampleSet(arrays, examples.tasks)
