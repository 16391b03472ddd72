"""The interface of encoders, and an encoder that is a function."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import ProjectError, import_extra

EncodeFunction = Callable[[Sequence[str]], Any]
"""Makes vectors, float32 (n, d), of n texts."""


class Encoder(ABC):
    """Makes a vector of each of some texts: that of similar meanings in similar directions.

    A subclass implements `encode`, and is registered with `shortlist.register_encoder`. It reads its weights when it is
    constructed, from local files, and never from a network. The vector of a text must not depend on the other texts of a call:
    the items of the training are encoded many at a time, and one that changes later alone.

    Parameters
    ----------
    folder
        The folder with the weights (`path` of the project, or the copy in a bundle); None where there is none.
    options
        The settings of the encoder (`options` of the project).

    Raises
    ------
    ProjectError
        From the constructor, where the weights are missing or cannot be read.
    MissingExtraError
        From the constructor, where a library is missing.

    Examples
    --------
    >>> class Lengths(Encoder):
    ...     def encode(self, texts):
    ...         return np.array([[len(text), text.count(" ")] for text in texts], np.float32)
    >>> Lengths(None, {}).encode(["a red shoe"]).tolist()
    [[10.0, 2.0]]
    """

    name: ClassVar[str] = ""
    """The name of the encoder in `shortlist.toml`."""
    version: ClassVar[str] = ""
    """Changes where the code changes so that texts get other vectors; a bundle refuses an encoder of another version."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Modules of the extra `text` that the encoder uses."""
    weights: ClassVar[tuple[str, ...]] = ()
    """Files that the folder must have."""
    weights_from: ClassVar[str] = ""
    """How to get the files, for the message where they are missing."""

    def __init__(self, folder: Path | None, options: Mapping[str, Any]) -> None:
        self.folder, self.options = folder, dict(options)
        for module in self.needs:
            import_extra(module, "text")
        if self.weights and folder is None:
            raise ProjectError(f"path: {self._wants()}", field="path")
        if folder is not None and not folder.is_dir():
            raise ProjectError(
                f"path: {folder}: no such folder; nothing is fetched. {self._wants()}", field="path"
            )
        missing = [name for name in self.weights if folder is not None and not (folder / name).is_file()]
        if missing:
            raise ProjectError(f"path: {folder} has no {', '.join(missing)}; {self._wants()}", field="path")

    def _wants(self) -> str:
        if not self.weights:
            return f"{self.name} reads its weights from a local folder"
        return (
            f"{self.name} reads {', '.join(self.weights)} from a local folder. {self.weights_from}".rstrip()
        )

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of n texts, float32 (n, d); a row of NaN where a text has no vector."""

    def files(self) -> list[Path]:
        """Return the files of the weights, which a bundle contains: those of `weights`, or else all of the folder."""
        if self.folder is None:
            return []
        if self.weights:
            return [self.folder / name for name in self.weights]
        return sorted(file for file in self.folder.rglob("*") if file.is_file())

    def fingerprint(self) -> str:
        """Return the SHA-256 of name, version, options and weights, hexadecimal: equal encoders make equal vectors."""
        total = hashlib.sha256(json.dumps([self.name, self.version, self.options], sort_keys=True).encode())
        for file in self.files():
            assert self.folder is not None
            total.update(file.relative_to(self.folder).as_posix().encode())
            with file.open("rb") as handle:
                total.update(hashlib.file_digest(handle, "sha256").digest())
        return total.hexdigest()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # nothing of it changes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.folder})"


class FunctionEncoder(Encoder):
    """An encoder that is one function of texts, without weights of its own."""

    function: ClassVar[EncodeFunction]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Call the function."""
        return np.asarray(type(self).function(texts), np.float32)
