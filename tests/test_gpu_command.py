"""benchmarks/gpu.py: parts in processes of their own, the summary of a trace, and the command."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.common import trace
from benchmarks.common.parts import Part, run_parts
from tests.helpers import ROOT


def python(name, code, limit=60.0, least=0.0, **fields):
    return Part(name, (sys.executable, "-c", code), limit, least, {}, **fields)


def test_a_part_that_fails_is_reported_with_its_last_line_and_the_others_run():
    parts = [
        python("bad", "print('{\"a\": 1}'); raise SystemExit('no card')"),
        python("empty", "print('{}')"),
        python("better", "print('{\"b\": 2}')"),
    ]
    found = run_parts(parts, 60, print)
    assert found["bad"][::2] == ("failed", {"a": 1})
    assert found["bad"].why == "no card"
    assert found["empty"].status == "failed"  # an empty answer is none
    assert found["better"][::2] == ("done", {"b": 2})


def test_a_part_that_hangs_is_killed_and_keeps_its_last_whole_answer():
    code = "import signal; print('{\"a\": 1}'); print('{\"a\": 2, ', flush=True); signal.pause()"
    found = run_parts([python("hangs", code, limit=3.0), python("next", "print('{\"b\": 2}')")],
                      60, lambda line: None)  # fmt: skip
    assert found["hangs"].status == "out of time"
    assert found["hangs"].found in ({"a": 1}, {})  # {} if Python took longer to start
    assert found["next"].status == "done"


def test_a_part_that_does_not_fit_into_the_time_is_left_out():
    told = []
    found = run_parts([python("long", "", least=100.0)], 50, told.append)
    assert found["long"].status == "left out"
    assert told[0].startswith("long: left out, 0 s: needs 100 s, ")


@pytest.mark.parametrize(("code", "status"), [("print('{\"a\": 1}')", "not needed"), ("", "done")])
def test_a_part_in_place_of_another_runs_only_if_that_one_failed(code, status):
    instead = python("second", "print('{\"b\": 2}')", instead_of="first")
    assert run_parts([python("first", code), instead], 60, print)["second"].status == status


MODEL = "jit(step)/jvp(MultiTask.encode)/encoder/layer_1/"


@pytest.mark.parametrize(
    ("kernel", "hlo_op", "operation", "kind"),
    [
        ("nvjet_tst_128x256", "custom-call.3", MODEL + "up/up/dot_general", "matmul"),
        ("mtt_forward_kernel", "custom-call.9", MODEL + "attention/pallas_call", "attention"),
        ("loop_fusion", "loop_fusion.2", MODEL + "attention/exp", "attention"),
        ("fusion_7", "fusion.7", MODEL + "attention/qkv/qkv/dot_general", "matmul"),
        ("loop_select_fusion", "loop_select_fusion.1", "jit(step)/mul", "optimizer"),
        ("loop_fusion", "loop_fusion", MODEL + "norm/mul", "normalization and elementwise"),
        ("input_reduce_fusion", "input_reduce_fusion", MODEL + "norm/reduce_sum", "reductions"),
        ("MemcpyD2D", "copy.3", "", "copies"),
        ("input_scatter_fusion", "input_scatter_fusion", "", "scatter and gather"),
    ],
)
def test_kernels_are_of_the_kind_that_their_names_say(kernel, hlo_op, operation, kind):
    assert trace.kind_of(kernel, hlo_op, operation) == kind


def test_the_time_of_an_event_does_not_count_twice():
    def event(name, start, duration):
        return {"name": name, "ts": start, "dur": duration, "args": {"hlo_op": name}}

    rows = trace._own_times([event("while", 0, 10), event("add", 2, 3), event("dot", 12, 4)])
    assert rows == [("while", "while", 7), ("add", "add", 3), ("dot", "dot", 4)]


@pytest.mark.peers  # slow: every part in a process of its own
def test_the_command_runs_on_a_cpu_and_a_part_that_fails_takes_no_other_along(tmp_path):
    broken = tmp_path / "modules" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no CUDA library')\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py", f"--output={tmp_path}", "--seconds=3000"],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(broken.parent)},
        capture_output=True, text=True,
    )  # fmt: skip
    last = json.loads(done.stdout.splitlines()[-1])
    parts = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["parts"]
    assert last["failed"] == ["transformers, tiny"], done.stdout
    assert done.returncode == 1
    assert last["ours"]["tiny"] > 0
    assert all(part["status"] == "done" for name, part in parts.items() if "transf" not in name)
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    for text in ("attention fused", "| matmul |", "| compilation |", "stream alone", "no CUDA"):
        assert text in page
