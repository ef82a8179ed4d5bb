# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pages that Help opens in Scipion, tomoscore_scipion/manual/*.html, from docs/*.rst.

    python scripts/manual.py

The wheel includes the pages, so that they can be read without a network. Pictures are omitted to
keep it small. Run the script after each change of these documents.
"""

import re
import sys
from pathlib import Path

from docutils.core import publish_parts

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("tutorial", "scipion", "reading_the_score", "own_data", "dose", "facilities", "glossary")
MANUAL = ROOT / "tomoscore_scipion" / "manual"

HTML = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ max-width: 50em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; }}
pre, code, tt {{ background: #f3f3f3; }} pre {{ padding: .7em; overflow-x: auto; }}
table {{ border-collapse: collapse; }} th, td {{ border: 1px solid #bbb; padding: .2em .6em; }}
</style></head><body>
<p>{links}</p>
{body}
</body></html>
"""


def page(name: str) -> str:
    """The page of one document, HTML."""
    text = (ROOT / "docs" / f"{name}.rst").read_text(encoding="utf-8")
    text = re.sub(r"^\.\. image::.*\n(?: +:.*\n)*", "", text, flags=re.MULTILINE)
    text = _with_links_among_pages(text)
    settings = {"report_level": 2, "halt_level": 2, "initial_header_level": 2}
    parts = publish_parts(text, writer="html5", settings_overrides=settings)
    links = " | ".join(f'<a href="{name_}.html">{name_.replace("_", " ")}</a>' for name_ in PAGES)
    return HTML.format(title=parts["title"], body=parts["html_body"], links=links)


def _with_links_among_pages(text: str) -> str:
    """Replace links to other documents by links to their pages, or by plain text without a page."""
    for name in PAGES:
        text = text.replace(f"<{name}.rst", f"<{name}.html")
    return re.sub(r"`([^`<]+?)\s+<[^`>]*\.rst[^`>]*>`_", r"\1", text)


def main() -> int:
    """Write all pages."""
    MANUAL.mkdir(exist_ok=True)
    for name in PAGES:
        (MANUAL / f"{name}.html").write_text(page(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
