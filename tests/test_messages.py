# SPDX-License-Identifier: GPL-3.0-or-later
"""Options named in a message belong to the command that prints it."""

import ast
import re
from pathlib import Path

import bad_tomograms
import pytest
from test_architecture import PACKAGE, ROOT, imported

from tomoscore_scipion.commands import cli
from tomoscore_scipion.reading.volume import open_stack, open_volume
from tomoscore_scipion.records.errors import TomogramError

COMMAND_IN_TEXT = re.compile(r"tomoscore [a-z]+( --[a-z-]+)+")
"""A complete command named in a message."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?!\w)")
EXCLUDED = ("file_kind.py", "options.py")
"""Options in file_kind.py depend on whether a volume or a stack is read, as in the second test;
options.py declares options that several commands share."""


def options_of(command):
    parser = cli.parser_of(command)
    return {option for action in parser._actions for option in action.option_strings}


def texts_in(path):
    """String constants of a file without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            yield node.value


def modules_of(command):
    """All modules of the package that a command uses, except through other commands."""
    todo, found = set(modules_that_define(command)), set()
    others = arguments_elsewhere(command) - {ROOT / (m.replace(".", "/") + ".py") for m in todo}
    if command == "dose":
        todo.add("tomoscore_scipion.dose.series_record")
    while todo:
        path = ROOT / (todo.pop().replace(".", "/") + ".py")
        if path in found | others or not path.is_file() or path.name == "cli.py":
            continue
        found.add(path)
        for name in imported(path):
            if name.startswith("tomoscore_scipion."):
                todo |= {name, name.rpartition(".")[0]}
    return found


def arguments_elsewhere(command):
    """Modules that define, and check, the arguments of other commands."""
    others = set(cli.COMMANDS) - {command}
    names = {module for other in others for module in modules_that_define(other)}
    return {ROOT / (name.replace(".", "/") + ".py") for name in names}


def modules_that_define(command):
    """Modules of a command: those of its arguments and those that it runs."""
    return (f"{cli.ARGUMENTS}.{command}", f"{cli.ACTIONS}.{command}")


@pytest.mark.parametrize("command", ["score", "dose", "compare"])
def test_options_named_in_messages_belong_to_the_command(command):
    options = options_of(command)
    for path in sorted(modules_of(command)):
        if path.name in EXCLUDED or "report" in path.parts:
            continue
        for text in texts_in(path):
            unknown = set(OPTION.findall(COMMAND_IN_TEXT.sub("", text))) - options
            assert not unknown, f"{Path(path).relative_to(PACKAGE)}: {text!r}: {unknown}"


def messages_about(path, opened):
    """Messages about a file: an error or warnings."""
    try:
        with opened(path) as volume:
            return volume.warnings
    except TomogramError as error:
        return (str(error),)


@pytest.mark.parametrize(
    ("command", "opened", "others"),
    [("score", open_volume, "--pixel-size"), ("dose", open_stack, "--voxel-size")],
)
def test_messages_about_files_name_options_of_the_command(tmp_path, command, opened, others):
    paths = bad_tomograms.make_all(tmp_path)
    one = tmp_path / "one.mrc"
    one.write_bytes(bad_tomograms.content(voxel_size=1.0))
    messages = [text for path in (*paths.values(), one) for text in messages_about(path, opened)]
    named = {option for text in messages for option in OPTION.findall(text)}
    assert named and named <= options_of(command)
    assert others not in named
