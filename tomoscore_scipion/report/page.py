# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: one HTML file that holds its style, its program, its numbers and its pictures.

Text of the user's reaches the page as JSON only and is put there as text, never as markup. The
page's own policy lets no other program run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).resolve().parent / "templates"
PROGRAM = ("dom", "charts", "pictures", "details", "hand", "views", "comparison", "main")
"""The parts of the program, in the order in which they need one another."""


def render(
    content: Mapping[str, Any], pictures: Iterable[tuple[int, Mapping[str, str]]]
) -> Iterator[str]:
    """The page, piece by piece; the pictures come last, one tomogram at a time.

    Args:
        content: from `content.content_of`.
        pictures: pairs of a tomogram's number, from 0, and its pictures, from `pictures`.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "allow_nan": False,
        "separators": (",", ":"),
    }
    program = "(function () {\n'use strict';\n" + "".join(map(_part, PROGRAM)) + "})();\n"
    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    yield from environment.get_template("report.html").generate(
        content=content,
        style=Markup(style),
        style_hash=_hash(style),
        program=Markup(program),
        program_hash=_hash(program),
        pictures=pictures,
    )


def _part(name: str) -> str:
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The hash by which the page's policy knows its own program and style."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
