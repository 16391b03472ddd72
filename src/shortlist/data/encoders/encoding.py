"""An embedding that an encoder makes of other attributes of an item: computed in one place, at training and for changes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.data import TableSettings
from shortlist.config.validate import Place
from shortlist.data.attributes import Attribute, EmbeddingAttribute
from shortlist.data.encoders.base import Encoder
from shortlist.data.encoders.registry import ENCODERS
from shortlist.errors import BundleError, DataError, MissingExtraError, ProjectError

BLOCK = 1_024
"""Texts that are given to an encoder at once."""


@dataclass(frozen=True)
class Encoding:
    """The source of the embedding `name` of items: the texts that are read, and the encoder.

    Attributes
    ----------
    name
        The embedding attribute.
    texts
        The attributes that are read, in this order; "" stands for the title.
    encoder
        Makes the vectors.
    """

    name: str
    texts: tuple[str, ...]
    encoder: Encoder

    @classmethod
    def of_settings(cls, settings: TableSettings, where: Place) -> tuple[Encoding, ...]:
        """Make the encodings that a project declares, and read their weights.

        Raises
        ------
        ProjectError
            There is no such encoder, or its weights or options are missing or wrong. Names file, line and setting.
        MissingExtraError
            A library is missing.
        """
        found = []
        for name, one in settings.encode.items():
            field = f"items.encode.{name}"
            encoder = ENCODERS.find(one.encoder, lambda at: f"{where(at)}{at}: ", f"{field}.encoder")
            try:
                made = encoder(Path(one.path) if one.path else None, one.options)
            except ProjectError as error:
                at = f"{field}.{error.field or 'encoder'}"
                message = error.message.removeprefix(f"{error.field}: ")
                raise ProjectError(f"{where(at)}{at}: {message}", field=at) from error
            texts = tuple("" if text == settings.title else text for text in one.texts)
            found.append(cls(name, texts, made))
        return tuple(found)

    def reads(self, title: bool, attributes: Mapping[str, Any]) -> bool:
        """Return whether a change of these attributes, or of the title, changes the vector."""
        return (title and "" in self.texts) or any(name in attributes for name in self.texts)

    def values(
        self,
        titles: Sequence[str],
        attributes: Mapping[str, Attribute],
        rows: Sequence[int],
        length: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the vectors of some rows.

        Parameters
        ----------
        titles
            The title of each of the rows; empty where it says nothing.
        attributes
            The attributes of all items.
        rows
            The rows.
        length
            The length that the vectors must have; None at training.

        Returns
        -------
        NDArray
            float32 (rows, d), NaN where nothing is known that could be encoded.

        Raises
        ------
        DataError
            The encoder failed, or its vectors are of another shape.
        """
        texts = [self._text(title, attributes, row) for title, row in zip(titles, rows, strict=True)]
        known = [at for at, text in enumerate(texts) if text]
        if not known and length is None:
            raise DataError(
                f"the embedding {self.name!r} cannot be made: no item has {self._sources()}", field=self.name
            )
        found = None if length is None else np.full((len(rows), length), np.nan, np.float32)
        for start in range(0, len(known), BLOCK):
            block = known[start : start + BLOCK]
            vectors = self._encoded([texts[at] for at in block])
            if found is None:
                found = np.full((len(rows), vectors.shape[1]), np.nan, np.float32)
            if vectors.shape[1] != found.shape[1]:
                raise self._fault(f"vectors of {vectors.shape[1]} numbers, and there are {found.shape[1]}")
            found[block] = vectors
        assert found is not None
        found[~np.isfinite(found).all(axis=1)] = np.nan
        return found

    def _text(self, title: str, attributes: Mapping[str, Attribute], row: int) -> str:
        """Return what is known of a row in one text, a line for each attribute."""
        parts = [attributes[name].show(row) if name else title for name in self.texts]
        lines = [", ".join(part) if isinstance(part, list) else str(part or "").strip() for part in parts]
        return "\n".join(line for line in lines if line)

    def _encoded(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            vectors = np.asarray(self.encoder.encode(texts), np.float32)
        except MissingExtraError:
            raise
        except Exception as error:
            raise self._fault(f"an error: {type(error).__name__}: {error}") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            raise self._fault(
                f"an array of shape {vectors.shape} for {len(texts)} texts, not ({len(texts)}, d)"
            )
        return vectors

    def _fault(self, what: str) -> DataError:
        message = f"the encoder {self.encoder.name!r} of the embedding {self.name!r} returned {what}"
        return DataError(message, field=self.name)

    def _sources(self) -> str:
        return ", ".join(name or "a title" for name in self.texts)

    def refusal(self) -> str:
        """Return why a change cannot give the vector itself, and what to do."""
        return f"it is made of {self._sources()} by the encoder {self.encoder.name!r}; change those"

    # ---------------------------------------------------------------- bundles

    def save(self, folder: Path) -> dict[str, Any]:
        """Copy the weights into a folder, and return what describes the encoding.

        Raises
        ------
        BundleError
            The weights are not those that were read: the files were replaced.
        """
        encoder = self.encoder
        for file in encoder.files():
            assert encoder.folder is not None
            target = folder / file.relative_to(encoder.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return {
            "name": self.name,
            "texts": list(self.texts),
            "encoder": encoder.name,
            "options": encoder.options,
            "weights": self.encoder.fingerprint(),
            "folder": encoder.folder is not None,
        }

    @classmethod
    def load(cls, meta: Mapping[str, Any], folder: Path, attributes: Mapping[str, Attribute]) -> Encoding:
        """Read an encoding that `save` wrote.

        Raises
        ------
        BundleError
            The encoder is not registered, or it is another one than that of the training.
        """
        name, texts = str(meta["name"]), tuple(str(text) for text in meta["texts"])
        if not isinstance(attributes.get(name), EmbeddingAttribute) or not set(texts) <= {"", *attributes}:
            raise BundleError(
                f"{folder}: the encoding {name!r} does not belong to the attributes of the items"
            )
        own = folder if meta["folder"] else None
        try:
            return cls._again(
                name, texts, str(meta["encoder"]), own, dict(meta["options"]), str(meta["weights"])
            )
        except BundleError as error:
            raise BundleError(f"{folder}: {error.message}") from error

    @classmethod
    def _again(
        cls,
        name: str,
        texts: tuple[str, ...],
        encoder: str,
        folder: Path | None,
        options: Mapping[str, Any],
        weights: str,
    ) -> Encoding:
        """Make an encoding again. weights: the fingerprint that its encoder must have. Raises `BundleError`."""
        if encoder not in ENCODERS:
            raise BundleError(
                f"the embedding {name!r} was made by the encoder {encoder!r}, which is not registered; install the package that "
                f"announces it in the entry-point group {ENCODERS.group!r}, or import the module that calls "
                f"register_encoder({encoder!r})"
            )
        try:
            made = ENCODERS[encoder](folder, options)
        except ProjectError as error:
            raise BundleError(f"the encoder of the embedding {name!r}: {error.message}") from error
        if made.fingerprint() != weights:
            raise BundleError(
                f"the embedding {name!r} was made by another encoder than the {encoder!r} that is here (its version, options or "
                "weights differ), so that vectors of changed items would not fit; install the one of the training, or train again"
            )
        return cls(name, texts, made)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the description; the weights are read again from their files, and must be the same."""
        one = self.encoder
        parts = (self.name, self.texts, one.name, one.folder, one.options, one.fingerprint())
        return Encoding._again, parts
