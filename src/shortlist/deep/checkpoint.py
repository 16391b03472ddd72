"""A training that was interrupted goes on: arrays and JSON in one `.npz` file a training, without pickle."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import BundleError

FACTS = "facts"
"""The name of the JSON text among the arrays."""


def fingerprint(settings: Mapping[str, Any], arrays: list[NDArray[Any]]) -> str:
    """Return the digest of the settings and data of a training."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def write_checkpoint(file: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint; a reader sees the one before or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.{os.getpid()}.part.npz")
    np.savez(part, allow_pickle=False, **arrays, **{FACTS: np.array(json.dumps(facts))})
    part.replace(file)


def read_checkpoint(file: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Return arrays and facts of a checkpoint; None where there is none.

    Raises
    ------
    BundleError
        Where the file is damaged.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return arrays, json.loads(str(arrays.pop(FACTS)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{file}: the checkpoint cannot be read: {error}; delete it to train from the start"
        ) from None
