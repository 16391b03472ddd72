"""A recommender with networks as sources and as ranker: trained, saved, and served without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from support.deep import LEARNING_TOWERS, device_events
from support.retrievers import SMALL
from support.worlds import small_world


def test_the_context_of_a_request_reaches_the_towers() -> None:
    """Even items are taken on a phone, odd ones on a television; six candidates are all of those that fit."""
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}, "context": {"device": "category"}},
            "retrieve": {
                "candidates": 6,
                "sources": [{"model": "two_tower", **LEARNING_TOWERS, "moment": False, "validation": 0.0}],
            },
            "rank": {"trees": 5},
            "rerank": {"show_seen": True},
        }
    )
    recommender = Recommender(project).fit(
        Dataset.from_frames(device_events(600, 60, 3_600.0), project=project)
    )
    for name, rest in (("phone", 0), ("television", 1)):
        for user in (7, "new"):
            slate = recommender.recommend(user=user, n=6, context={"device": name}, now=recommender.now())
            assert {item.item % 2 for item in slate} == {rest}


def test_a_bundle_is_served_without_torch(tmp_path: Path) -> None:
    world = small_world()
    project, dataset = world.project(), world.dataset()
    networks = [{"model": name, **SMALL[name]} for name in ("transformer", "two_tower")]
    sources = [{"model": "popular"}, *networks]
    options = {"epochs": 1, "embedding": 2, "experts": 2, "hidden": 8, "output": 4, "min_rows": 0}
    project = project.model_copy(
        update={
            "retrieve": project.retrieve.model_copy(update={"sources": sources}),
            "rank": project.rank.model_copy(update={"model": "multitask", "options": options}),
        }
    )
    steps: list[str] = []
    recommender = Recommender(project).fit(dataset, progress=lambda step, _: steps.append(step))
    assert "retrievers on the past: transformer: epoch 1 of 2" in steps
    assert "retrievers on everything: two_tower: epoch 2 of 2" in steps
    recommender.save(tmp_path / "bundle")
    user = dataset.users.ids.id(int(np.diff(dataset.histories.indptr).argmax()))
    expected = recommender.recommend(user=user, n=5, now=recommender.now())
    code = f"""
import json, sys
from shortlist.recommender import Recommender
recommender = Recommender.load({str(tmp_path / "bundle")!r})
slate = recommender.recommend(user={user!r}, n=5, now={recommender.now()})
assert "torch" not in sys.modules
print(json.dumps([r.item for r in slate]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [r.item for r in expected]
    assert any("transformer" in r.sources for r in expected)
    assert any("two_tower" in r.sources for r in expected)
