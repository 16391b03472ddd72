"""Limits on the size of the code, names that occur once, and attributes that only their owner writes."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Self

import pytest

from support.paths import ROOT

FOLDERS = ("src/shortlist", "tests", "clients/python")
FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 60, 7
LONG = "# long:"  # in the body of a function over the limit, followed by the reason
MANY = re.compile("noqa:.*PLR0913")  # on the line of a function with more parameters, with the reason

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> dict[str, str]:
    """All Python files of the project by path."""
    paths = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def written_from_outside(function: Function) -> set[str]:
    """Return the attributes that a function assigns of objects that are given to it, or that its own object holds."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            holder = root.id if isinstance(root, ast.Name) else ""
            deep = isinstance(node.value, ast.Attribute)
            if holder and (deep if holder in {"self", "cls"} else holder not in own):
                found.add(ast.unparse(node))
    return found


@dataclass(frozen=True)
class Outline:
    """Facts about one function: its file, name, lines, source text, arguments, and attributes of others that it writes."""

    path: str
    name: str
    lines: int
    text: str
    arguments: list[str]
    writes: frozenset[str]

    @classmethod
    def of(cls, path: str, node: Function, lines: list[str]) -> Self:
        """Take the outline from a node and the lines of its file."""
        end = node.end_lineno or node.lineno
        arguments = [a.arg for a in chain(node.args.posonlyargs, node.args.args, node.args.kwonlyargs)]
        text = "\n".join(lines[node.lineno - 1 : end])
        writes = written_from_outside(node) if path.startswith("src/") else frozenset()
        return cls(path, node.name, end - node.lineno + 1, text, arguments, frozenset(writes))


@cache
def outlines() -> tuple[list[Outline], dict[str, list[str]]]:
    """Each function, nested ones included, and the files of each class of the source by name; syntax trees are not kept."""
    functions: list[Outline] = []
    classes: dict[str, list[str]] = defaultdict(list)
    for path, text in sources().items():
        tree, lines = ast.parse(text), text.split("\n")
        functions += [Outline.of(path, node, lines) for node in ast.walk(tree) if isinstance(node, Function)]
        if path.startswith("src/"):
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    classes[node.name].append(path)
    return functions, classes


def limited(items: dict[str, int], allowed: dict[str, int]) -> None:
    """Fail for each item over the limit that is not allowed or has grown; warn about allowances that are not needed."""
    excess = {name: size for name, size in items.items() if size > allowed.get(name, 0)}
    assert not excess, f"over the limit: {excess}"
    for name in allowed.keys() - items.keys():
        warnings.warn(f"{name} is within the limit; take it off the list", stacklevel=2)


LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}
MANY_PARAMETERS: dict[str, int] = {}
REPEATED_CLASSES: dict[str, int] = {}


def test_files_have_at_most_400_lines() -> None:
    sizes = {path: text.count("\n") for path, text in sources().items()}
    limited({path: size for path, size in sizes.items() if size > FILE_LINES}, LONG_FILES)


def test_functions_have_at_most_60_lines() -> None:
    found = {
        f"{one.path}:{one.name}": one.lines
        for one in outlines()[0]
        if one.lines > FUNCTION_LINES and LONG not in one.text
    }
    limited(found, LONG_FUNCTIONS)


def test_functions_have_at_most_seven_parameters() -> None:
    found = {}
    for one in outlines()[0]:
        if one.path.startswith(("tests/", "src/shortlist/cli/")):
            continue  # fixtures are parameters of a test; each option of a command is a parameter
        count = len([name for name in one.arguments if name not in {"self", "cls"}])
        if count > PARAMETERS and not MANY.search(one.text.split('"""')[0]):
            found[f"{one.path}:{one.name}"] = count
    limited(found, MANY_PARAMETERS)


def test_class_names_are_unique() -> None:
    where = outlines()[1]
    limited({name: len(paths) for name, paths in where.items() if len(paths) > 1}, REPEATED_CLASSES)


FOREIGN = {
    "warnings.showwarning",
    "item.trivia.indent",
    "partition.offset",
    "self._cells.own_fields",
    "self._cells.nprobe",
    "connection.isolation_level",
    "self._thread.limited",
}
"""Attributes of objects of other libraries, which are set from outside."""


def test_nobody_writes_into_the_attributes_of_another_object() -> None:
    """What has to change is asked for by a method of its owner."""
    found = {f"{one.path}: {written}" for one in outlines()[0] for written in one.writes - FOREIGN}
    assert not found


@pytest.mark.parametrize("folder", ["src/shortlist", "tests"])
def test_no_module_is_called_utils(folder: str) -> None:
    vague = {"utils", "util", "helpers", "common", "misc"}
    assert not [path for path in (ROOT / folder).rglob("*.py") if Path(path).stem in vague]
