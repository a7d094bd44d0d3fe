"""Benchmarks: each starts from any directory, and what they share is in benchmarks/common."""

import ast
import importlib.util
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

FOLDER = ROOT / "benchmarks"
COMMON = sorted((FOLDER / "common").glob("*.py"))
SCRIPTS = sorted({*FOLDER.rglob("*.py")} - set(COMMON))
# What a benchmark imports before it reads its flags, besides the package's own requirements.
NEEDS = {"baselines": "sklearn"}


def imports_of_benchmarks(file):
    """The modules of benchmarks/ that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = {script.stem for script in SCRIPTS}
    return {name for name in names if name.split(".")[0] in {"benchmarks", "common", *own}}


@pytest.mark.parametrize("file", [*SCRIPTS, *COMMON], ids=lambda file: file.stem)
def test_no_benchmark_imports_another_benchmark(file):
    allowed = ("benchmarks.common", "benchmarks.common.")
    assert [n for n in imports_of_benchmarks(file) if not n.startswith(allowed)] == []


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_a_benchmark_that_imports_the_package_adds_the_repository_to_the_path_once(file):
    text = file.read_text(encoding="utf-8")
    assert text.count("sys.path") == ("mtt_jax" in text or "from benchmarks" in text)


@pytest.mark.parametrize(
    "name", [file.stem for file in SCRIPTS if file.parent == FOLDER]
)  # those of diagnose/ take no flags
def test_a_benchmark_prints_its_help_from_any_directory(name, tmp_path):
    if name in NEEDS and not importlib.util.find_spec(NEEDS[name]):
        pytest.skip(f"needs {NEEDS[name]}: pip install -r requirements-dev.txt")
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", "--help"],
        cwd=tmp_path, env={**os.environ, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name}.py ")
