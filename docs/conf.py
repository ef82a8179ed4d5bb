# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of Sphinx: `make docs` builds docs/*.rst as HTML."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tomoscore_scipion import __version__  # noqa: E402
from tomoscore_scipion.commands.cli import COMMANDS, main  # noqa: E402

project = "TomoScore"
author = copyright = "the contributors of scipion-em-tomoscore"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Quality score of cryo-ET tomograms", "page_width": "1060px"}
html_copy_source = False
toc_object_entries = False
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False


class CommandHelp(Directive):
    """The help of every command of `tomoscore`, a section each."""

    def run(self) -> list[nodes.Node]:
        """Sections with the printed help."""
        return [self._section(name) for name in COMMANDS]

    def _section(self, name: str) -> nodes.section:
        title = f"tomoscore {name}"
        text = help_of(name)
        section = nodes.section("", nodes.title(title, title), nodes.literal_block(text, text))
        section["names"], section["ids"] = [title], [nodes.make_id(title)]
        section[-1]["language"] = "none"
        return section


def help_of(name: str) -> str:
    """The help that a command prints, in 80 columns."""
    os.environ["COLUMNS"] = "80"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main([name, "--help"])
    return printed.getvalue()


def link_pages(app, doctree) -> None:
    """Let links to other documents, `dose.rst`, lead to their HTML pages.

    The sources link to files, as GitHub and Scipion's Help need it.
    """
    for link in doctree.findall(nodes.reference):
        found = re.fullmatch(r"([\w-]+)\.rst(#.*)?", link.get("refuri", ""))
        if found:
            link["refuri"] = f"{found[1]}.html{found[2] or ''}"


def setup(app) -> None:
    """What Sphinx calls."""
    app.add_directive("command-help", CommandHelp)
    app.connect("doctree-read", link_pages)
