"""How much an event counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.retrieve import interactions


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ProjectError, match=r"retrieve\.weights: event has weight -1"):
        parse_project({"retrieve": {"weights": {"event": -1}}})
    with pytest.raises(ProjectError, match=r"retrieve\.values: event"):
        parse_project({"retrieve": {"values": {"event": 3.0}}})


def test_values_weigh_events() -> None:
    """A kind named in `retrieve.values` counts by its value against the usual value; a value of 0 is no event."""
    events = pa.table(
        {
            "user_id": ["u", "u", "v", "v"],
            "item_id": ["a", "b", "a", "c"],
            "timestamp": [1.6e9, 1.6e9 + 1, 1.6e9 + 2, 1.6e9 + 3],
            "seconds": [10.0, 30.0, 20.0, 0.0],
        }
    )
    columns = {"timestamp": "timestamp", "value": "seconds"}
    project = parse_project({"data": {"columns": columns}, "retrieve": {"values": {"event": 1.0}}})
    X = interactions(Dataset.from_frames(events, project=project), project.retrieve).toarray()
    np.testing.assert_allclose(X, np.array([[10, 30, 0], [20, 0, 0]]) / 15)
