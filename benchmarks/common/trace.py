"""Where the time of a compiled program goes: JAX's trace, summed by kind of kernel."""

import gzip
import json
import re
from collections import defaultdict
from pathlib import Path

# The first pattern that occurs in "KERNEL HLO_OP" names the kind.
_BY_KERNEL = {
    "attention": r"mtt_\w+_kernel|cudnn|fmha|flash|sdpa",
    "copies": r"(?i)memcpy|memset|\bcopy|\btranspose|\bconcatenate|wrapped_(copy|transpose)",
    "scatter and gather": r"(?i)scatter|gather",
    "matmul": r"(?i)gemm|cutlass|cublas|nvjet|xmma|\bdot\b|\bdot\.|ynn_fusion|onednn",
}
# Likewise in the name that JAX gave the operation; what is not under a gradient is the optimizer.
_BY_OPERATION = {
    "optimizer": r"^(?!.*jvp\().*jit\(step\)",
    "attention": r"/attention/(?!qkv|out/)",
    "scatter and gather": r"scatter|gather|/take",
    "matmul": r"dot_general$",
    "reductions": r"/(reduce_\w+|argmax|cumsum)$",
}
_OTHER = "normalization and elementwise"


def operations(text):
    """HLO operation -> the name that JAX gave it, of a compiled program's text."""
    found = re.findall(r'^\s*(?:ROOT )?%?([\w.-]+) = .*op_name="([^"]*)"', text, re.MULTILINE)
    return dict(found)


def kind_of(kernel, hlo_op, operation):
    """The kind of a kernel.

    Args:
      kernel: its name.
      hlo_op: of XLA, which it computes.
      operation: of JAX, as `operations` names it; "" if unknown.
    """
    for kind, pattern in _BY_KERNEL.items():
        if re.search(pattern, f"{kernel} {hlo_op}"):
            return kind
    for kind, pattern in _BY_OPERATION.items():
        if re.search(pattern, operation):
            return kind
    return "reductions" if "reduce" in hlo_op else _OTHER


def kernels(folder):
    """(kernel, HLO operation, microseconds) of what ran on a device, from JAX's newest trace.

    On a GPU these are the kernels on its streams; on a CPU the operations of all threads, each
    without those inside it.
    """
    file = max(Path(folder).rglob("*.trace.json.gz"), key=lambda f: f.stat().st_mtime)
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        events = json.load(opened)["traceEvents"]
    names = {
        (event["name"], event["pid"], event.get("tid")): event["args"]["name"]
        for event in events
        if event.get("ph") == "M" and "name" in event.get("args", {})
    }
    gpus = {
        pid for (what, pid, _), name in names.items()
        if what == "process_name" and "/device:GPU" in name
    }  # fmt: skip
    by_thread = defaultdict(list)
    for event in events:
        if event.get("ph") != "X":
            continue
        thread = event["pid"], event["tid"]
        stream = names.get(("thread_name", *thread), "").startswith("Stream")
        if (event["pid"] in gpus and stream) or (not gpus and "hlo_op" in event.get("args", {})):
            by_thread[thread].append(event)
    return [row for thread in by_thread.values() for row in _own_times(thread)]


def _own_times(events):
    """Rows of `kernels` for one thread: the time of each event without that of those inside it."""
    rows, open_events = [], []
    for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
        while open_events and event["ts"] >= open_events[-1][0]:
            open_events.pop()
        if open_events:
            rows[open_events[-1][1]][2] -= event["dur"]
        open_events.append((event["ts"] + event["dur"], len(rows)))
        rows.append([event["name"], event.get("args", {}).get("hlo_op", ""), event["dur"]])
    return [tuple(row) for row in rows]


def summary(rows, named, steps):
    """Kind -> milliseconds per step, the longest first.

    Args:
      rows: as returned by `kernels`.
      named: as returned by `operations`.
      steps: in the trace.
    """
    total = defaultdict(float)
    for kernel, hlo_op, microseconds in rows:
        total[kind_of(kernel, hlo_op, named.get(hlo_op, ""))] += microseconds
    longest = sorted(total.items(), key=lambda item: -item[1])
    return {kind: microseconds / 1000 / steps for kind, microseconds in longest}


def longest(rows, named, steps, count=12):
    """The kernels that take longest: (name, kind, JAX's operation, milliseconds per step)."""
    total = defaultdict(float)
    for kernel, hlo_op, microseconds in rows:
        # The layers' copies of an operation differ by a number.
        operation = re.sub(r"\d+", "N", named.get(hlo_op, ""))
        kind = kind_of(kernel, hlo_op, named.get(hlo_op, ""))
        total[re.sub(r"[._]?\d+$", "", kernel), kind, operation] += microseconds
    chosen = sorted(total.items(), key=lambda item: -item[1])[:count]
    return [[*key, microseconds / 1000 / steps] for key, microseconds in chosen]
