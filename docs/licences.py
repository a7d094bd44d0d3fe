"""The licences of the dependencies, which the installed packages state: docs/licences.md."""

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What users of the package install, and what only the work on it needs.
USED = ("cpu", "serve", "onnx", "spacy", "beam", "bulk")
WORK = ("dev", "docs", "peers")
# Long names of classifiers -> SPDX.
_SHORT = {
    "Apache Software License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0",
    "GPLv3": "GPL-3.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
}
_HEAD = """# Licences of the dependencies

The package itself is under [Apache-2.0](../LICENSE). It contains no code of these packages; pip
installs them. Written by `python docs/licences.py > docs/licences.md` from what the packages say of
themselves.

CUDA, which the extra `cuda12` and `requirements.txt` add, comes from NVIDIA's packages
(`nvidia-*-cu12`) under NVIDIA's own terms, which restrict redistribution: read them before you give
away an image that contains them.

The solvers ecos and quadprog are under the GPL. Only tests and benchmarks that compare with other
libraries use them; nothing that users install does.
"""


def names_in(kind: str) -> list[str]:
    """The packages that requirements-KIND.txt names, without those of the files it includes."""
    lines = (ROOT / f"requirements-{kind}.txt").read_text(encoding="utf-8").splitlines()
    return [found[0] for line in lines if (found := re.match(r"\w[\w.-]*", line))]


def licence_of(name: str) -> str:
    """What an installed package says its licence is, as SPDX where that is known.

    Raises:
      SystemExit: the package is not installed.
    """
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        sys.exit(f"{name} is not installed: pip install -r requirements*.txt, each of them")
    if about["License-Expression"]:
        return about["License-Expression"]
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    field = about["License"] or metadata.distribution(name).read_text("LICENSE") or "not stated"
    first = field.strip().splitlines()[0].strip()
    return ", ".join(_SHORT.get(one, one) for one in classifiers or [first])


def needed_in_turn(names: list[str]) -> list[str]:
    """What installed packages need, directly or not, besides themselves; sorted."""
    found, waiting = set(), list(names)
    while waiting:
        for line in metadata.requires(waiting.pop()) or []:
            name = _plain(re.match(r"[\w.-]+", line)[0])  # type: ignore[index]
            if "extra ==" in line or name in found:
                continue
            try:
                metadata.metadata(name)
            except metadata.PackageNotFoundError:  # for another system
                continue
            found.add(name)
            waiting.append(name)
    return sorted(found - {_plain(name) for name in names})


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def rows(names: list[str]) -> str:
    """A table with a row per package."""
    lines = [f"| {name} | {licence_of(name)} |" for name in names]
    return "\n".join(["| package | licence |", "|---|---|", *lines]) + "\n"


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD]
    for title, kinds in (("What users install", USED), ("What the work on it needs", WORK)):
        parts.append(f"## {title}\n")
        for kind in kinds:
            parts.append(f"`requirements-{kind}.txt`:\n\n{rows(names_in(kind))}")
    direct = names_in("cpu") + names_in("serve")
    parts.append("## What those of `requirements-cpu.txt` and `requirements-serve.txt` need\n")
    parts.append(rows(needed_in_turn(direct)))
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
