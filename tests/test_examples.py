"""The examples of docstrings run, and the public classes teach in the sections of numpydoc."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import shortlist
from shortlist.retrieve import RETRIEVERS
from support.paths import ROOT

SOURCE = ROOT / "src"
EXAMPLE = re.compile(r"^ *>>> ", re.MULTILINE)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = sorted(
    module_of(path) for path in SOURCE.rglob("*.py") if EXAMPLE.search(path.read_text(encoding="utf-8"))
)
PUBLIC = [
    name
    for name in shortlist.__all__
    if inspect.isclass(getattr(shortlist, name)) and not issubclass(getattr(shortlist, name), Exception)
]


def sections(of: object) -> set[str]:
    return set(re.findall(r"^(\w+)\n-{3,}$", inspect.getdoc(of) or "", re.MULTILINE))


@pytest.mark.usefixtures("quick_training")
@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_run(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs={"shortlist": shortlist}).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_public_classes_have_an_example_and_name_what_they_take_or_hold(name: str) -> None:
    found = sections(getattr(shortlist, name))
    assert "Examples" in found
    assert (
        found & {"Parameters", "Attributes"} or name == "Project"
    )  # each setting has a docstring of its own


@pytest.mark.parametrize("name", RETRIEVERS)
def test_retrievers_name_settings_and_what_they_learn_with_shapes(name: str) -> None:
    kind = RETRIEVERS[name]
    assert {"Parameters", "Attributes", "Examples"} <= sections(kind)
    documentation = inspect.getdoc(kind) or ""
    learned = documentation.partition("Attributes\n----------")[2].partition("\n\n")[0]
    for attribute in kind.arrays:
        assert re.search(rf"\b{attribute}\b", learned), attribute
    assert re.search(r"(float|int|uint)\d+ \(|csr_matrix", learned)
