"""Typed expressions evaluated over a catalogue: one array operation a node.

Words are compared as codes of a vocabulary, so that a text is looked up once and not once an item. A comparison with an
unknown value is false, and `not` of it is therefore true.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.attributes import (
    CategoryAttribute,
    CodedAttribute,
    NumberAttribute,
    TextAttribute,
    TimeAttribute,
)
from shortlist.data.no_time import NO_TIME
from shortlist.expressions.typed import (
    Amount,
    AmountIn,
    Both,
    Calculated,
    Compared,
    Condition,
    Contains,
    Distance,
    Either,
    Field,
    Known,
    Negated,
    Now,
    Quantity,
    SharesWord,
    Words,
)
from shortlist.expressions.units import EARTH_RADIUS
from shortlist.rerank.great_circle import arcs_of, squared_chords_to
from shortlist.rerank.item_columns import ItemColumns, unit_vectors
from shortlist.rerank.request_values import RequestValues

Mask = NDArray[np.bool_] | bool
"""bool (items,), or one truth value where it is the same for all items."""
Numbers = NDArray[Any] | float
"""float (items,), NaN where unknown, or one number for all items."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip
_CALCULATE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip


class Evaluation:
    """Evaluates expressions for one request.

    Parameters
    ----------
    columns
        The catalogue, with the columns that are derived from it.
    given
        What the expressions read of the request: (scope, name) → value.
    constant
        Returns the mask of a condition that reads nothing of the request, from a cache (default: computes it).
    """

    def __init__(
        self,
        columns: ItemColumns,
        given: RequestValues,
        constant: Callable[[Condition], Mask] | None = None,
    ) -> None:
        self.columns, self.items, self.given, self._constant = columns, columns.items, given, constant

    def mask(self, condition: Condition) -> Mask:
        """Return the items that meet a condition."""
        if condition.uses or self._constant is None:
            return self._mask(condition)
        return self._constant(condition)

    def _mask(self, condition: Condition) -> Mask:
        match condition:
            case Both(parts):
                return self._joined(parts, False, np.logical_and)
            case Either(parts):
                return self._joined(parts, True, np.logical_or)
            case Negated(part):
                mask = self.mask(part)
                return not mask if isinstance(mask, bool) else ~mask
            case Compared():
                return self._compared(condition)
            case AmountIn(quantity, values):
                return self._amount_in(self.numbers(quantity), values)
            case SharesWord(left, right):
                return self._overlap(left, right)
            case Contains(name, text):
                return self._contains(name, text)
            case Known(name):
                return self._known(name)

    def _joined(self, parts: tuple[Condition, ...], decides: bool, join: Callable[..., Any]) -> Mask:
        """Join parts; those that read only the request come first, since one of them can decide for all items."""
        masks: list[NDArray[np.bool_]] = []
        for part in sorted(parts, key=lambda part: not _reads_no_item(part)):
            mask = self.mask(part)
            if not isinstance(mask, bool):
                masks.append(mask)
            elif mask is decides:
                return decides
        if len(masks) < 2:
            return masks[0] if masks else not decides
        joined: NDArray[np.bool_] = join(masks[0], masks[1])
        for mask in masks[2:]:
            join(joined, mask, out=joined)
        return joined

    # ---------------------------------------------------------------- quantities

    def numbers(self, quantity: Quantity) -> Numbers:
        """Return a quantity: numbers as float32, times in ms, durations in ms and distances in km as float64."""
        match quantity:
            case Amount(value):
                return value
            case Now():
                return self._given_number("now", "")
            case Field(""):
                return self._column(quantity.name)
            case Field(scope, name):
                return self._given_number(scope, name)
            case Calculated(sign, left, right):
                return _calculated(sign, self.numbers(left), self.numbers(right))
            case Distance():
                squares = self._squared_chords(quantity)
                return float(arcs_of(squares[None])[0]) if squares.ndim == 0 else arcs_of(squares)

    def _given_number(self, scope: str, name: str) -> float:
        value = self.given.get((scope, name))
        return value if isinstance(value, float) else math.nan

    def _column(self, name: str) -> NDArray[Any]:
        attribute = self.items.attributes[name]
        if isinstance(attribute, NumberAttribute):
            return attribute.values
        assert isinstance(attribute, TimeAttribute)
        return np.where(attribute.times == NO_TIME, np.nan, attribute.times.astype(np.float64))

    def _compared(self, condition: Compared) -> Mask:
        """A distance is compared as a squared chord, which needs no inverse sine an item."""
        left, right, sign = condition.left, condition.right, condition.operator
        if isinstance(left, Distance) and sign != "=":
            limit = self.numbers(right)
            if isinstance(limit, float) and 0 <= limit < math.pi * EARTH_RADIUS:
                chord = 2 * math.sin(limit / (2 * EARTH_RADIUS))
                return _compare(sign, self._squared_chords(left), chord * chord)
        return _compare(sign, self.numbers(left), self.numbers(right))

    def _squared_chords(self, distance: Distance) -> NDArray[np.float64]:
        one, other = self._vectors(*distance.places[:2]), self._vectors(*distance.places[2:])
        if np.ndim(one[0]) and not np.ndim(other[0]):
            x, y, z = one
            place = float(other[0]), float(other[1]), float(other[2])
            return np.asarray(squared_chords_to(x, y, z, place))
        return np.asarray(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))

    def _vectors(self, lat: Quantity, lon: Quantity) -> tuple[Any, ...]:
        if isinstance(lat, Field) and isinstance(lon, Field) and not lat.scope and not lon.scope:
            return self.columns.places(lat.name, lon.name)
        return unit_vectors(self.numbers(lat), self.numbers(lon))

    def _amount_in(self, numbers: Numbers, values: tuple[float, ...]) -> Mask:
        if isinstance(numbers, float):
            return numbers in values
        return np.isin(numbers, np.array(values, numbers.dtype))

    # ---------------------------------------------------------------- words

    def _words(self, words: Field | Words) -> tuple[str, ...]:
        if isinstance(words, Words):
            return words.values
        value = self.given.get((words.scope, words.name))
        return value if isinstance(value, tuple) else ()

    def _overlap(self, left: Field | Words, right: Field | Words) -> Mask:
        own = [one for one in (left, right) if isinstance(one, Field) and not one.scope]
        if len(own) == 2:
            return self._same_word(*(self._coded(one) for one in own))
        if not own:
            return not set(self._words(left)).isdisjoint(self._words(right))
        words = self._words(right if own[0] is left else left)
        if not words:
            return False
        attribute = self.items.attributes.get(own[0].name)
        if isinstance(attribute, CodedAttribute):
            return self.columns.having(attribute, attribute.vocabulary.places(words))
        if own[0].kind == "id":
            codes = self.items.ids.codes(list(words))
            mask = np.zeros(len(self.items), bool)
            mask[codes[codes >= 0]] = True
            return mask
        return _numpy(pc.is_in(self.columns.texts(own[0].name), pa.array(words, pa.string())))

    def _coded(self, name: Field) -> CodedAttribute:
        attribute = self.items.attributes[name.name]
        assert isinstance(attribute, CodedAttribute)
        return attribute

    def _same_word(self, left: CodedAttribute, right: CodedAttribute) -> NDArray[np.bool_]:
        """Whether a category's word is another attribute's, or among its words: codes of one vocabulary in the other's."""
        one, other = (left, right) if isinstance(left, CategoryAttribute) else (right, left)
        code_of = np.array([*other.vocabulary.places(one.vocabulary), -1], np.int32)
        wanted = code_of[one.codes]  # −1 reads the last entry
        if isinstance(other, CategoryAttribute):
            return np.asarray((wanted == other.codes) & (wanted >= 0))
        indptr, codes = other.ragged()
        owner = np.repeat(np.arange(len(wanted)), np.diff(indptr))
        return np.bincount(owner[codes == wanted[owner]], minlength=len(wanted)).astype(bool)

    def _contains(self, name: Field, text: str) -> Mask:
        folded = text.casefold()
        if name.scope:
            return any(folded in word.casefold() for word in self._words(name))
        attribute = self.items.attributes.get(name.name)
        if isinstance(attribute, CategoryAttribute):
            return self.columns.having(attribute, self.columns.words_containing(attribute, text))
        return self.columns.search(name.name).containing(text)

    def _known(self, name: Field) -> Mask:
        if name.scope:
            return self.given.get((name.scope, name.name)) not in (None, ())
        attribute = self.items.attributes.get(name.name)
        match attribute:
            case NumberAttribute():
                return ~np.isnan(attribute.values)
            case TimeAttribute():
                return np.asarray(attribute.times != NO_TIME)
            case CategoryAttribute():
                return np.asarray(attribute.codes >= 0)
            case CodedAttribute():
                return np.diff(attribute.ragged()[0]) > 0
            case TextAttribute():
                return _numpy(pc.not_equal(self.columns.texts(name.name), ""))
            case _:  # ids and titles
                return True


def _reads_no_item(condition: Condition) -> bool:
    """Whether a condition has one truth value for all items, as far as that is seen at its top."""
    match condition:
        case SharesWord(left, right):
            return not any(isinstance(one, Field) and not one.scope for one in (left, right))
        case Known(name) | Contains(name):
            return bool(name.scope)
        case Compared(_, left, right):
            return not any(isinstance(one, Field) and not one.scope for one in (left, right))
        case _:
            return False


def _compare(sign: str, left: Numbers, right: Numbers) -> Mask:
    with np.errstate(all="ignore"):
        found = _COMPARE[sign](left, right)
    return bool(found) if np.ndim(found) == 0 else found


def _calculated(sign: str, left: Numbers, right: Numbers) -> Numbers:
    """Division by 0 is unknown, for arrays and single numbers alike."""
    with np.errstate(all="ignore"):
        if sign != "/":
            result: Numbers = _CALCULATE[sign](left, right)
            return result
        if isinstance(right, float):
            return left / right if right else left * math.nan
        return np.where(right == 0, right.dtype.type(np.nan), left / right)


def _numpy(array: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = array.to_numpy(zero_copy_only=False)
    return found
