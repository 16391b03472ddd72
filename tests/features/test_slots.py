"""The hash table of aggregate keys against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.slots import Slots


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**62), max_size=400), st.lists(st.integers(0, 2**62), max_size=50))
def test_slots_behave_as_a_dictionary(keys: list[int], others: list[int]) -> None:
    table, truth = Slots(), dict[int, int]()
    for key in keys:
        truth.setdefault(key, len(truth))
    for start in range(0, len(keys), 37):
        table.put(np.array(keys[start : start + 37], np.int64))
    for made in (table, table.compact()):
        asked = np.array([*keys, *others, -1], np.int64)
        assert made.of(asked).tolist() == [truth.get(key, -1) for key in asked.tolist()]
    assert len(table.compact().keys) <= max(1024, 4 * len(truth))
