"""Which file may import which: the rules of docs/architecture.md."""

import ast
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

FILES = sorted((ROOT / "mtt_jax").rglob("*.py"))


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def imported(nodes):
    """The full names that import statements name: `from a import b` gives a and a.b."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def at_load(tree):
    """The statements that run when a module is loaded, those in functions left out."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


ANYWHERE = {name: imported(ast.walk(tree)) for name, tree in MODULES.items()}
AT_LOAD = {name: imported(at_load(tree)) for name, tree in MODULES.items()}


def within(name, *packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offences(room, *forbidden, imports=ANYWHERE):
    """`module imports name` for every import of the room's that it must not have."""
    return [
        f"{module} imports {name}"
        for module, names in imports.items()
        if within(module, room)
        for name in sorted(names)
        if within(name, *forbidden)
    ]


def loaded_with(module):
    """Everything that importing a module loads through modules of ours, and those modules."""
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in MODULES:
            parents = [name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)]
            waiting += [*AT_LOAD[name], *parents]
    return seen


def python(code):
    """What a fresh interpreter prints."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_walk_tells_imports_inside_functions_from_those_at_load():
    tree = ast.parse("import a\nif a:\n  from b import c\ndef f():\n  import d.e")
    assert imported(ast.walk(tree)) == {"a", "b", "b.c", "d.e"}
    assert imported(at_load(tree)) == {"a", "b", "b.c"}
    assert {"mtt_jax.train.step", "mtt_jax.data.pack", "mtt_jax"} <= set(MODULES)
    assert "mtt_jax.data.encode" in loaded_with("mtt_jax.predict.predictor")


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("tasks", ("jax", "flax", "optax", "ml_collections", "mtt_jax.config", "mtt_jax.data")),
        ("data", ("mtt_jax.model", "mtt_jax.train", "mtt_jax.weights", "flax", "optax")),
        (
            "model",
            ("mtt_jax.data", "mtt_jax.config", "mtt_jax.tasks", "mtt_jax.train", "optax",
             "ml_collections", "torch"),
        ),
        (
            "train.balance",
            ("mtt_jax.types", "mtt_jax.model", "mtt_jax.config", "mtt_jax.data", "mtt_jax.tasks"),
        ),
        ("scoring", ("mtt_jax.train",)),
        ("weights", ("mtt_jax.train",)),
        ("predict", ("mtt_jax.train", "mtt_jax.diagnose", "mtt_jax.serve")),
        ("serve", ("mtt_jax.train", "mtt_jax.diagnose", "mtt_jax.distill")),
    ],
)  # fmt: skip
def test_a_folder_does_not_import_what_it_must_not_know(room, forbidden):
    assert any(within(module, f"mtt_jax.{room}") for module in MODULES)
    assert offences(f"mtt_jax.{room}", *forbidden) == []


@pytest.mark.parametrize(
    "module",
    [
        m
        for m in MODULES
        if within(m, "mtt_jax.scoring", "mtt_jax.weights", "mtt_jax.predict", "mtt_jax.serve")
    ],
)
def test_scoring_prediction_and_serving_load_no_optimizer_grain_or_tfds_even_through_others(module):
    heavy = ("mtt_jax.train", "optax", "grain", "tensorflow_datasets")
    assert [name for name in sorted(loaded_with(module)) if within(name, *heavy)] == []


@pytest.mark.parametrize("module", ["predict.predictor", "serve.run"])
def test_a_process_that_predicts_has_no_optimizer_grain_orbax_or_tfds_loaded(module):
    code = f"import sys, mtt_jax.{module}; print(*sorted(sys.modules))"
    loaded = set(python(code).split())
    assert {"jax", "flax", "mtt_jax.scoring.infer"} <= loaded
    heavy = {"optax", "grain", "orbax", "tensorflow_datasets", "tensorflow", "torch"}
    assert loaded & heavy == set()


def test_the_command_line_and_the_config_load_no_jax():
    code = "import sys, mtt_jax.cli, mtt_jax.config.files; print('jax' in sys.modules)"
    assert python(code) == "False"


@pytest.mark.peers  # slow: a process
def test_benchmarks_of_a_step_need_jax_flax_optax_and_tokenizers_alone():
    code = (
        "import sys\n"
        "absent = 'ml_collections', 'grain', 'tensorflow_datasets', 'safetensors', 'jaxtyping'\n"
        "sys.modules.update(dict.fromkeys((*absent, 'torch', 'transformers', 'onnxruntime')))\n"
        "from benchmarks import balancing, frozen, train\n"
        "from benchmarks.common import presets\n"
        "from benchmarks.common.steps import Ours, untrained\n"
        "from mtt_jax.devices import startup\n"
        "startup.prepare()\n"
        "config = presets.config_of_preset('tiny', 2, 128)\n"
        "batches = presets.ours_ready_made(presets.preset_sentences(2, 128), config)\n"
        "step = Ours(config, *untrained(config, presets.VOCAB), batches)\n"
        "print(step() > 200, step.describe())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.startswith("True "), done.stderr
    assert done.stdout.endswith(" 1 compiled shapes\n")


def test_the_package_reads_no_flags_and_no_config_files_of_its_own():
    assert offences("mtt_jax", "absl.flags", "absl.app", "configs", "launch", "tests") == []


def test_no_two_modules_import_each_other_in_a_circle():
    clean = set()  # from which no circle can be reached

    def circle(module, path):
        if module in clean:
            return None
        if module in path:
            return [*path[path.index(module) :], module]
        for name in sorted(AT_LOAD[module] & set(MODULES)):
            found = name != module and circle(name, [*path, module])
            if found:
                return found
        clean.add(module)
        return None

    assert [circle(module, []) for module in MODULES if circle(module, [])] == []


def order_on_the_page():
    """The modules in the order of docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = page.split("```")[1]
    room, found = [], []
    for line in block.strip().splitlines()[1:]:
        names, depth = line.strip().split("  ")[0], (len(line) - len(line.lstrip())) // 2 - 1
        room = room[:depth]
        if names.endswith("/"):
            room.append(names.rstrip("/"))
            continue
        found += [".".join(["mtt_jax", *room, *name.split("/")]) for name in names.split(", ")]
    return found


