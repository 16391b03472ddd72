"""Cuts in time."""

from __future__ import annotations

import pyarrow as pa
import pytest

from shortlist.config.evaluate import EvaluateSettings
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test, stage_cuts
from shortlist.errors import DataError

EVENTS = pa.table(
    {
        "user_id": ["a", "b", "a"],
        "item_id": [1, 2, 2],
        "timestamp": [1_700_000_000, 1_700_000_100, 1_700_000_050],
    }
)


def test_cuts_are_in_order_and_split_no_instant(dataset: Dataset) -> None:
    cut = cut_for_test(dataset.log, EvaluateSettings())
    train = dataset.before(cut)
    cuts = stage_cuts(train.log, EvaluateSettings())
    assert train.log.time[-1] < cut <= dataset.between(cut, 2**62).log.time[0]
    assert cuts.ranker < cuts.validation < cuts.end <= cut


def test_too_short_a_log_is_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        stage_cuts(Dataset.from_frames(EVENTS).log, EvaluateSettings())


def test_an_empty_past_is_not_called_one_of_impressions() -> None:
    with pytest.raises(DataError, match="no event is left before the test"):
        stage_cuts(Dataset.from_frames(EVENTS).before(0).log, EvaluateSettings())
