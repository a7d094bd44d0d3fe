"""Everything that is claimed about a GPU, measured in one command of at most eight minutes.

    python benchmarks/gpu.py

It needs no network and no weights. Each part is a process of its own with its own limit; a part
that fails or hangs is reported, and the others run. The most valuable come first:

    device checks   attention of each kind, forward and gradient, compared with float32 on the CPU;
                    training steps on both; a run that was stopped and resumed, byte by byte
    steps           a BERT-base and a MiniLM in bfloat16 (benchmarks/train.py): tokens per second
                    and share of peak FLOP/s
    trace           a few steps of the larger model, by kind of kernel
    default run     configs/balanced.py in float32 and bfloat16: scores, and where its time goes
    prediction      a MiniLM with random weights: texts per second, latency at batch 1
    pipeline        the training stream alone, which runs on the CPU: tokens per second
    transformers    the same steps with PyTorch, compiled; not compiled if that does not finish

On a CPU the same parts run on a tiny model (`--small`). Whatever does not
fit into --seconds gets less time or is left out, which is said. Results go to DIR/gpu.json and, as
tables for docs/benchmarks.md, to DIR/gpu.md.

The last line is JSON: tokens per second of each model, `ours` and `peer`; `ratio` is above 1 if
ours is faster. The exit status is 1 if a part failed or a device check found a difference.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common.flags import positive
from benchmarks.common.gpu_page import page
from benchmarks.common.parts import Part, run_parts

# Any of them means that there is an NVIDIA GPU; JAX itself is only imported by the parts.
_GPU = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
# A GPU records the kernels inside a command buffer without their names.
_NAMED_KERNELS = "--xla_gpu_enable_command_buffer="
_TRAIN = ROOT / "benchmarks" / "train.py"
_SIZES = ("--rows=2", "--length=128", "--rounds=1", "--steps=1")  # of --small


def main():
    options = parse()
    if options.case:
        for found in CASES[options.case](options.small):
            print(json.dumps(found), flush=True)
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        parts = chosen(options, Path(folder))
        outcomes = run_parts(parts, options.seconds, lambda line: print(line, flush=True))
    found = {
        "small": options.small,
        "seconds": round(time.monotonic() - started, 1),
        "parts": {name: outcome._asdict() for name, outcome in outcomes.items()},
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = page(found)
    (options.output / "gpu.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    failed = failures(outcomes)
    print(json.dumps({**speeds(outcomes), "failed": failed, "seconds": found["seconds"]}))
    sys.exit(1 if failed else 0)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=positive, default=480, help="for all parts together")
    parser.add_argument("--output", type=Path, default=Path("runs/gpu"), help="folder to write to")
    parser.add_argument("--parts", nargs="+", choices=[*CASES, "steps", "transformers"],
                        help="only these")  # fmt: skip
    parser.add_argument("--small", action=argparse.BooleanOptionalAction, default=not has_gpu(),
                        help="small models; by default without a GPU only")  # fmt: skip
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    return parser.parse_args()


def has_gpu():
    return os.environ.get("JAX_PLATFORMS") != "cpu" and any(Path(file).exists() for file in _GPU)


# The parts


def chosen(options, folder):
    """The parts that --parts names, in their order, with programs cached in the folder."""
    parts = all_parts(options.small, str(folder / "programs"))
    wanted = options.parts
    return [part for part in parts if not wanted or any(map(part.name.startswith, wanted))]


def all_parts(small, cache):
    """The parts in order of their value, with seconds that suffice on one H100."""

    def case(name, limit, least, **environment):
        command = (sys.executable, __file__, f"--case={name}")
        return part(name, (*command, "--small" if small else "--no-small"), limit, least,
                    **environment)  # fmt: skip

    def part(name, command, limit, least, instead_of="", leaves=0.0, **environment):
        # JAX and PyTorch share the card, and parts the programs that they compile.
        shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_COMPILATION_CACHE_DIR": cache}
        return Part(name, tuple(map(str, command)), limit, least, shared | environment,
                    instead_of, leaves)  # fmt: skip

    def steps(preset, *flags):
        sizes = _SIZES if small else ("--rounds=3",)
        return (sys.executable, _TRAIN, f"--preset={preset}", "--dtypes", "bfloat16", *sizes,
                *flags)  # fmt: skip

    def ours(preset, limit):
        return part(f"steps of {preset}", steps(preset, "--orders"), limit, 30.0)

    def peers(preset, limit, leaves):
        flags = "--orders", "grouped", "--attention", "fused"
        name = f"transformers, {preset}"
        if small:
            return [part(name, steps(preset, *flags), limit, 30.0)]
        eager = part(f"{name}, not compiled", steps(preset, *flags, "--no-compile"), 60.0, 30.0,
                     instead_of=name)  # fmt: skip
        return [part(name, steps(preset, *flags), limit, 45.0, leaves=leaves), eager]

    presets = ("tiny",) if small else ("bert-base", "minilm")
    flags = " ".join(filter(None, (os.environ.get("XLA_FLAGS"), _NAMED_KERNELS)))
    return [
        case("device checks", 180.0 if small else 90.0, 30.0),
        *(ours(preset, 120.0) for preset in presets),
        case("trace", 80.0, 30.0, **({} if small else {"XLA_FLAGS": flags})),
        case("default run", 140.0, 40.0),
        case("prediction", 60.0, 25.0),
        case("pipeline", 45.0, 15.0, JAX_PLATFORMS="cpu"),
        *(p for preset in reversed(presets) for p in peers(preset, 150.0, 40.0)),
    ]


def device_checks(small):
    """Whether the device computes what a CPU does."""
    import jax

    from benchmarks.common import device_checks as checks

    platform = start()
    found = {"about": about()}
    yield found
    shapes = checks.SMALL_SHAPES if small else checks.SHAPES
    found["attention"] = checks.attention(shapes, checks.KINDS[platform])
    yield found
    found["step"] = checks.training_step()
    yield found
    with tempfile.TemporaryDirectory() as folder:
        found["resume"] = checks.resumed(Path(folder))
    found["wrong"] = [
        *(k for k, apart in found["attention"].items() if apart > checks.ATTENTION_LIMIT),
        *(f"step: {k}" for k, apart in found["step"].items() if apart > checks.STEP_LIMIT),
        *(f"resume: {k}" for k, holds in found["resume"].items() if not holds),
    ]
    assert jax.default_backend() == platform
    yield found


def trace(small):
    """A few steps by kind of kernel."""
    import jax

    from benchmarks.common import trace as traces
    from benchmarks.common.models import with_encoder
    from benchmarks.common.presets import (
        READY,
        VOCAB,
        config_of_preset,
        ours_ready_made,
        preset_sentences,
    )
    from benchmarks.common.steps import Ours, untrained
    from mtt_jax.devices.mesh import place_batch

    start()
    preset, rows, length, steps = ("tiny", 2, 128, 2) if small else ("bert-base", 32, 512, 10)
    config = with_encoder(config_of_preset(preset, rows, length), dtype="bfloat16")
    stream = ours_ready_made(preset_sentences(rows, length), config)
    ours = Ours(config, *untrained(config, VOCAB), stream)
    batch = place_batch(next(stream), ours.mesh)
    named = traces.operations(ours.step.lower(ours.state, batch, ours.key).compile().as_text())
    for _ in range(READY):
        ours()
    ours.wait()
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        with jax.profiler.trace(folder):
            for _ in range(steps):
                ours()
            ours.wait()
            seconds = time.perf_counter() - begin
        kernels = traces.kernels(folder)
    yield {
        "about": about(),
        "preset": preset,
        "step": 1000 * seconds / steps,
        "kinds": traces.summary(kernels, named, steps),
        "longest": traces.longest(kernels, named, steps),
    }


def default_run(small):
    """configs/balanced.py from start to end, in both dtypes."""
    from benchmarks.common.whole_run import timed_run, tiny_run

    start()
    found = {"about": about(), "runs": {}}
    with tempfile.TemporaryDirectory() as name:
        base = tiny_run(Path(name)) if small else {}
        for dtype in ("float32", "bfloat16"):
            fields = {**base, "encoder.dtype": dtype}
            found["runs"][dtype] = timed_run("balanced", fields, Path(name), dtype)
            yield found


def prediction(small):
    """Texts per second and latency of a model of MiniLM's size."""
    from benchmarks.common.corpora import generated_texts
    from benchmarks.common.models import save_random_model
    from benchmarks.common.prediction import latencies, percentiles, texts_per_second
    from benchmarks.common.presets import PRESETS
    from mtt_jax import Predictor

    start()
    texts = generated_texts(32 if small else 4096)
    found = {"about": about()}
    with tempfile.TemporaryDirectory() as folder:
        run = save_random_model(Path(folder), PRESETS["tiny" if small else "minilm"])
        engines = {name: Predictor.load(run, engine=name) for name in ("jax", "jax-bfloat16")}
        calls = {n: lambda engine=engine: list(engine.pipe(texts)) for n, engine in engines.items()}
        singles = texts[: 2 if small else 100]
        found["latency"] = {
            name: percentiles(seconds) for name, seconds in latencies(engines, {}, singles).items()
        }
        yield found
        found["speed"] = texts_per_second(calls, len(texts), 1 if small else 3, "streaming")
    yield found


