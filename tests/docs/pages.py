"""The pages of the documentation: their blocks of code, and the commands in them."""

import ast
import functools
import re
import shlex
from dataclasses import dataclass

from tests.helpers import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = sorted((ROOT / "configs").glob("*.py"))

_FENCED = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_PROGRAMS = ("mtt ", "python ", "pip install ")


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
      page: the file, as a path from the root of the repository.
      line: where it begins, from 1.
      text: as written, on one or several lines.
    """

    page: str
    line: int
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"

    @property
    def words(self):
        """What a shell makes of it, without its comment."""
        return shlex.split(self.text.replace("\\\n", " "), comments=True)


@functools.cache
def name_of(path):
    """The same string each time, so that pytest knows that blocks are of one page."""
    return path.relative_to(ROOT).as_posix()


def blocks(path, language):
    """(line of its first line, text) of every block in a language."""
    page = path.read_text(encoding="utf-8")
    for found in _FENCED.finditer(page):
        if found[2] == language:
            lines = (line.removeprefix(found[1]) for line in found[3].splitlines(keepends=True))
            yield page.count("\n", 0, found.start()) + 2, "".join(lines)


def shell_blocks(path):
    """The commands of every block for a shell; of a config, the indented ones of its docstring."""
    found = _indented(path) if path.suffix == ".py" else blocks(path, "sh")
    return [list(_commands(name_of(path), line, text)) for line, text in found if text.strip()]


def _indented(path):
    """The indented blocks of a docstring that hold commands, or flags to add to one."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")), clean=False)
    # The source escapes the newlines that continue a command; the docstring has lost them.
    source = path.read_text(encoding="utf-8").split('"""')[1]
    assert docstring is not None
    block, start = [], 0
    for number, line in enumerate([*source.splitlines(), ""], start=1):
        if line.startswith("    "):
            start = start if block else number
            block.append(line[4:])
        elif block:
            if block[0].startswith((*_PROGRAMS, "--")):
                yield start, "\n".join(block) + "\n"
            block = []


def _commands(page, line, text):
    """The commands of a block: a line each, or several that a backslash or a quote joins."""
    waiting, start = "", line
    for number, row in enumerate(text.splitlines(), start=line):
        start = start if waiting else number
        waiting += row + "\n"
        if row.rstrip().endswith("\\") or not _closed(waiting):
            continue
        if shlex.split(waiting, comments=True):
            yield Command(page, start, waiting.strip())
        waiting = ""
    assert not waiting, f"{page}:{start}: a command that does not end: {waiting}"


def _closed(text):
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def spans(path):
    """The commands in backticks in the text of a page, without those that leave a part open."""
    page = path.read_text(encoding="utf-8")
    outside = _FENCED.sub(lambda found: "\n" * found[0].count("\n"), page)
    for found in _SPAN.finditer(outside):
        text = " ".join(found[1].replace("\\|", "|").split())
        if text.startswith(_PROGRAMS) and "..." not in text:
            yield Command(name_of(path), outside.count("\n", 0, found.start()) + 1, text)


BLOCKS = [block for path in [*PAGES, *CONFIGS] for block in shell_blocks(path)]
