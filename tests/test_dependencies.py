"""What the package needs from elsewhere: its requirements, their bounds, the lock, the licences."""

import email
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers import ROOT

FILES = sorted(path.name for path in ROOT.glob("requirements*.txt"))
IN_DEV = ("requirements-cpu.txt", "requirements-serve.txt", "requirements-dev.txt")
CUDA = "jax[cuda12]"
# Python, the CPU and the system of a machine with a GPU.
HERE = {"python_version": "3.11", "platform_system": "Linux", "platform_machine": "x86_64"}


def lines_of(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and line[0] not in "#-"]


def requirements_of(name):
    return [Requirement(line) for line in lines_of(name)]


def lowest(requirement):
    """The version after >= or ==."""
    (version,) = (s.version for s in requirement.specifier if s.operator in (">=", "=="))
    return version


def name_of(requirement):
    return canonicalize_name(requirement.name)


def test_every_requirement_has_a_lower_bound():
    for file in FILES:
        for requirement in requirements_of(file):
            assert lowest(requirement), f"{file}: {requirement}"


def test_constraints_lowest_has_exactly_the_lower_bounds():
    """After a change of a bound, change it there too, and run .ci/versions lowest."""
    promised = {
        name_of(requirement): lowest(requirement)
        for file in IN_DEV
        for requirement in requirements_of(file)
    }
    pinned = {name_of(one): lowest(one) for one in requirements_of("constraints-lowest.txt")}
    assert pinned == promised


def test_requirements_without_cuda_differ_in_cuda_alone():
    def without_jax(file):
        return [str(one) for one in requirements_of(file) if one.name != "jax"]

    assert without_jax("requirements.txt") == without_jax("requirements-cpu.txt")
    jax = [one for file in FILES for one in requirements_of(file) if one.name == "jax"]
    assert len({lowest(one) for one in jax}) == 1


# The lock: requirements-ci.lock


def locked():
    """(requirement with its marker, number of hashes) of every package."""
    text = (ROOT / "requirements-ci.lock").read_text(encoding="utf-8")
    for block in re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^ *#.*\n", "", text).strip()):
        first, *rest = (line.strip(" \\") for line in block.splitlines())
        yield Requirement(first), sum(line.startswith("--hash=sha256:") for line in rest)


def test_every_package_of_the_lock_has_one_version_and_hashes():
    for requirement, hashes in locked():
        assert [s.operator for s in requirement.specifier] == ["=="], str(requirement)
        assert hashes, str(requirement)


@pytest.mark.parametrize("file", IN_DEV)
def test_the_lock_satisfies_the_requirements(file):
    """CONTRIBUTING.md says how it is made anew."""
    for requirement in requirements_of(file):
        versions = [lowest(one) for one, _ in locked() if name_of(one) == name_of(requirement)]
        assert versions, f"{requirement}: not in requirements-ci.lock"
        for version in versions:
            assert requirement.specifier.contains(version), f"{requirement}: {version} in the lock"


# The wheel: what pip install . asks for


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """METADATA of a wheel that is built without a network, of a copy of the package."""
    pytest.importorskip("setuptools", "77", reason="needs: pip install -r requirements-dev.txt")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("mtt_jax", "configs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in (*FILES, "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--no-index", "--wheel-dir", str(folder), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def asked_for(metadata, extra=""):
    """The requirements that an installation with an extra adds to none, as sets of text."""
    found = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    return {
        f"{one.name}[{','.join(sorted(one.extras))}]" if one.extras else one.name
        for one in found
        if one.marker is None or one.marker.evaluate({**HERE, "extra": extra})
    }


def test_an_installed_package_needs_no_cuda(metadata):
    plain = asked_for(metadata)
    assert plain == {requirement.name for requirement in requirements_of("requirements-cpu.txt")}
    assert CUDA not in plain


def test_the_extra_cuda12_adds_cuda_and_nothing_else(metadata):
    assert asked_for(metadata, "cuda12") - asked_for(metadata) == {CUDA}


@pytest.mark.parametrize("extra", ["beam", "onnx", "serve", "spacy"])
def test_an_extra_adds_what_its_file_names(metadata, extra):
    added = asked_for(metadata, extra) - asked_for(metadata)
    assert added == {one.name for one in requirements_of(f"requirements-{extra}.txt")}


def test_the_wheel_says_its_licence(metadata):
    assert metadata["License-Expression"] == "Apache-2.0"


# Licences: docs/licences.md

FOR_USERS = ("cpu", "serve", "onnx", "spacy", "beam", "bulk")
# Those that a package under Apache-2.0 may need: they ask nothing of the code that uses them.
PERMISSIVE = re.compile(
    r"0BSD|AFL-2\.1|Apache-2\.0|BSD(-[23]-Clause)?|CC0-1\.0|CNRI-Python|ISC|MIT|MPL-2\.0|PSF-2\.0|Zlib"
)


def licences():
    """(heading above the table, package, licence) of each row of the page."""
    heading = ""
    for line in (ROOT / "docs" / "licences.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(("#", "`")):
            heading = line.strip("#`: ")
        row = re.fullmatch(r"\| (\S+) \| (.+) \|", line)
        if row and row[1] != "package":
            yield heading, row[1], row[2]


def test_the_licence_of_every_requirement_is_listed():
    """`python docs/licences.py > docs/licences.md`"""
    for file in set(FILES) - {"requirements.txt"}:
        listed = [name for heading, name, _ in licences() if heading == file]
        assert listed == [requirement.name for requirement in requirements_of(file)]


def test_what_users_install_has_permissive_licences():
    shown = [f"requirements-{kind}.txt" for kind in FOR_USERS]
    work = [f"requirements-{kind}.txt" for kind in ("dev", "docs", "peers")]
    checked = [row for row in licences() if row[0] not in work]
    assert {heading for heading, *_ in checked} > set(shown)
    for _, name, licence in checked:
        for one in re.split(r" AND | OR |, ", licence):
            assert PERMISSIVE.fullmatch(one), f"{name}: {licence}"
