"""Every benchmark script can be imported with the packages of the project; scripts of peers must compile."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = sorted(
    str(path.relative_to(BENCHMARKS).with_suffix(""))
    for path in (*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("real/*.py"))
)
ROOTS = {"shortlist", "support"}
PEERS = {"peer_serve", "peers_counterfactual", "peers_evaluate", "peers_retrieve", "peers_sasrec"}
"""Scripts that run in an environment of their own."""


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in PEERS])
def test_script_is_importable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = BENCHMARKS / f"{name}.py"
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)


@pytest.mark.parametrize("name", SCRIPTS)
def test_imports_of_the_project_resolve(name: str) -> None:
    """Imports inside functions are checked, too: they are not executed by importing the script."""
    for module, imported in _project_imports(BENCHMARKS / f"{name}.py"):
        found = importlib.import_module(module)
        for attribute in imported:
            assert hasattr(found, attribute) or importlib.util.find_spec(f"{module}.{attribute}"), (
                f"{name}.py imports {attribute} from {module}"
            )


def _project_imports(path: Path) -> list[tuple[str, list[str]]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ROOTS:
            found.append((node.module or "", [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names if alias.name.partition(".")[0] in ROOTS]
    return found
