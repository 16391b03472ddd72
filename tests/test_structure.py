"""Limits on the size of the code, and names that occur once."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from support.paths import ROOT

FOLDERS = ("src/shortlist", "tests")
FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 60, 7
LONG = "# long:"  # in the body of a function over the limit, followed by the reason
MANY = re.compile("noqa:.*PLR0913")  # on the line of a function with more parameters, with the reason

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> dict[str, str]:
    """All Python files of the project by path."""
    paths = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(paths)}


@cache
def functions() -> list[tuple[str, str, Function]]:
    """Path, source text and node of each function, nested ones included."""
    return [
        (path, ast.get_source_segment(text, node) or "", node)
        for path, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, Function)
    ]


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
    found = {}
    for path, text, node in functions():
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES and LONG not in text:
            found[f"{path}:{node.name}"] = lines
    limited(found, LONG_FUNCTIONS)


def test_functions_have_at_most_seven_parameters() -> None:
    found = {}
    for path, text, node in functions():
        if path.startswith(("tests/", "src/shortlist/cli/")):
            continue  # fixtures are parameters of a test; each option of a command is a parameter
        names = [a.arg for a in chain(node.args.posonlyargs, node.args.args, node.args.kwonlyargs)]
        count = len([name for name in names if name not in {"self", "cls"}])
        if count > PARAMETERS and not MANY.search(text.split('"""')[0]):
            found[f"{path}:{node.name}"] = count
    limited(found, MANY_PARAMETERS)


def test_class_names_are_unique() -> None:
    where = defaultdict(list)
    for path, text in sources().items():
        if path.startswith("src/"):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef):
                    where[node.name].append(path)
    limited({name: len(paths) for name, paths in where.items() if len(paths) > 1}, REPEATED_CLASSES)


@pytest.mark.parametrize("folder", ["src/shortlist", "tests"])
def test_no_module_is_called_utils(folder: str) -> None:
    vague = {"utils", "util", "helpers", "common", "misc"}
    assert not [path for path in (ROOT / folder).rglob("*.py") if Path(path).stem in vague]
