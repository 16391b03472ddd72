"""Limits on the size of the code, names that occur once, and attributes that only their owner writes."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
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


def test_the_facade_has_at_most_250_lines() -> None:
    """`Recommender` delegates; what answers and what changes has rooms of its own."""
    assert sources()["src/shortlist/recommender.py"].count("\n") <= 250


def imports_of(path: str, text: str, modules: Mapping[str, str]) -> set[str]:
    """Return the project's modules that a module imports, anywhere in it: also in functions and for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports name the whole path of a module"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module or "" for name in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & modules.keys()


def test_no_imports_go_in_a_circle() -> None:
    """The contracts of import-linter hold between rooms; this holds between the modules of one room, too."""
    paths = {
        path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for path in sources()
        if path.startswith("src/")
    }
    graph = {module: imports_of(path, sources()[path], paths) - {module} for module, path in paths.items()}
    assert len(graph) > 500
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a circle


ARRAYS = re.compile(r"\b\w*(NDArray|ndarray|csr_matrix|DataFrame|Dataset|Array|Table|Histories|Entities)\b")


def test_no_generated_representation_prints_an_array() -> None:
    """A dataclass that holds arrays is a `ShortRepr`, or has a representation of its own."""
    found = []
    for path, text in sources().items():
        for node in ast.walk(ast.parse(text)) if path.startswith("src/") else ():
            if isinstance(node, ast.ClassDef):
                written = " ".join(map(ast.unparse, node.decorator_list))
                own = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
                fields = [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign)]
                printed = " ".join(one for one in fields if "ClassVar" not in one and "repr=False" not in one)
                generated = "dataclass" in written and "repr=False" not in written and "__repr__" not in own
                if generated and ARRAYS.search(printed):
                    found.append(f"{path}: {node.name}")
    assert not found


KEPT_RESULTS = {
    "cascade/respond.py:_policy_digest": "a digest of few settings",
}
"""Functions of the rooms that answer requests whose results a module keeps, with what they are."""


def test_no_module_keeps_work_space_between_requests() -> None:
    """What a request needs belongs to its call, or is leased from a pool of one model: two threads never share it."""
    found = set()
    for path, text in sources().items():
        if path.startswith(
            tuple(f"src/shortlist/{room}/" for room in ("features", "retrieve", "rank", "cascade"))
        ):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, Function) and "cache" in " ".join(
                    map(ast.unparse, node.decorator_list)
                ).replace("cache=True", ""):
                    found.add(f"{path.removeprefix('src/shortlist/')}:{node.name}")
    assert found == KEPT_RESULTS.keys()


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
