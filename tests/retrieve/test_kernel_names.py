"""Code of compiled kernels has names of its own, because kernels from the cache are linked by name."""

from __future__ import annotations

import ast
from pathlib import Path

from support.paths import ROOT

SOURCE = ROOT / "src" / "shortlist"


def compiled_calls(path: Path) -> list[ast.Call]:
    """Return the calls in the functions of a file that Numba compiles."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list)
    ]
    return [node for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)]


def test_kernels_do_not_argsort_by_quicksort() -> None:
    """Numba gives the quicksort of `np.argsort` the name of that of `np.sort`: one kernel would run with the other's code."""
    calls = [(path, call) for path in SOURCE.rglob("*.py") for call in compiled_calls(path)]
    sorts = [(path, call) for path, call in calls if ast.unparse(call.func) in {"np.sort", "np.argsort"}]
    assert len(sorts) > 3
    for path, call in sorts:
        if ast.unparse(call.func) == "np.argsort":
            kinds = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "kind"]
            assert kinds == ["'mergesort'"], f"{path}:{call.lineno}"
