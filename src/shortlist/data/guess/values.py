"""Which of several columns is the value of an event, and how that is said."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shortlist.data.guess.columns import ValueColumn, normal
from shortlist.data.guess.events import is_enough
from shortlist.data.guess.value import Meaning, Shape, read_values
from shortlist.data.numbers import read_numbers

DISJOINT = 0.05
"""An answer such as `like` is given with at most this share of the events that were unwanted."""


def pick_value(candidates: list[ValueColumn], kinds: int) -> ValueColumn | None:
    """Return the column that is the value, from the likeliest on; kinds: how many kinds of events there are."""
    wanted = [one for one in candidates if one.wanted and not (kinds > 1 and one.meaning is Meaning.OUTCOME)]
    readings = {one.name: read_values(one.numbers, one.meaning) for one in wanted}

    def is_shape(one: ValueColumn, shape: Shape) -> bool:
        reading = readings[one.name]
        return reading is not None and reading.shape is shape

    varied = [one for one in wanted if not is_shape(one, Shape.CONSTANT)] or wanted
    unwanted = [one for one in candidates if not one.wanted and is_enough(one.true, len(one.numbers))]
    against = max(unwanted, key=lambda one: one.true, default=None)
    if not varied:
        return against
    if varied[0].meaning is Meaning.RATING:
        return varied[0]
    if varied[0].meaning is Meaning.OUTCOME:
        return _furthest([one for one in varied if one.meaning is Meaning.OUTCOME])
    # negative quantities or amounts are returns, whichever of the columns says it
    signed = next((one for one in varied if is_shape(one, Shape.SIGNS)), None)
    if signed is not None or is_shape(varied[0], Shape.SCALE):
        return signed or varied[0]
    return _answer_to(unwanted, varied) or against or varied[0]


def _furthest(outcomes: list[ValueColumn]) -> ValueColumn:
    """Return the first of some outcomes, which are ordered by stage, that is true often enough to be learnt."""
    enough = (one for one in outcomes if is_enough(one.true, len(one.numbers)))
    return next(enough, max(outcomes, key=lambda one: one.true))


def _answer_to(unwanted: list[ValueColumn], wanted: list[ValueColumn]) -> ValueColumn | None:
    """Return the outcome that is hardly ever true where an event was unwanted (`like` beside `hate`): it says more than an amount."""
    if not unwanted:
        return None
    hated = np.any([one.numbers == 1 for one in unwanted], axis=0)
    answers = [
        one
        for one in wanted
        if one.meaning is Meaning.OUTCOME and (one.numbers[hated] == 1).mean() < DISJOINT
    ]
    return max(answers, key=lambda one: one.true, default=None)


def explain_value(value: ValueColumn, outcomes: list[ValueColumn], events: pa.Table) -> list[str]:
    """Say how the column of values was read, and which other columns could have been it."""
    reading = read_numbers(events.column(value.name))
    how = f", read as numbers ({reading.how})" if reading is not None and reading.how else ""
    if reading is not None and reading.unreadable.any():
        how += f"; {int(reading.unreadable.sum()):,} of its values are no numbers and have to be corrected"
    found = read_values(value.numbers, value.meaning)
    what = "" if found is None else f" {found.sentence.partition(':')[0]}"
    if not value.wanted:
        what = " 1 says that the item was not wanted"
    lines = [f"{value.name} is the value of an event:{what}{how}."]
    others = [one.name for one in outcomes if one.wanted]
    if others:
        lines.append(f"These could be the value, too: {', '.join(others)}.")
    against = [one.name for one in outcomes if not one.wanted]
    if against:
        lines.append(
            f"{', '.join(against)}: 1 says that the item was not wanted. This is not used; [[data.derive]] can make it a kind of event, "
            f'with kind = "{normal(against[0])}" and when = "{against[0]}".'
        )
    return lines
