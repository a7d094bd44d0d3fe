"""The documentation as a site: `sphinx-build -W docs site`, with requirements-docs.txt."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mtt_jax import __version__  # noqa: E402

project = "mtt_jax"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxarg.ext",
]

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_show_copyright = False

# Quotes and dashes are those of commands.
smartquotes = False
# Headings can be linked to as on GitHub: [text](page.md#heading).
myst_heading_anchors = 4
# A fence that names no language is text.
highlight_language = "text"

# As in our docstrings: `name`.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autoclass_content = "both"
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def mark_code(app, what, name, obj, options, lines):
    """Marks as code what is indented after an empty line, as our docstrings write it."""
    text = re.sub(r"(^\S.*\n\n)(?=    )", r"\1::\n\n", "\n".join(lines), flags=re.MULTILINE)
    lines[:] = text.split("\n")


def name_pages(app, docname, source):
    """Shows a link such as [data.md](data.md) with the title of the page."""
    source[0] = re.sub(r"\[[\w/]+\.md\]\((\w+\.md[^)]*)\)", r"[](\1)", source[0])


def setup(app):
    """Connects the two functions; docstrings are marked before napoleon reads them."""
    app.connect("autodoc-process-docstring", mark_code, priority=100)
    app.connect("source-read", name_pages)
