"""The Open Bandit data set."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.open_bandit import thompson_from_random
from support.paths import ROOT

OPEN_BANDIT = ROOT.parent / "shared" / "data" / "open-bandit"


@pytest.mark.parametrize("campaign", ["men", "women"])
def test_open_bandit_conclusion(campaign: str) -> None:
    if not OPEN_BANDIT.exists():
        pytest.skip("Open Bandit is not there")
    found = thompson_from_random(
        OPEN_BANDIT / f"random_{campaign}.parquet", OPEN_BANDIT / f"bts_{campaign}.parquet", resamples=300
    )
    snips = found.estimates["snips"]
    assert snips.value is not None
    assert snips.value.low <= found.thompson.high
    assert found.thompson.low <= snips.value.high
    assert snips.overlap.effective_sample_size < snips.overlap.rows
    sentence = found.sentence(campaign)
    assert "agrees with Thompson sampling's own log" in sentence
    assert "cannot say whether" in sentence


def test_open_bandit_names_a_missing_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": [1], "position": [0], "click": [0]}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match="no column propensity_score"):
        thompson_from_random(tmp_path / "log.parquet", tmp_path / "log.parquet")
