"""A training that was interrupted goes on: arrays and JSON in one `.npz` file a training, without pickle."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import BundleError

FACTS = "facts"
"""The name of the JSON text among the arrays."""
_FINISHED: ContextVar[list[Path] | None] = ContextVar("finished", default=None)
"""The checkpoints of networks that are trained to the end, while `one_training` lasts."""


@contextmanager
def one_training() -> Iterator[None]:
    """Keep the checkpoints of all networks that are trained inside until all of them are.

    A model may be several networks, trained one after the other. Where a later one is interrupted, the earlier ones are then read and not
    trained again. Inside of another such block, that one decides.
    """
    if _FINISHED.get() is not None:
        yield
        return
    finished: list[Path] = []
    token = _FINISHED.set(finished)
    try:
        yield
    finally:
        _FINISHED.reset(token)
    for file in finished:
        file.unlink(missing_ok=True)


def remove_checkpoint(file: Path) -> None:
    """Remove the checkpoint of a network that is trained to the end, at once or where `one_training` ends."""
    finished = _FINISHED.get()
    if finished is None:
        file.unlink(missing_ok=True)
    else:
        finished.append(file)


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
