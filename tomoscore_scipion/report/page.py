# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: one HTML file with style, program, numbers and pictures.

Text of users is written as JSON only and is shown as text, never as markup. The content security
policy of the page allows no other program and no network access.
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
"""Files of the program, each after those it uses."""


def render(
    content: Mapping[str, Any], pictures: Iterable[tuple[int, Mapping[str, str]]]
) -> Iterator[str]:
    """The HTML of the page in parts; pictures come last, one tomogram at a time.

    Args:
        content: content of the page, from `content.content_of`.
        pictures: pairs of the index of a tomogram and its pictures, from `pictures`.
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
    program = "(function () {\n'use strict';\n" + "".join(map(_program_file, PROGRAM)) + "})();\n"
    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    yield from environment.get_template("report.html").generate(
        content=content,
        style=Markup(style),
        style_hash=_hash(style),
        program=Markup(program),
        program_hash=_hash(program),
        pictures=pictures,
    )


def _program_file(name: str) -> str:
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The hash of program or style that the content security policy allows."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
