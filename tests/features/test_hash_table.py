"""The hash table of keys behaves like a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.hash_table import HashTable


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**62), max_size=400), st.lists(st.integers(0, 2**62), max_size=50))
def test_a_hash_table_is_a_dictionary(keys: list[int], others: list[int]) -> None:
    table, truth = HashTable(), dict[int, int]()
    for key in keys:
        truth.setdefault(key, len(truth))
    for start in range(0, len(keys), 37):
        table.insert(np.array(keys[start : start + 37], np.int64))
    for made in (table, table.compact()):
        wanted = np.array([*keys, *others, -1], np.int64)
        assert made.find(wanted).tolist() == [truth.get(key, -1) for key in wanted.tolist()]
    assert len(table.compact().keys) <= max(1024, 4 * len(truth))
    assert table.keys_by_slot().tolist() == list(truth)


def test_slots_that_are_removed_leave_the_others_in_order() -> None:
    table = HashTable()
    table.insert(np.array([7, 5, 9, 1]))
    table.renumber(np.array([True, False, True, True]))
    assert table.find(np.array([7, 5, 9, 1])).tolist() == [0, -1, 1, 2]
