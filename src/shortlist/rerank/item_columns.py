"""Columns that are derived from a catalogue once, for conditions that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.attributes import CodedAttribute, NumberAttribute, TextAttribute
from shortlist.data.entities import Entities
from shortlist.rerank.text_search import TextSearch

FEW = 16
"""Words whose rows are marked one word after the other; more are marked at once."""
Vectors = tuple[Any, Any, Any]
"""Points on the unit sphere: x, y and z, each float64 (n,) or one number."""


class ItemColumns:
    """A catalogue with columns derived from it. Computing one twice in two threads is harmless.

    Parameters
    ----------
    items
        The catalogue, which does not change.
    """

    def __init__(self, items: Entities) -> None:
        self.items = items
        self._places: dict[tuple[str, str], Vectors] = {}
        self._texts: dict[str, pa.Array] = {}
        self._searches: dict[str, TextSearch] = {}
        self._rows_of: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}

    def having(
        self, attribute: CodedAttribute, codes: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return which items have at least one of some words (codes; −1: none), bool (n,).

        The rows of each word are listed once a catalogue, so that a search costs as much as it finds.
        """
        found = self._rows_of.get(attribute.name)
        if found is None:
            by_word = attribute.matrix().tocsc()
            found = self._rows_of[attribute.name] = by_word.indptr, by_word.indices
        bounds, rows = found
        mask = np.zeros(len(attribute), bool)
        wanted = np.asarray(codes, np.int64)
        if len(wanted) <= FEW:
            for code in wanted[wanted >= 0].tolist():
                mask[rows[bounds[code] : bounds[code + 1]]] = True
            return mask
        low = bounds[wanted[wanted >= 0]].astype(np.int64)
        counts = bounds[wanted[wanted >= 0] + 1] - low
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        mask[rows[np.arange(total) + np.repeat(low - ends + counts, counts)]] = True
        return mask

    def words_containing(self, attribute: CodedAttribute, text: str) -> NDArray[np.int64]:
        """Return the codes of the words of an attribute that contain a text, without regard to case."""
        found = self._searches.get(attribute.name)
        if found is None:
            found = self._searches[attribute.name] = TextSearch(
                pa.array(list(attribute.vocabulary), pa.string())
            )
        return np.flatnonzero(found.containing(text))

    def places(self, lat: str, lon: str) -> Vectors:
        """Return the places of items, by their attributes of latitude and longitude in degrees."""
        found = self._places.get((lat, lon))
        if found is None:
            columns = (self.items.attribute(name, NumberAttribute).values for name in (lat, lon))
            found = self._places[lat, lon] = unit_vectors(*columns)
        return found

    def texts(self, name: str) -> pa.Array:
        """Return a text attribute, or the titles, as Arrow: without a copy where no text was changed or added."""
        found = self._texts.get(name)
        if found is None:
            attribute = self.items.attributes.get(name)
            texts = attribute.text if isinstance(attribute, TextAttribute) else self.items.titles
            found = self._texts[name] = texts.to_arrow()
        return found

    def search(self, name: str) -> TextSearch:
        """Return what searches a text attribute, or the titles."""
        found = self._searches.get(name)
        if found is None:
            found = self._searches[name] = TextSearch(self.texts(name))
        return found


def unit_vectors(lat: NDArray[Any] | float, lon: NDArray[Any] | float) -> Vectors:
    """Return places as points on the unit sphere; NaN where latitude or longitude is unknown or no degree of the globe.

    Parameters
    ----------
    lat, lon
        Degrees: −90 to 90 and −180 to 360.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    valid = (np.abs(lat) <= 90) & (lon >= -180) & (lon <= 360)
    phi, theta = np.radians(np.where(valid, lat, np.nan)), np.radians(lon)
    return np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)
