"""Scaling: a step by devices, rows, length and tasks; the pipeline by the size of the corpus.

    python benchmarks/scaling.py

Texts and batches are generated; figures are medians. Devices are simulated on the CPU, each number
of them in a process of its own, and share the same cores: they show that results do not depend on
their number, and what dividing the work costs.

    devices     the same steps on 1, 2, 4 and 8: losses (within 1e-5 of one device's) and seconds
    step        by positions per row, rows per batch, and tasks, one varied at a time
    pipeline    batches alone, from corpora of 10^3 to 10^6 sentences, and how many times as fast
                as the step that reads them; seconds to the first batch, and to encode a sentence;
                tokens per second of each task and of both, in rows of 128 and of 512 positions

The model is the default config's, or that of --layers, --width and --heads. The last line is JSON:
seconds per step, `peer` on one device, `ours` on several; `ratio` is above 1 if these are faster.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.flags import positive
from benchmarks.common.fresh import answer
from benchmarks.common.models import with_one_task
from benchmarks.common.pipeline import corpus, cut, seconds_of, stream_speed
from benchmarks.common.rounds import median_seconds
from benchmarks.common.steps import compiled_step, config_of, fresh_run
from mtt_jax.config.schema import default_tasks
from mtt_jax.data.pipeline import training_stream
from mtt_jax.devices import startup
from mtt_jax.devices.mesh import place_batch

DEVICES = (1, 2, 4, 8)
ROWS, LENGTH = 16, 128
VARIED = {"length": (128, 256, 512), "rows": (8, 16, 32), "tasks": (1, 2, 4, 8)}
MINILM = {"layers": 6, "width": 384, "heads": 12}
# Sentences that are generated and encoded; a larger corpus repeats them.
GENERATED = 10_000
STEPS = 10
# Rows and positions per batch of the pipeline alone: on a CPU, and on a GPU.
SHAPES = ((16, 128), (32, 512))


def main():
    options = parse()
    if options.case:
        print(json.dumps(on_devices(json.loads(options.case))))
        return
    size = {"layers": options.layers, "width": options.width, "heads": options.heads}
    seconds = devices(size)
    startup.prepare()
    step = steps(size, options.rounds)
    pipelines(size, step, options)
    ours = {str(count): seconds[count] for count in DEVICES[1:]}
    ratio = {count: seconds[1] / value for count, value in ours.items()}
    print(json.dumps({"ours": ours, "peer": seconds[1], "ratio": ratio}))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=positive, default=4)
    parser.add_argument("--width", type=positive, default=128)
    parser.add_argument("--heads", type=positive, default=4)
    parser.add_argument("--rounds", type=positive, default=10)
    parser.add_argument("--corpus", type=positive, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def sized(size, rows=ROWS, length=LENGTH, tasks=2):
    """The default config with a model's size and so many tasks, alternately like topic and ner."""
    defaults = default_tasks()
    named = {
        f"{name}{'' if index < 2 else index}": defaults[name]
        for index, name in enumerate((["topic", "ner"] * tasks)[:tasks])
    }
    encoder = {**size, "feedforward": 4 * size["width"], "max_positions": max(512, length)}
    return config_of(encoder, {"batch_rows": rows, "row_length": length}, named)


# Devices


def devices(size):
    """Number of devices -> median seconds per step; prints them, and how far losses differ."""
    found = {}
    for count in DEVICES:
        flags = {
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
        }
        found[count] = answer(__file__, {"devices": count, "size": size}, flags)
        differ = np.abs(np.array(found[count]["losses"]) - np.array(found[1]["losses"])).max()
        print(
            f"{count} devices: {1000 * found[count]['seconds']:.1f} ms per step, losses differ by "
            f"{differ:.1e} at most",
            flush=True,
        )
        if differ > 1e-5:
            sys.exit(f"error: {count} devices give different losses from one")
    return {count: result["seconds"] for count, result in found.items()}


def on_devices(case):
    """In a process of its own: losses and median seconds of steps on generated sentences."""
    startup.prepare()
    config = sized(case["size"])
    step, state, mesh = fresh_run(config, case["devices"])
    stream = iter(training_stream(corpus(2000, config), config))
    losses, times = [], []
    for _ in range(STEPS + 1):
        batch = place_batch(next(stream), mesh)
        start = time.perf_counter()
        state, metrics = step(state, batch, jax.random.key(1))
        losses.append(float(metrics.loss))
        times.append(time.perf_counter() - start)
    return {"losses": losses, "seconds": median(times[1:])}  # without the first, which compiles


# The step


def steps(size, rounds):
    """Model -> median seconds per step of 16 x 128 positions; prints the figures of all cases."""
    rng = np.random.default_rng(0)
    base = {"rows": ROWS, "length": LENGTH, "tasks": 2}
    cases = {
        f"{value} {name}": compiled_step(sized(size, **{**base, name: value}), rng)
        for name, values in VARIED.items()
        for value in values
        if value != base[name]
    }
    cases["base"] = compiled_step(sized(size), rng)
    cases["minilm"] = compiled_step(sized(MINILM), rng)
    found = median_seconds(cases, rounds)
    for name, values in VARIED.items():
        line = ", ".join(
            f"{value}: {1000 * found[f'{value} {name}' if value != base[name] else 'base']:.1f} ms"
            for value in values
        )
        print(f"step by {name}: {line}", flush=True)
    return {"this model": found["base"], "all-MiniLM-L6-v2's size": found["minilm"]}


# The pipeline


def pipelines(size, step, options):
    """Prints seconds per batch by the size of the corpus, and how many batches fit into a step."""
    config = sized(size)
    start = time.perf_counter()
    examples = corpus(GENERATED, config)
    print(f"encoding: {1e6 * (time.perf_counter() - start) / GENERATED:.0f} us per sentence")
    for count in options.corpus:
        start = time.perf_counter()
        stream = iter(training_stream(cut(examples, count), config))
        next(stream)
        first = time.perf_counter() - start
        for _ in range(8):  # batches that were prepared ahead
            next(stream)
        times = [seconds_of(stream)[0] for _ in range(options.rounds)]
        fits = ", ".join(
            f"{seconds / median(times):.1f} fit into a step of {name}"
            for name, seconds in step.items()
        )
        print(
            f"pipeline, {count:,} sentences: first batch after {first:.2f} s, then "
            f"{1000 * median(times):.2f} ms per batch; {fits}",
            flush=True,
        )
    largest = cut(examples, max(options.corpus))
    for rows, length in SHAPES:
        both = sized(size, rows, length)
        for name, case in [
            ("both", both),
            *((t.name, with_one_task(both, t.name)) for t in both.task_list),
        ]:
            speed = stream_speed(largest, case, options.rounds)
            print(
                f"pipeline, {name}, {rows} rows of {length}: {speed / 1e6:.2f} million tokens "
                f"per second",
                flush=True,
            )


if __name__ == "__main__":
    main()