def test_a_file_imports_only_from_files_above_its_own_on_the_page():
    order = order_on_the_page()
    assert len(order) == len(set(order))
    # The __init__.py of a package needs no place unless it imports something of ours.
    own = {name for name in MODULES if ANYWHERE[name] & set(MODULES) or name in order}
    assert own - {"mtt_jax"} <= set(order), "a file that docs/architecture.md does not name"
    assert set(order) <= set(MODULES), "a file that is not there"
    place = {name: index for index, name in enumerate(order)}
    back = [
        f"{module} imports {name}"
        for module in order
        for name in ANYWHERE[module]
        if name in place and place[name] >= place[module] and not within(module, name)
    ]
    assert back == []


def test_there_is_no_utils_module():
    assert [file for file in FILES if file.name in ("utils.py", "helpers.py", "common.py")] == []


def test_few_modules_are_at_the_top_level():
    beside = sorted(file.name for file in (ROOT / "mtt_jax").glob("*.py"))
    assert beside == ["__init__.py", "__main__.py", "atomic.py", "errors.py", "types.py"]


def test_only_tasks_and_config_read_the_kind_of_a_task():
    allowed = ("mtt_jax.tasks", "mtt_jax.config")
    readers = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "kind" and not within(module, *allowed)
    ]
    assert readers == []


def test_importing_every_module_starts_no_jax_backend():
    code = (
        "import importlib\n"
        f"for name in {list(MODULES)}: importlib.import_module(name)\n"
        "import jax\n"
        "from jax._src import xla_bridge\n"
        "print(sorted(xla_bridge._backends))\n"
        "jax.devices(); print(sorted(xla_bridge._backends))\n"
    )
    before, after = python(code).splitlines()[-2:]
    assert before == "[]"
    assert after == "['cpu']", "the check looks at the right place"


def test_importing_the_package_alone_imports_no_jax():
    code = "import sys, mtt_jax; print('jax' in sys.modules, 'mtt_jax' in sys.modules)"
    assert python(code) == "False True"
