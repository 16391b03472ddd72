"""Again: a case computed by hand, its own reference, and a whole recommender that recommends what was taken before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.retrieve import Again, Requests

DAY = 86_400_000


def dataset(rows: list[tuple[str, str, int]]) -> Dataset:
    start = 1_400_000_000
    events = pa.table(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [item for _, item, _ in rows],
            "timestamp": [start + day * 86_400 for _, _, day in rows],
        }
    )
    return Dataset.from_frames(
        events, project=parse_project({"data": {"columns": {"timestamp": "timestamp"}}})
    )


ROWS = [("a", "x", 0), ("a", "y", 10), ("a", "x", 20), ("b", "z", 30)]


def asked(data: Dataset, users: list[str], day: int) -> Requests:
    codes = data.users.ids.codes(users)
    start = 1_400_000_000_000
    moments = np.full(len(users), start + day * DAY)
    return Requests.of_users(data, codes, moments, exclude_seen=False)


def test_scores_by_hand() -> None:
    data = dataset(ROWS)
    x, y, z = (data.items.ids.code(i) for i in "xyz")
    scores = Again(half_life="10d").fit(data).score(asked(data, ["a", "b"], 30))
    # x was taken 30 and 10 days ago, y 20 days ago
    assert scores[0, x] == pytest.approx(2**-3 + 2**-1)
    assert scores[0, y] == pytest.approx(2**-2)
    assert scores[1, z] == 1
    assert np.isneginf(scores[0, z])  # of another user
    assert np.isneginf(scores[1, [x, y]]).all()
    counts = Again(half_life=None).fit(data).score(asked(data, ["a"], 30))
    assert (counts[0, x], counts[0, y]) == (2, 1)
    once = Again(half_life=None, repeats=0.0).fit(data).score(asked(data, ["a"], 30))
    assert (once[0, x], once[0, y]) == (1, 1)


def test_lists_agree_with_counting_one_by_one() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{rng.integers(20)}", f"i{rng.integers(40)}", int(rng.integers(300))) for _ in range(900)]
    data = dataset(rows)
    users = sorted({user for user, _, _ in rows})
    found = Again(half_life="45d").fit(data).retrieve(asked(data, users, 300), 5)
    unique = set(rows)  # the same event twice is one event
    for row, user in enumerate(users):
        weight: dict[str, float] = {}
        for owner, item, day in unique:
            if owner == user:
                weight[item] = weight.get(item, 0.0) + 2.0 ** (-(300 - day) / 45)
        listed = data.items.ids.ids(found.item[row])
        np.testing.assert_allclose(found.score[row], [weight[i] for i in listed], rtol=1e-5)
        np.testing.assert_allclose(found.score[row], sorted(weight.values())[:-6:-1], rtol=1e-5)


def test_an_old_event_still_counts() -> None:
    data = dataset([("a", "x", 0), ("a", "y", 3_000)])
    scores = Again(half_life="1d").fit(data).score(asked(data, ["a"], 3_001))
    x, y = (data.items.ids.code(i) for i in "xy")
    assert 0 < scores[0, x] < scores[0, y]


def test_seen_items_are_left_out_where_they_are_hidden() -> None:
    data = dataset(ROWS)
    hidden = Requests.of_users(data, data.users.ids.codes(["a"]), np.array([1_430_000_000_000]))
    assert (Again().fit(data).retrieve(hidden, 3).item == -1).all()


def test_a_recommender_brings_back_what_was_taken_often() -> None:
    rng = np.random.default_rng(1)
    rows = []
    for user in range(60):
        staples = rng.permutation(80)[:4]  # each user comes back to four items of eighty
        for day in range(0, 200, 5):
            rows += [(f"u{user:02}", f"i{i:02}", day) for i in staples if rng.random() < 0.7]
            rows.append((f"u{user:02}", f"i{rng.integers(80):02}", day))
    data = dataset(rows)
    settings = {
        "data": {"columns": {"timestamp": "timestamp"}},
        "objectives": {"event": {"events": ["event"], "window": "7d"}},
        "features": [{"name": "mine", "kind": "count", "by": "user*item", "event": "event", "window": "30d"}],
        "retrieve": {"sources": [{"model": "popular"}, {"model": "again"}]},
        "rank": {"trees": 20, "heads": "joint"},
        "rerank": {"show_seen": True},
    }
    recommender = Recommender(parse_project(settings)).fit(data)
    counts: dict[str, dict[str, int]] = {}
    for owner, item, _ in rows:
        mine = counts.setdefault(owner, {})
        mine[item] = mine.get(item, 0) + 1
    found = [
        len(
            {r.item for r in recommender.recommend(user=owner, n=4)} & {i for i, n in mine.items() if n >= 15}
        )
        for owner, mine in counts.items()
    ]
    assert np.mean(found) > 3.5
