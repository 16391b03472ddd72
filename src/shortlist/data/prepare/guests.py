"""Ids of users: guests have that of their order, and ids that were written as numbers with a fraction are whole again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.data import DataSettings
from shortlist.data.check import Check
from shortlist.data.event_columns import examples, flat
from shortlist.data.id_columns import read_ids, read_keys
from shortlist.data.numbers import is_text
from shortlist.errors import DataError

GUEST = "guest-"
"""The beginning of the id of a guest; the number of the order follows."""
_WHOLE = r"^\s*-?\d+\.0+\s*$"


def plain_ids(events: pa.Table, names: list[str], file: str, check: Check) -> pa.Table:
    """Read ids that were written as 17850.0 as 17850. Other texts of the column are an error."""
    for name in names:
        column = flat(events.column(name))
        if not is_text(column.type):
            continue  # numbers of 64 bits are read as whole ones in any case
        given = pc.utf8_trim_whitespace(column)
        given = pc.if_else(pc.equal(given, ""), pa.scalar(None, pa.string()), given)
        written = pc.or_(pc.match_substring_regex(given, _WHOLE), pc.match_substring_regex(given, r"^-?\d+$"))
        wrong = ~pc.fill_null(written, True).to_numpy(zero_copy_only=False).astype(bool)
        if wrong.any():
            what = "data.whole_ids says that the ids are whole numbers, perhaps written with .0"
            shown = examples(events, wrong, [name])
            check.add_error(
                file,
                name,
                what,
                "Correct the export, or remove the column from data.whole_ids",
                count=int(wrong.sum()),
                examples=shown,
            )
            continue
        whole = pc.replace_substring_regex(given, r"\.0+$", "").cast(pa.int64())
        events = events.set_column(events.column_names.index(name), name, whole)
        check.note(f"{file}: {name}: ids such as {_first(given)} are read as {_first(whole)}")
    check.raise_errors()
    return events


def _first(column: pa.Array) -> object:
    present = column.drop_null()
    return present[0].as_py() if len(present) else "none"


def with_guests(events: pa.Table, data: DataSettings, file: str, check: Check) -> pa.Table:
    """Give rows without a user the id of a guest, which the number of their order makes, and count them.

    Raises
    ------
    DataError
        The ids of users are whole numbers, and the project does not make them texts.
    """
    name, order = data.columns.user, str(data.guests)
    reading = read_ids(events.column(name), f"{file}: {name}", as_text=data.user_ids == "text")
    if pa.types.is_integer(reading.ids.type):
        raise DataError(
            f"{file}: {name}: the ids are whole numbers, and those of guests are texts (data.guests); "
            'add user_ids = "text" to [data]',
            field="data.user_ids",
        )
    check.note(*reading.notes)
    empty = pc.or_(reading.ids.is_null(), pc.is_in(reading.ids, value_set=pa.array(["", *data.guest_ids])))
    numbers = read_keys(events.column(order), f"{file}: {order}", check.notes).cast(pa.string())
    guest = pc.and_(empty, numbers.is_valid())
    ids = pc.if_else(guest, pc.binary_join_element_wise(GUEST, pc.fill_null(numbers, ""), ""), reading.ids)
    rows = int(pc.sum(guest).as_py() or 0)
    if rows:
        orders = int(pc.count_distinct(numbers.filter(guest)).as_py())
        example = ids[int(np.flatnonzero(guest.to_numpy(zero_copy_only=False))[0])].as_py()
        check.note(
            f"{file}: {rows:,} rows without {name} belong to {orders:,} guests, one for each {order}, such as {example}"
        )
    return events.set_column(events.column_names.index(name), name, ids)
