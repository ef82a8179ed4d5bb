# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation parses; its links and pictures, and the names in it, exist."""

import re
from pathlib import Path
from urllib.parse import urlparse

import docutils.core
import docutils.nodes
import docutils.utils
import pytest
from docutils.parsers.rst import Directive, directives
from test_architecture import ENGINE_FOLDERS

from tomoscore_scipion.commands.cli import parser_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]
IMAGES = ROOT / "docs" / "images"
MAX_BYTES = {"score_ladder.jpg": 300_000}
ANY_OTHER_BYTES = 150_000
WARNINGS = 2
OF_SPHINX = ("toctree", "command-help", "currentmodule")
OF_SPHINX += ("autoclass", "autoexception", "autofunction")
README_WORDS = 1000


class Ignored(Directive):
    """A Sphinx directive, ignored here; `test_sphinx.py` builds the pages with Sphinx."""

    has_content, optional_arguments = True, 1
    option_spec = dict.fromkeys(("hidden", "members"), directives.unchanged)

    def run(self):
        return []


for name in OF_SPHINX:
    directives.register_directive(name, Ignored)


def parsed(path):
    """The parsed document, with a system message for every broken reference."""
    settings = {"report_level": WARNINGS, "halt_level": 5, "warning_stream": False}
    settings.update(file_insertion_enabled=False, raw_enabled=False)  # as PyPI shows the README
    text = path.read_text(encoding="utf-8")
    return docutils.core.publish_doctree(
        text, source_path=str(path), settings_overrides={**settings, "syntax_highlight": "none"}
    )


@pytest.fixture(scope="module", params=PAGES, ids=lambda path: path.name)
def page(request):
    return request.param, parsed(request.param)


def links(tree):
    return [node["refuri"] for node in tree.findall(docutils.nodes.reference) if "refuri" in node]


def pictures(tree):
    return [node["uri"] for node in tree.findall(docutils.nodes.image)]


def test_a_page_parses_without_warnings(page):
    path, tree = page
    assert [m.astext() for m in tree.findall(docutils.nodes.system_message)] == []


def test_links_to_files_are_valid(page):
    path, tree = page
    inside = [link for link in links(tree) if not urlparse(link).scheme]
    assert [link for link in inside if not (path.parent / link.partition("#")[0]).exists()] == []
    assert all(urlparse(link).scheme in ("", "https", "mailto") for link in links(tree))


def test_pictures_exist_and_have_a_description(page):
    path, tree = page
    assert [uri for uri in pictures(tree) if not (path.parent / uri).exists()] == []
    assert all(node.get("alt") for node in tree.findall(docutils.nodes.image))


def test_files_named_in_a_page_exist(page):
    path, _ = page
    named = re.findall(
        r"``((?:docs|scripts|benchmarks|tests|tomoscore_scipion)/[\w./]+?)``", path.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_commands_and_options_named_in_a_page_exist(page):
    path, _ = page
    text = re.sub(r"\\\n\s+", "", path.read_text())
    for name, rest in re.findall(r"^    tomoscore (\w+)((?: .*|\n {10,}.*)*)", text, re.MULTILINE):
        parser = parser_of(name)
        known = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z0-9-]+", rest)) <= known, name


def test_every_picture_is_shown_and_small():
    shown = {(p.parent / uri).resolve() for p in PAGES for uri in pictures(parsed(p))}
    assert shown == set(IMAGES.iterdir())
    sizes = {path.name: path.stat().st_size for path in IMAGES.iterdir()}
    for name, size in sizes.items():
        assert size <= MAX_BYTES.get(name, ANY_OTHER_BYTES), name


def links_to_files(path):
    return {link.partition("#")[0] for link in links(parsed(path))}


def test_the_readme_links_the_index_and_the_index_links_every_page():
    assert "docs/index.rst" in links_to_files(ROOT / "README.rst")
    others = {page.name for page in PAGES[1:]} - {"index.rst"}
    assert others <= links_to_files(ROOT / "docs" / "index.rst")


def test_the_table_of_contents_has_every_page():
    toctree = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8").partition("toctree::")[2]
    listed = re.findall(r"^   (\w+)$", toctree, re.MULTILINE)
    assert sorted(listed) == sorted(page.stem for page in PAGES[1:] if page.stem != "index")


def test_the_readme_has_at_most_1000_words():
    assert len((ROOT / "README.rst").read_text(encoding="utf-8").split()) <= README_WORDS


def test_the_readme_lists_the_folders_in_import_order():
    drawn = (ROOT / "README.rst").read_text(encoding="utf-8").partition("The folders of")[2]
    assert tuple(re.findall(r"^    (\w+)  +\S", drawn, re.MULTILINE)) == ENGINE_FOLDERS


def test_explained_reasons_exist_in_the_sources():
    given = set(
        re.findall(r'"([a-z\' ]+)"', (ROOT / "tomoscore_scipion/records/reasons.py").read_text())
    )
    text = (ROOT / "docs" / "reading_the_score.rst").read_text()
    table = text.partition("what to try")[2].partition("Choosing a threshold")[0]
    explained = re.findall(r"^([a-z][a-z ]+?)  +\S", table, re.MULTILINE)
    assert len(explained) >= 9 and set(explained) <= given


def test_every_parameter_of_the_template_is_explained():
    template = ROOT / "tomoscore_scipion" / "templates" / "tomoscore.json.template"
    names = re.findall(r"\|(\w+)~", template.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "scipion.rst").read_text(encoding="utf-8")
    assert len(names) == 5 and all(f"``{name}``" in page for name in names)


def test_moved_modules_are_at_the_documented_place():
    moved = (ROOT / "CHANGES.txt").read_text(encoding="utf-8").partition("\nPython: ")[2]
    moved = moved.partition("\n\n0.1.0")[0]
    new = []
    for line in re.findall(r"^- (.+(?:\n  .+)*)", moved, re.MULTILINE):
        target, _, names = line.partition(" -> ")[2].partition(":")
        folders = re.findall(r"`([\w.]+)`", target)
        new += [f"{folders[0]}.{name}" for name in re.findall(r"`(\w+)`", names)] or folders
    package = ROOT / "tomoscore_scipion"
    paths = [package / name.replace(".", "/") for name in new]
    assert len(new) > 80
    assert [str(p) for p in paths if not (p.is_dir() or p.with_suffix(".py").exists())] == []
