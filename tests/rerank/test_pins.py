"""Items at absolute slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.config.rerank import Rule
from shortlist.rerank.pins import pin_slots, take_pins


def pin(name: str, slot: int = 0) -> Rule:
    return Rule(name=name, when={"x": {}}, action="pin", slot=slot)


def matching(items: Mapping[str, Sequence[int]]) -> Callable[[Rule], NDArray[np.bool_]]:
    """Return the function that tells which of 8 items a rule of a name matches."""
    return lambda rule: np.isin(np.arange(8), items[rule.name])


ITEMS = np.arange(8, dtype=np.int32)


def slate(order: Sequence[int], rules: Sequence[Rule], mask: Any, n: int, first: int = 0) -> list[int]:
    """A page of items from their order by utility; `first` is the position of its first slot."""
    rows = np.array(order, np.int64)
    pins = take_pins(rows, ITEMS, [one for one in pin_slots(rules) if one[0] >= first], mask)
    found: list[int] = pins.placed(pins.free(rows), first, n).tolist()
    return found


def test_pins_computed_by_hand() -> None:
    order, mask = [3, 0, 1, 4], matching({"pin": [4, 1], "none": [7], "last": [4]})
    assert slate(order, [pin("pin", 1), pin("none")], mask, 3) == [3, 1, 0]
    assert slate(order, [pin("last", 1)], mask, 10) == [3, 4, 0, 1]
    assert slate(order, [pin("last", 9)], mask, 10) == [3, 0, 1, 4], (
        "too short a pool: the pinned item is its last"
    )
    # the later of two rules has the slot, and an earlier one stays where it is when another is put above it
    two = [pin("pin", 1), pin("last", 1)]
    assert slate(order, two, matching({"pin": [1], "last": [4]}), 4) == [3, 4, 1, 0]
    down = [pin("pin", 2), pin("last", 0)]
    assert slate([3, 0, 1, 2, 4], down, matching({"pin": [3], "last": [4]}), 5) == [4, 0, 3, 1, 2]


def test_a_pin_takes_no_item_beyond_the_limit_of_its_provider() -> None:
    provider = np.array([0, 0, 0, 1, 1, 1, -1, -1], np.int32)
    mask = matching({"a": [0, 1, 3], "b": [0, 1, 3, 6], "c": [1, 2]})
    pins = [(2, pin("a")), (1, pin("b")), (4, pin("c"))]
    taken = take_pins(np.arange(8), ITEMS, pins, mask, (provider, Counter([1]), 1))
    # provider 1 is full from earlier pages, provider 0 with the first pin; 6 is of no known provider
    assert (taken.rows.tolist(), taken.slots.tolist()) == ([6, 0], [1, 2])


RULES = st.lists(st.tuples(st.sets(st.integers(0, 7), min_size=1), st.integers(0, 9)), min_size=1, max_size=4)


@given(st.permutations(range(8)), RULES, st.lists(st.integers(1, 4), min_size=2, max_size=6))
def test_pages_of_any_sizes_are_one_slate(
    order: list[int], pins: list[tuple[set[int], int]], sizes: list[int]
) -> None:
    rules = [pin(str(number), slot) for number, (_, slot) in enumerate(pins)]
    assume(all(place < 8 for place, _ in pin_slots(rules)))  # the candidates reach the slots of all pins
    mask = matching({str(number): sorted(items) for number, (items, _) in enumerate(pins)})
    whole = slate(order, rules, mask, 8)
    assert sorted(whole) == list(range(8))
    shown: list[int] = []
    for size in sizes:
        shown += slate([row for row in order if row not in shown], rules, mask, size, len(shown))
    assert shown == whole[: sum(sizes)]


@given(
    st.permutations(range(8)), st.sets(st.integers(0, 7), min_size=1), st.integers(0, 7), st.integers(1, 8)
)
def test_a_pin_keeps_the_order_of_all_others(order: list[int], pinned: set[int], slot: int, n: int) -> None:
    got = slate(order, [pin("pin", slot)], matching({"pin": sorted(pinned)}), n)
    best = next(row for row in order if row in pinned)
    rest = [row for row in order if row != best]
    assert got == [*rest[:slot], best, *rest[slot:]][:n]
