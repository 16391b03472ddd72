"""Arrow types that differ in how values are stored, and not in what they are, as one plain type.

The same column is `string` from a file, `large_string` from pandas, `string_view` from Polars, and a dictionary where it is
categorical. Everything after the reading of a table sees the plain type.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.errors import DataError


def plain_table(table: pa.Table, source: str) -> pa.Table:
    """Return a table whose columns have plain types.

    Dictionaries and run-end encodings are decoded. Strings, binaries and lists of every kind become string, binary and list;
    extension types become their storage, and UUIDs texts. Values stay as they are.

    Parameters
    ----------
    table
        The table.
    source
        What to call it in an error.

    Raises
    ------
    DataError
        Two columns have the same name, or a column is damaged.
    """
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"{source}: there are {names.count(twice)} columns {twice!r}; rename or remove all but one",
            field=twice,
        )
    for at, field in enumerate(table.schema):
        if is_plain(field.type):
            continue
        try:
            column = _plain_column(table.column(at))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise DataError(
                f"{source}: {field.name}: a column of type {field.type} cannot be read ({error})",
                field=field.name,
            ) from None
        table = table.set_column(at, field.name, column)
    return table


def shown(value: pa.Scalar) -> Any:
    """Return a value as Python has it; a moment that Python has no type for, such as `infinity` of a database, as its number."""
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return f"{getattr(value, 'value', 'a value')} ({value.type})"


def examples_of(array: pa.Array, count: int = 2) -> str:
    """Return a few values of an array, for a message."""
    return ", ".join(repr(shown(value)) for value in array.drop_null().slice(0, count))


def is_plain(kind: pa.DataType) -> bool:
    """Return whether a type is the plain one of those that hold the same values."""
    types = pa.types
    if types.is_list(kind):
        return is_plain(kind.value_type)
    return not (
        types.is_dictionary(kind)
        or types.is_run_end_encoded(kind)
        or types.is_string_view(kind)
        or types.is_large_string(kind)
        or types.is_binary_view(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_float16(kind)
        or (types.is_decimal(kind) and kind.scale < 0)
        or _is_list(kind)
        or isinstance(kind, pa.BaseExtensionType)
    )


def _is_list(kind: pa.DataType) -> bool:
    """Return whether a type is one of lists, other than the plain one."""
    types = pa.types
    return bool(
        types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = [plain for chunk in column.chunks for plain in _chunks(chunk)]
    return pa.chunked_array(chunks or [plain_array(pa.array([], column.type))])


def _chunks(array: pa.Array) -> list[pa.Array]:
    """The plain form of an array; in parts where its texts take more than the 2 GB of one array of strings."""
    try:
        return [plain_array(array)]
    except pa.ArrowInvalid:
        if len(array) < 2:
            raise
        middle = len(array) // 2
        return [*_chunks(array.slice(0, middle)), *_chunks(array.slice(middle))]


def plain_array(array: pa.Array) -> pa.Array:
    """Return an array with its plain type."""
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        words = plain_array(array.dictionary)  # Arrow cannot decode a dictionary of views
        return pa.DictionaryArray.from_arrays(array.indices, words).dictionary_decode()
    if types.is_run_end_encoded(kind):
        return plain_array(pc.run_end_decode(array))
    if isinstance(kind, pa.BaseExtensionType):
        storage = plain_array(array.storage)
        return _texts_of_uuids(storage) if kind.extension_name == "arrow.uuid" else storage
    if types.is_string_view(kind) or types.is_large_string(kind):
        return array.cast(pa.string())
    if types.is_binary_view(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return array.cast(pa.binary())
    if types.is_float16(kind):
        return array.cast(pa.float32())
    if types.is_decimal(kind) and kind.scale < 0:
        return array.cast(pa.decimal256(76, 0))  # most functions know no negative scale
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return plain_array(_list_of_view(array))
    if _is_list(kind):
        return plain_array(array.cast(pa.list_(kind.value_type)))
    if types.is_list(kind) and not is_plain(kind.value_type):
        whole = pa.concat_arrays(
            [array]
        )  # a copy: an array that is part of another has offsets that do not begin at 0
        offsets, values = whole.offsets, plain_array(whole.values)
        return pa.ListArray.from_arrays(offsets, values, mask=whole.is_null())
    return array


def _list_of_view(array: pa.Array) -> pa.Array:
    """Lists that name their place and size as lists one after the other. Arrow's own cast empties lists after a null."""
    sizes = np.where(np.asarray(array.is_null()), 0, array.sizes.to_numpy(zero_copy_only=False))
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, array.flatten(), mask=array.is_null())


def _texts_of_uuids(storage: pa.Array) -> pa.Array:
    return pa.array(
        [None if value is None else str(UUID(bytes=value)) for value in storage.to_pylist()], pa.string()
    )
