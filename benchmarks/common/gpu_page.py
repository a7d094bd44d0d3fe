"""What benchmarks/gpu.py has found as Markdown, for docs/benchmarks.md."""


def page(found):
    """The tables of all parts.

    Args:
      found: {"small", "seconds", "parts": name -> an Outcome as a dict}, the content of gpu.json.
    """
    parts = found["parts"]
    answers = {name: part["found"] for name, part in parts.items()}
    sections = [
        heading(found),
        table(["part", "", "seconds", ""], [
            [name, part["status"], f"{part['seconds']:.0f}", part["why"].replace("|", "/")]
            for name, part in parts.items()
        ]),
        *checks(answers.get("device checks", {})),
        *steps(answers),
        *trace(answers.get("trace", {})),
        *default_run(answers.get("default run", {})),
        *prediction(answers.get("prediction", {})),
        *pipeline(answers),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"


def heading(found):
    """The device, the versions, and whether models were small."""
    about = next(
        (p["found"]["about"] for p in found["parts"].values() if "about" in p["found"]), {}
    )
    device = about.get("device", "an unknown device")
    names = {"python": "Python", "jax": "JAX", "flax": "Flax", "torch": "PyTorch"}
    versions = [f"{names.get(n, n)} {about[n]}" for n in about if n not in ("device", "platform")]
    small = " Small models: its figures say nothing about speed." if found["small"] else ""
    return (
        f"One {device}, {', '.join(versions)}; `python benchmarks/gpu.py` took "
        f"{found['seconds']:.0f} s.{small}"
    )


def table(heads, rows):
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def checks(found):
    """What the device computes compared with a CPU."""
    rows = [
        *(
            [f"attention {kind}, bfloat16, largest difference", f"{apart:.2%}"]
            for kind, apart in found.get("attention", {}).items()
        ),
        *(
            [f"training steps, float32, difference of the {what}", f"{apart:.2e}"]
            for what, apart in found.get("step", {}).items()
        ),
    ]
    if "resume" in found:
        named = {"same": "a stopped and resumed run", "repeatable": "a second run"}
        rows += [
            [f"{named[what]} writes the same bytes", "yes" if holds else "no"]
            for what, holds in found["resume"].items()
        ]
    return [table(["compared with float32 on the CPU", ""], rows)] if rows else []


def steps(answers):
    """Tokens per second of a training step, ours alone and beside the peer."""
    rows = []
    for name, found in answers.items():
        for side, figures in found.get("sides", {}).items():
            share = f"{figures['peak']:.3f}" if figures["peak"] else ""
            rows.append([name, side, f"{figures['tokens_per_second']:,.0f}", share, ""])
        if found.get("ratio"):
            rows[-1][-1] = f"ours is {found['ratio']:.2f} times as fast"
    heads = ["training step", "", "tokens per second", "share of peak", ""]
    return [table(heads, rows)] if rows else []


def trace(found):
    """Where a step's time goes."""
    if not found:
        return []
    busy = sum(found["kinds"].values())
    kinds = table([f"{found['preset']}, a step of {found['step']:.1f} ms", "ms", "share"], [
        [kind, f"{value:.2f}", f"{value / busy:.1%}"] for kind, value in found["kinds"].items()
    ])  # fmt: skip
    kernels = table(["kernel", "kind", "operation", "ms"], [
        [f"`{kernel[:60]}`", kind, f"`{operation[-60:]}`" if operation else "", f"{value:.2f}"]
        for kernel, kind, operation, value in found["longest"]
    ])  # fmt: skip
    return [kinds, kernels]


def default_run(found):
    """Seconds and scores of the default run."""
    runs = found.get("runs", {})
    if not runs:
        return []
    rows = [["seconds", *(f"{run['seconds']:.1f}" for run in runs.values())]]
    for group, digits in (("split", 1), ("scores", 3)):
        for name in next(iter(runs.values()))[group]:
            rows.append([name, *(f"{run[group][name]:.{digits}f}" for run in runs.values())])
    return [table(["default run", *runs], rows)]


def prediction(found):
    """Texts per second and latency."""
    rows = [
        [name, f"{found['speed'][name]:,.0f}" if "speed" in found else "", f"{p50:.1f}, {p99:.1f}"]
        for name, (p50, p99) in found.get("latency", {}).items()
    ]
    heads = ["prediction", "texts per second", "batch 1 in ms, median and 99th percentile"]
    return [table(heads, rows)] if rows else []


def pipeline(answers):
    """The training stream alone, and what the steps read."""
    found = answers.get("pipeline", {})
    rows = [
        [f"stream alone, {shape}, {found['cores']} cores", f"{speed:,.0f}"]
        for shape, speed in found.get("speed", {}).items()
    ]
    if rows:
        rows += [
            [name, f"{answer['ours']:,.0f}"]
            for name, answer in answers.items()
            if name.startswith("steps of ") and answer
        ]
    return [table(["host and device", "tokens per second"], rows)] if rows else []
