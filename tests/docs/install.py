"""What stands for pip: checks what an installation names, and installs nothing."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Said by a page with where it comes from; in no file of ours.
ELSEWHERE = {"tensorboard", "xprof", "apache-beam[gcp]", "mlflow"}


def known():
    """The packages that a file with requirements or .ci/run names."""
    lines = [
        line.partition("#")[0]
        for file in ROOT.glob("requirements*.txt")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    names = {re.split(r"[<>=!; ]", line.strip())[0] for line in lines}
    checks = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    return names | set(re.findall(r"pip install.* ([\w-]+)$", checks, re.MULTILINE)) | ELSEWHERE


def extras():
    """`.[NAME]` for every extra of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    dynamic = project["tool"]["setuptools"]["dynamic"]
    return {f".[{name}]" for name in dynamic["optional-dependencies"]}


def fault(arguments, folder):
    """What is wrong with the arguments of pip, in a folder; "" if they are right."""
    if arguments[:1] != ["install"]:
        return f"pip {arguments}: only installations are known"
    waiting = arguments[1:]
    while waiting:
        word = waiting.pop(0)
        if word in ("-r", "-e", "-c"):
            given = folder / waiting.pop(0)
            if not given.exists():
                return f"{given.name}: no such file"
        elif word == "." or word in extras():
            if not (folder / "pyproject.toml").is_file():
                return f"{folder}: no package to install"
        elif word not in ("--no-deps", "--require-hashes", "-q") and word not in known():
            return f"{word}: in no file with requirements"
    return ""


if __name__ == "__main__":
    sys.exit(fault(sys.argv[1:], Path.cwd()) or 0)
