"""Make an attribute from a column of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.data import AttributeKind
from shortlist.data.attributes.arrays import EmbeddingAttribute, NumberAttribute, TimeAttribute
from shortlist.data.attributes.base import Attribute
from shortlist.data.attributes.coded import CategoryAttribute, ListAttribute
from shortlist.data.attributes.text import LinkAttribute, TextAttribute
from shortlist.data.growable import Vocabulary
from shortlist.data.numbers import read_numbers
from shortlist.data.texts import Texts
from shortlist.data.times import to_milliseconds
from shortlist.engines.plain_types import examples_of
from shortlist.errors import DataError


def encode(
    name: str,
    kind: AttributeKind,
    column: pa.Array | pa.ChunkedArray,
    vocabulary: Sequence[str] | None = None,
) -> Attribute:
    """Make an attribute of a kind from a column.

    Parameters
    ----------
    name
        The name of the attribute.
    kind
        One of the seven kinds.
    column
        The values. A list may also be text with "|" between its words, as in "Action|Comedy".
    vocabulary
        For a category or list: words whose codes stay. Other words are appended, in alphabetical order.

    Raises
    ------
    DataError
        The column cannot be of that kind; the message gives example values.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        return ENCODERS[kind](name, array, vocabulary)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"attribute {name!r} cannot be of kind {kind}: the column is {array.type}, e.g. {examples_of(array, 3)} ({error})",
            name,
        ) from None


def _number(name: str, array: pa.Array, _: Sequence[str] | None) -> NumberAttribute:
    reading = read_numbers(array)
    if reading is None:
        raise DataError(f"attribute {name!r} cannot be of kind number: the column is {array.type}", name)
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = reading.numbers.astype(np.float32)
    return NumberAttribute(name, np.where(np.isfinite(values), values, np.float32(np.nan)))


def _time(name: str, array: pa.Array, _: Sequence[str] | None) -> TimeAttribute:
    return TimeAttribute(name, to_milliseconds(array)[0])


def _text(name: str, array: pa.Array, _: Sequence[str] | None) -> TextAttribute:
    return TextAttribute(name, Texts(pc.fill_null(_strings(array), "")))


def _link(name: str, array: pa.Array, _: Sequence[str] | None) -> LinkAttribute:
    return LinkAttribute(name, Texts(pc.fill_null(_strings(array), "")))


def _embedding(name: str, array: pa.Array, _: Sequence[str] | None) -> EmbeddingAttribute:
    """Lists of numbers as float32 (n, d), NaN where there is none; an empty list is none."""
    array = pc.if_else(pc.equal(pc.list_value_length(array), 0), pa.scalar(None, array.type), array)
    sizes = pc.unique(pc.list_value_length(array).drop_null()).to_pylist()
    if len(sizes) != 1 or not sizes[0]:
        raise DataError(
            f"attribute {name!r} cannot be an embedding: its lists have the lengths {sorted(sizes)[:5]}; all must "
            "have the same length",
            name,
        )
    present = _numpy(array.is_valid()).astype(bool)
    values = np.full((len(array), sizes[0]), np.nan, np.float32)
    flat = array.drop_null().flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
    values[present] = flat.reshape(-1, sizes[0])
    values[~np.isfinite(values).all(1)] = np.nan
    return EmbeddingAttribute(name, values)


def _category(name: str, array: pa.Array, vocabulary: Sequence[str] | None) -> CategoryAttribute:
    codes, known = _coded(_strings(array), vocabulary)
    return CategoryAttribute(name, codes, known)


def _list(name: str, array: pa.Array, vocabulary: Sequence[str] | None) -> ListAttribute:
    if not pa.types.is_list(array.type) and not pa.types.is_large_list(array.type):
        # "Action|Comedy": files without a list type write one as text
        array = pc.split_pattern(pc.fill_null(_strings(array), ""), "|")
    array = array.cast(pa.list_(pa.string()))
    array = pc.if_else(array.is_null(), pa.scalar([], pa.list_(pa.string())), array)
    flat, sizes = array.flatten(), _numpy(pc.list_value_length(array)).astype(np.int64)
    owner = np.repeat(np.arange(len(array)), sizes)
    present = _numpy(pc.not_equal(pc.fill_null(flat, ""), "")).astype(bool)
    flat, owner = flat.filter(pa.array(present)), owner[present]
    codes, known = _coded(flat, vocabulary)
    size = max(len(known), 1)
    pairs = np.unique(owner * size + codes)  # ordered by row and code, each word once a row
    counts = np.bincount(pairs // size, minlength=len(array))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ListAttribute(name, indptr, (pairs % size).astype(np.int32), known)


def _coded(words: pa.Array, vocabulary: Sequence[str] | None) -> tuple[NDArray[np.int32], Vocabulary]:
    """The code of each word (null: −1), and the vocabulary with the words that it lacked."""
    encoded = words.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    known = vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary(vocabulary or ())
    known = known.extended(sorted(word for word in distinct if word not in known))
    code_of = np.array([*(known.place(word) for word in distinct), -1], np.int32)
    return code_of[_numpy(pc.fill_null(encoded.indices, len(distinct)))], known


def _strings(array: pa.Array) -> pa.Array:
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _numpy(array: pa.Array, missing: float | None = None) -> NDArray[Any]:
    if missing is not None:
        array = pc.fill_null(array, missing)
    numbers: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return numbers


ENCODERS: dict[AttributeKind, Callable[[str, pa.Array, Sequence[str] | None], Attribute]] = {
    "number": _number,
    "category": _category,
    "list": _list,
    "text": _text,
    "time": _time,
    "embedding": _embedding,
    "link": _link,
}