def pipeline(small):
    """The training stream alone, of the default config and in a GPU's shape."""
    from benchmarks.common.pipeline import corpus, cut, stream_speed
    from benchmarks.common.steps import config_of

    start()
    found = {"about": about(), "cores": len(os.sched_getaffinity(0)), "speed": {}}
    examples, shapes = None, ((16, 128), (32, 512))
    for rows, length in shapes[:1] if small else shapes:
        config = config_of({}, {"batch_rows": rows, "row_length": length})
        examples = examples or cut(
            corpus(1000 if small else 5000, config), 10**3 if small else 10**5
        )
        found["speed"][f"{rows} rows of {length}"] = stream_speed(
            examples, config, 1 if small else 3
        )
        yield found


CASES = {
    "device checks": device_checks,
    "trace": trace,
    "default run": default_run,
    "prediction": prediction,
    "pipeline": pipeline,
}


def start():
    """Starts JAX as training does; returns its platform."""
    import jax

    from mtt_jax.devices import startup

    startup.prepare()
    startup.start_devices()
    return jax.default_backend()


def about():
    """The device, and the versions of what runs on it."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import jax

    def installed(name):
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    names = ("jax", "flax", "torch", "transformers")
    return {
        "device": jax.devices()[0].device_kind,
        "platform": jax.default_backend(),
        "python": platform.python_version(),
        **{name: installed(name) for name in names if installed(name)},
    }


# What they found


def failures(outcomes):
    """Names of parts that failed, and what the device checks found wrong."""
    failed = [n for n, o in outcomes.items() if o.status in ("failed", "out of time")]
    checks = outcomes.get("device checks")
    return [*failed, *(checks.found.get("wrong", []) if checks else [])]


def speeds(outcomes):
    """Model -> tokens per second: ours and the peer's, and ours divided by the peer's."""
    ours, peer, ratio = {}, {}, {}
    for name, outcome in outcomes.items():
        found = outcome.found
        if name.startswith("steps of ") and found:
            ours[name.removeprefix("steps of ")] = found["ours"]
        if name.startswith("transformers, ") and found.get("peer"):
            preset = name.removeprefix("transformers, ")
            peer[preset], ratio[preset] = found["peer"], found["ratio"]
    return {"ours": ours, "peer": peer, "ratio": ratio}


if __name__ == "__main__":
    main()
