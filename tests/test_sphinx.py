# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation builds as HTML without warnings, and its links are valid."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlparse

import pytest

from tomoscore_scipion.commands.cli import COMMANDS

DOCS = Path(__file__).resolve().parents[1] / "docs"


class Page(HTMLParser):
    """The anchors and links of an HTML page."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors.add(attributes.get("id"))
        if tag == "a" and "href" in attributes:
            self.links.append(urlparse(attributes["href"]))


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the built pages."""
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-d", str(tmp_path_factory.mktemp("doctrees")), str(DOCS), str(folder)]
    built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout
    return folder


def test_every_page_is_built(html):
    assert {path.stem for path in DOCS.glob("*.rst")} <= {path.stem for path in html.glob("*.html")}


def test_links_lead_to_existing_pages_and_sections(html):
    pages = {path.name: Page(path) for path in html.glob("*.html")}
    lost = []
    for name, page in pages.items():
        for link in page.links:
            target = link.path or name
            if link.scheme or (not target.endswith(".html") and (html / target).exists()):
                continue
            if target not in pages or link.fragment not in {"", *pages[target].anchors}:
                lost.append((name, link.geturl()))
    assert lost == []


def test_every_command_has_its_options(html):
    text = (html / "options.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"usage: tomoscore {name}" not in text] == []


def test_the_public_interface_is_listed(html):
    from tomoscore_scipion import engine

    anchors = Page(html / "api.html").anchors
    assert {f"tomoscore_scipion.engine.{name}" for name in engine.__all__} <= anchors
