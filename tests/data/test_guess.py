"""A guessed project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from shortlist.data.dataset import Dataset
from shortlist.data.guess import guess_project
from shortlist.data.public import read_public


def test_guess_is_a_working_project(movielens: Path) -> None:
    tables = read_public(str(movielens))
    assert tables is not None
    guess = guess_project(tables.events, tables.items, tables.users)
    assert guess.data.columns.value == "rating"
    assert guess.items is not None
    assert guess.items.attributes == {"title": "text", "released": "time", "genres": "list"}
    assert guess.relevant == "like"


def test_a_guess_takes_frames_of_any_library() -> None:
    events = pd.DataFrame({"user_id": ["u"], "item_id": ["i"], "kind": ["play"]})
    items = [{"item_id": "i", "title": "Heat", "genres": ["Crime"]}]
    project = guess_project(events, items)
    assert list(project.objectives) == ["play"]
    assert project.items is not None
    assert project.items.attributes == {"title": "text", "genres": "list"}
    assert repr(Dataset.from_frames(events, items, project=project)) == "Dataset(1 users, 1 items, 1 events)"
