"""Custom features: registered Python functions on Arrow columns."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.errors import DataError, ProjectError, suggestion

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Name → registered function."""


def feature(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a custom feature.

    The function is called once for all candidates of a batch, in training and in serving. It receives one Arrow array an
    input, in the order of `inputs`, and returns one number a row. Each row must be computed from that row alone.

    A bundle contains the name of the function, never its code: loading a bundle runs no code. The program that loads a
    bundle registers the function first (`--functions features.py` on the command line).

    Parameters
    ----------
    name
        The name that project files use.

    Examples
    --------
    >>> import pyarrow.compute as pc
    >>> @feature("discount")
    ... def discount(price, usual_price):
    ...     return pc.subtract(1, pc.divide(price, usual_price))

    In the project file:

        [[features]]
        name = "discount"
        kind = "custom"
        function = "discount"
        inputs = ["item.price", "item.usual_price"]        # attributes, or other features by name
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = function
        return function

    return register


def load_functions(path: Path) -> None:
    """Run a Python file that registers functions. Call it only with a file that the user names."""
    if not path.is_file():
        raise ProjectError(f"{path}: no such file; --functions names a Python file that registers features")
    runpy.run_path(str(path), run_name="shortlist_functions")


def check_function(name: str) -> str | None:
    """Return an error message if no function of this name is registered."""
    if name in FUNCTIONS:
        return None
    return (
        f"no function is registered as {name!r}{suggestion(name, FUNCTIONS)} (registered: {', '.join(FUNCTIONS) or 'none'}); "
        f'register it with @shortlist.feature("{name}"), or name its file with --functions'
    )


def call_function(name: str, function: str, inputs: list[pa.Array], rows: int) -> NDArray[np.float64]:
    """Call a registered function.

    Parameters
    ----------
    name
        Name of the feature, for errors.
    function
        Registered name of the function.
    inputs
        Its arguments.
    rows
        Number of rows of the result.

    Raises
    ------
    DataError
        If the function fails, or does not return one number a row.
    """
    try:
        values = FUNCTIONS[function](*inputs)
    except Exception as error:
        raise DataError(
            f"features.{name}: the function {function!r} failed: {type(error).__name__}: {error}", field=name
        ) from error
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        values = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    array = np.asarray(values, np.float64)
    if array.shape != (rows,):
        raise DataError(
            f"features.{name}: the function {function!r} must return one number a row ({rows:,}), but returned the shape "
            f"{array.shape}",
            field=name,
        )
    return array
