"""Features of your own: a Python function on Arrow columns, one value a candidate.

    @shortlist.feature("discount")
    def discount(price, usual_price):                  # one Arrow array an input, in the order of `inputs`
        return pc.subtract(1, pc.divide(price, usual_price))

    [[features]]
    name = "discount"
    kind = "custom"
    function = "discount"
    inputs = ["item.price", "item.usual_price"]        # attributes, or other features by name

The function is called once for all candidates of a batch, in training and when serving alike, and must answer each row
from that row alone. A bundle names the function and never holds it: loading a bundle runs no code, so the program that
loads it registers the function first (`--functions features.py` on the command line).
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.errors import DataError, ProjectError

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def feature(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under the name that project files use."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = function
        return function

    return register


def load_functions(path: Path) -> None:
    """Run a Python file that registers functions. Only ever called with a file the user named."""
    if not path.is_file():
        raise ProjectError(f"{path}: no such file; --functions names a Python file that registers features")
    runpy.run_path(str(path), run_name="shortlist_functions")


def check_function(name: str) -> str | None:
    """What is wrong with a function's name, or None."""
    if name in FUNCTIONS:
        return None
    return (
        f"no function is registered as {name!r} (there are: {', '.join(FUNCTIONS) or 'none'}); register it with "
        f'@shortlist.feature("{name}") before, or name its file with --functions'
    )


def call(name: str, function: str, inputs: list[pa.Array], rows: int) -> np.ndarray:
    """The function's answer as float64 (rows,). Raises `DataError` where it is not one number a row."""
    try:
        answer = FUNCTIONS[function](*inputs)
    except Exception as error:
        raise DataError(
            f"features.{name}: the function {function!r} failed: {type(error).__name__}: {error}", field=name
        ) from error
    if isinstance(answer, pa.ChunkedArray):
        answer = answer.combine_chunks()
    if isinstance(answer, pa.Array):
        answer = answer.cast(pa.float64()).to_numpy(zero_copy_only=False)
    values = np.asarray(answer, np.float64)
    if values.shape != (rows,):
        raise DataError(
            f"features.{name}: the function {function!r} must answer one number a row ({rows:,}) and answered "
            f"the shape {values.shape}",
            field=name,
        )
    return values
