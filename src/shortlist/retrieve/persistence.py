"""A fitted retriever as a folder: its arrays as `.npy` files, its configuration as JSON; never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.mapped import load_arrays, release_pages, save_arrays
from shortlist.errors import BundleError

Learned: TypeAlias = Any
"""A learned value: an `NDArray` or a `scipy.sparse.csr_matrix`, which has no type information."""


def write_arrays(folder: Path, learned: Mapping[str, Learned]) -> None:
    """Write arrays by name; a sparse matrix as its three arrays and its shape."""
    flat: dict[str, NDArray[Any]] = {}
    for name, value in learned.items():
        if sp.issparse(value):
            flat[f"{name}.data"] = value.data
            flat[f"{name}.indices"] = value.indices
            flat[f"{name}.indptr"] = value.indptr
            flat[f"{name}.shape"] = np.array(value.shape)
        else:
            flat[name] = value
    save_arrays(folder, flat)


def read_arrays(folder: Path, names: list[str]) -> dict[str, Learned]:
    """Read arrays that `write_arrays` wrote; large ones are mapped into memory.

    Raises
    ------
    BundleError
        Where an array is missing.
    """
    arrays = load_arrays(folder)
    try:
        return {name: _restore(name, arrays) for name in names}
    except KeyError as error:
        raise BundleError(f"{folder}: the array {error.args[0]!r} is missing") from None


def _restore(name: str, arrays: Mapping[str, NDArray[Any]]) -> Learned:
    if f"{name}.data" not in arrays:
        return arrays[name]
    parts = (arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"])
    matrix = sp.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"]))
    matrix.check_format(full_check=True)  # kernels follow the indices without checking them
    release_pages(parts[1])
    return matrix


def read_meta(folder: Path) -> dict[str, Any]:
    """Read `model.json`.

    Raises
    ------
    BundleError
        Where the folder holds no model.
    """
    path = folder / "model.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        if (
            not isinstance(meta, dict)
            or not isinstance(meta["model"], str)
            or not isinstance(meta["config"], dict)
        ):
            raise ValueError("model and config are expected")  # noqa: TRY301, TRY004 - reported below like other damage
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise BundleError(f"{folder} holds no retriever: {path.name}: {error}") from None
    return meta


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write `model.json`."""
    (folder / "model.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
