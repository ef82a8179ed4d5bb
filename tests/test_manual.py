# SPDX-License-Identifier: GPL-3.0-or-later
"""The help pages in Scipion have the content of the documentation, and valid links."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import manual  # noqa: E402


@pytest.mark.parametrize("name", manual.PAGES)
def test_a_page_agrees_with_its_document(name):
    made = (manual.MANUAL / f"{name}.html").read_text(encoding="utf-8")
    assert made == manual.page(name), "the document was changed: run `make manual`"


@pytest.mark.parametrize("name", manual.PAGES)
def test_links_of_a_page_lead_to_existing_pages(name):
    links = re.findall(r'href="([^"#]+)', manual.page(name))
    own = [link for link in links if not link.startswith("http")]
    assert own and all((manual.MANUAL / link).is_file() for link in own)
