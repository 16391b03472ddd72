"""How the text dates of a column are written, as a format of strptime."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.date_texts import ISO, NUMERIC, formats_of, missing_texts, read_dates, read_format
from shortlist.data.no_time import NO_TIME

NAMED_DATES = (
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d.%b.%Y",
    "%b %d %Y",
    "%a, %d %b %Y",
    "%a %b %d %Y",
)
CLOCKS = (
    "",
    " %H:%M:%S",
    " %H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    ", %I:%M:%S %p",
    ", %I:%M %p",
    ", %H:%M",
    " %H:%M:%S %z",
)
"""Ways to write a date with the name of a month, and the time of day after it."""


@dataclass(frozen=True)
class FoundFormat:
    """A format, and why it is that one."""

    form: str
    why: str


def find_format(column: pa.Array, name: str) -> FoundFormat | None:
    """Return the format of dates of two numbers and a year, if all have one; None for ISO dates and all others.

    The order of day and month is the one in which some date could not be another one; where none decides it, the one in which the
    rows are in order of time.
    """
    texts = pc.utf8_trim_whitespace(column.filter(pa.array(~missing_texts(column))))
    if not len(texts) or pc.any(pc.match_substring_regex(texts, ISO)).as_py():
        return None
    forms = {order: form for order in ("dm", "md") if (form := _form(texts[0].as_py(), order)) is not None}
    if not forms:
        return _named(texts, name)
    read = {order: read_format(texts, form) for order, form in forms.items()}
    whole = [order for order, times in read.items() if not (times == NO_TIME).any()]
    plain = read_dates(texts)
    if len(whole) == 1 or not plain.fault:
        order = next((one for one in whole if (read[one] == plain.times).all()), None)
        if order is None:
            return None
        why = "a number above 12 says" if len(whole) == 1 else "the way in which they are written says"
        first = "the day" if order == "dm" else "the month"
        return FoundFormat(
            forms[order],
            f"{name} is written as {forms[order]}: {why} that {first} comes first (data.time_format).",
        )
    if len(whole) != 2:
        return None
    # no date decides: exports are in order of time, or in reverse
    steps = {order: np.diff(read[order]) for order in whole}
    sorted_ = [
        order
        for order in whole
        if len(texts) > 2 and ((steps[order] >= 0).all() or (steps[order] <= 0).all())
    ]
    if len(sorted_) == 1:
        first = "day" if sorted_[0] == "dm" else "month"
        why = f"{name}: no date says whether the day or the month comes first; with the {first} first, the rows are in order of time (data.time_format)."
        return FoundFormat(forms[sorted_[0]], why)
    return None


def _named(texts: pa.Array, name: str) -> FoundFormat | None:
    """Return the format of dates with the name of a month."""
    forms = [date + clock for date in NAMED_DATES for clock in CLOCKS]
    for form in formats_of(texts[0].as_py(), forms):
        if not (read_format(texts, form) == NO_TIME).any():
            return FoundFormat(form, f"{name} is written as {form} (data.time_format).")
    return None


def _form(text: str, order: str) -> str | None:
    """Return the format of one date."""
    parts = re.fullmatch(NUMERIC, text)
    if parts is None or parts["f"] or parts["z"]:
        return None
    sign = parts["s"]
    day, month = ("%d", "%m") if order == "dm" else ("%m", "%d")
    form = f"{day}{sign}{month}{sign}{'%Y' if len(parts['c']) == 4 else '%y'}"
    if parts["h"] is None:
        return form
    between = text[parts.end("c") : parts.start("h")]
    hours = "%I" if parts["p"] else "%H"
    seconds = ":%S" if parts["x"] else ""
    form = f"{form}{between}{hours}:%M{seconds}"
    if parts["p"]:
        space = " " if text[parts.start("p") - 1] == " " else ""
        form += f"{space}%p"
    return form
