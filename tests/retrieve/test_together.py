"""Bought together: cases computed by hand, invalid settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.seen import hidden_once_seen
from shortlist.errors import ProjectError, RequestError
from shortlist.recommender import Recommender
from shortlist.retrieve.together import Together
from shortlist.simulate.world import World

BASKETS = [[0, 1], [0, 1], [0, 1, 3], [0, 2], [2, 3], [3], [3], [1]]


def matrix() -> sp.csr_matrix:
    rows = [row for row, basket in enumerate(BASKETS) for _ in basket]
    items = [item for basket in BASKETS for item in basket]
    return sp.csr_matrix((np.ones(len(items), np.float32), (rows, items)), shape=(len(BASKETS), 4))


def test_pairs_by_hand() -> None:
    model = Together(shrink=1.0, fewest=2).fit_baskets(matrix())
    # 0 is in four baskets, 1 in four, both in three of eight: lift 3·8 / (4·4) = 1.5
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 3 / 5 * np.log(1.5)
    np.testing.assert_allclose(model.weights_.toarray(), expected, rtol=1e-6)
    # with one basket enough: 0 and 3 meet once, less than chance would have it, so they do not go together
    once = Together(shrink=1.0, fewest=1).fit_baskets(matrix()).weights_.toarray()
    assert once[0, 3] == 0
    assert once[2, 3] == pytest.approx(1 / 3 * np.log(max(1 * 8 / (2 * 4), 1)))


def test_kinds_follow_pairs_and_exclude_substitutes() -> None:
    kinds = np.array([0, 1, 0, 1])
    model = Together(shrink=0.0, fewest=1, back_off=0.5).fit_baskets(matrix(), kinds)
    W = model.weights_.toarray()
    assert W[0, 2] == W[2, 0] == W[1, 3] == W[3, 1] == 0  # of one kind
    # kind 0 is in five baskets, kind 1 in seven, both in four of eight: 4·8 / (5·7) < 1, so the kinds add nothing
    assert W[0, 1] == pytest.approx(3 / 4 * np.log(1.5))
    fewer = matrix()[
        [0, 1, 2, 3, 5]
    ]  # now kind 0 in four, kind 1 in four, both in three of five: still not above chance
    assert Together(shrink=0.0, fewest=1, back_off=0.5).fit_baskets(fewer, kinds).weights_.nnz
    apart = np.array([0, 1, 2, 3])
    lone = Together(shrink=0.0, fewest=2, back_off=1.0).fit_baskets(matrix(), apart).weights_.toarray()
    assert lone[0, 1] == pytest.approx(
        2 * 3 / 4 * np.log(1.5)
    )  # the pair, and the same again by its kinds of one item each


def test_baskets_are_cut_by_time(world: World) -> None:
    day = 86_400
    events = pa.table(
        {
            "user_id": ["a", "a", "a", "b", "b", "b"],
            "item_id": ["x", "y", "z", "x", "y", "z"],
            "timestamp": [1_760_000_000 + t * day for t in (0, 1, 30, 0, 2, 40)],
            "kind": ["buy"] * 6,
        }
    )
    project = parse_project(
        {
            "data": {"events": "e", "columns": {"timestamp": "timestamp", "kind": "kind"}},
            "objectives": {"buy": {"events": ["buy"]}},
        }
    )
    dataset = Dataset.from_frames(events, project=project)
    W = Together(basket="3d", fewest=2, shrink=0.0).fit(dataset).weights_.toarray()
    x, y, z = (dataset.items.ids.code(i) for i in "xyz")
    assert W[x, y] > 0
    assert W[x, z] == W[y, z] == 0
    cases: list[tuple[dict[str, Any], str]] = [
        ({"event": "cart"}, "no kind of event"),
        ({"apart": "colour"}, "no category attribute"),
    ]
    for settings, message in cases:
        with pytest.raises(ProjectError) as error:
            Together(**settings).fit(dataset)
        assert message in error.value.message


def test_similar_items_by_a_named_source(recommender: Recommender, dataset: Dataset) -> None:
    item = dataset.items.ids.id(int(np.bincount(dataset.log.item).argmax()))
    lists = {
        by: [r.item for r in recommender.similar(item, 5, by)] for by in ("neighbours", "als", "content")
    }
    assert all(len(found) == 5 and item not in found for found in lists.values())
    assert lists["neighbours"] != lists["content"]
    assert [r.item for r in recommender.similar(item, 5)] in lists.values()
    with pytest.raises(RequestError) as error:
        recommender.similar(item, 5, "nobody")
    assert error.value.field == "by"


def test_consumed_items_may_be_shown_again(world: World) -> None:
    settings = {**world.settings, "rerank": {**world.settings["rerank"], "show_again": "minutes"}}
    settings["rank"] = {"trees": 20, "heads": "separate"}
    project = parse_project(settings)
    dataset = Dataset.from_frames(world.events, world.items, world.users, project)
    codes = np.arange(len(dataset.items))
    assert not hidden_once_seen(
        dataset.items, codes, project.rerank
    ).any()  # every film has minutes, so every film may come back
    recommender = Recommender(project).fit(dataset)
    people = recommender.some_users(30)
    had = [
        set(dataset.items.ids.ids(recommender.state.histories.of(dataset.users.ids.codes([p]), [p]).item))
        for p in people
    ]
    shown = [{r.item for r in slate} for slate in recommender.recommend(users=people, n=20)]
    assert sum(len(a & b) for a, b in zip(had, shown, strict=True)) > 0
    assert hidden_once_seen(dataset.items, codes, world.project().rerank).all()
