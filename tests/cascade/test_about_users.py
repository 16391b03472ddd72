"""Attributes that change live, similar users, and audiences, against what `recommend` says of each user alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.errors import RequestError
from shortlist.recommender import Recommender

ITEMS = ["m00001", "m00040", "m00100"]


def predictions(recommender: Recommender, **request: Any) -> dict[Any, tuple[float, ...]]:
    return {
        r.item: tuple(r.predictions.values()) for r in recommender.recommend(n=200, explore=0.0, **request)
    }


# ---------------------------------------------------------------- attributes


def test_a_changed_attribute_equals_one_that_is_sent(bundle: Path) -> None:
    """Whoever's attributes are changed is answered as if each request had sent them, and a request has the last word."""
    recommender = Recommender.load(bundle)
    now = recommender.now()
    band, country = {"age_band": "65+"}, {"country": "PT"}
    sent = predictions(recommender, user="u00003", now=now, context={**band, **country})
    stranger = predictions(recommender, user="somebody new", now=now, context=band)
    override = predictions(recommender, user="u00003", now=now, context={"age_band": "18-24", **country})
    recommender.change_user("u00003", {"age_band": "35-49", **country})
    recommender.change_user("u00003", band)
    recommender.change_user("somebody new", band)
    assert predictions(recommender, user="u00003", now=now) == sent
    assert predictions(recommender, user="somebody new", now=now) == stranger
    assert predictions(recommender, user="u00003", now=now, context={"age_band": "18-24"}) == override
    recommender.forget("somebody new")
    assert predictions(recommender, user="somebody new", now=now) == predictions(recommender, now=now)


def test_none_makes_an_attribute_unknown(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    now = recommender.now()
    unknown = predictions(recommender, user="u00003", now=now, context={"age_band": None, "country": None})
    recommender.change_user("u00003", {"age_band": None, "country": None})
    assert predictions(recommender, user="u00003", now=now) == unknown


@pytest.mark.parametrize(
    ("user", "attributes", "field", "words"),
    [
        ("u1", {"age_bnd": "65+"}, "attributes.age_bnd", "users have no 'age_bnd'.*age_band"),
        ("u1", {"age_band": "6\0"}, "attributes.age_band", "NUL"),
        ("", {"age_band": "65+"}, "user", "id"),
        (True, {"age_band": "65+"}, "user", "id"),
    ],
)
def test_changes_that_cannot_be(
    recommender: Recommender, user: Any, attributes: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(RequestError, match=words) as error:
        recommender.change_user(user, attributes)
    assert error.value.field == field


# ---------------------------------------------------------------- similar users


def test_similar_users_are_those_of_a_dense_cosine(recommender: Recommender, dataset: Dataset) -> None:
    h = dataset.histories
    from shortlist.retrieve import EventWeights

    weights = EventWeights.of(recommender.project.retrieve, dataset.log)(h)
    X = np.zeros((len(dataset.users), len(dataset.items)))
    np.add.at(X, (h.owner, h.item), weights)
    X *= np.log((1 + len(X)) / np.maximum((X > 0).sum(0), 1))
    X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    user = int(np.flatnonzero(np.diff(h.indptr) == 10)[0])  # short enough to be used whole
    cosine = X @ X[user]
    cosine[user] = 0
    found = recommender.similar_users(dataset.users.ids.id(user), 20)
    np.testing.assert_allclose([s.score for s in found], np.sort(cosine)[::-1][:20], rtol=1e-4)
    own = set(dataset.items.ids.ids(h.item[h.indptr[user] : h.indptr[user + 1]]))
    for one in found:
        code = dataset.users.ids.code(one.user)
        assert cosine[code] == pytest.approx(one.score, rel=1e-4)
        assert 1 <= len(one.shared) <= 3
        assert set(one.shared) <= own


def test_similar_to_a_history_and_without_erased_users(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    first, second = recommender.similar_users(None, 2, history=ITEMS)
    assert recommender.similar_users("somebody new") == []
    recommender.forget(first.user)
    assert [s.user for s in recommender.similar_users(None, 1, history=ITEMS)] == [second.user]
    with pytest.raises(RequestError, match="n must be"):
        recommender.similar_users("u00003", 0)


# ---------------------------------------------------------------- audiences


def scores_alone(recommender: Recommender, users: list[Any], item: str, now: int) -> dict[Any, float]:
    """What `recommend` says of an item for each of some users who has not had it."""
    found = {}
    for user in users:
        slate = recommender.recommend(user, 1, now=now, explore=0.0, filters={"items": {"any": [item]}})
        if len(slate):
            found[user] = slate.items[0].score
    return found


def test_an_audience_has_the_users_whose_own_prediction_is_highest(bundle: Path, dataset: Dataset) -> None:
    recommender = Recommender.load(bundle)
    now, users = recommender.now(), dataset.users.ids.ids(np.arange(0, len(dataset.users), 4))
    expected = scores_alone(recommender, users, ITEMS[0], now)
    found = recommender.audience([ITEMS[0]], 25, users=users, now=now)
    assert [m.score for m in found] == pytest.approx(sorted(expected.values(), reverse=True)[:25], rel=1e-5)
    for member in found:
        assert expected[member.user] == pytest.approx(member.score, rel=1e-5)
    table = found.to_arrow()
    assert table.column_names[:3] == ["item", "user", "score"]
    assert table.num_rows == 25


def test_a_user_is_in_at_most_cap_audiences_and_goes_where_the_score_is_highest(
    recommender: Recommender,
) -> None:
    now = recommender.now()
    free = recommender.audience(ITEMS, 400, now=now)
    capped = recommender.audience(ITEMS, 40, cap=1, now=now)
    score = {(m.user, m.item): m.score for m in free}
    assert Counter(m.user for m in capped).most_common(1)[0][1] == 1
    assert all(count == 40 for count in Counter(m.item for m in capped).values())
    # no member would be better placed elsewhere in an audience that took somebody worse
    worst = {item: min(m.score for m in capped if m.item == item) for item in ITEMS}
    for member in capped:
        for item in ITEMS:
            better = score.get((member.user, item), -np.inf)
            assert better <= max(member.score, worst[item]) + 1e-6


def test_an_audience_for_a_filter_counts_users_by_their_best_item(
    recommender: Recommender, dataset: Dataset
) -> None:
    now, filters = recommender.now(), {"genres": {"any": ["Horror"]}}
    users = dataset.users.ids.ids(np.arange(60))
    found = recommender.audience(None, 10, filters=filters, users=users, now=now)
    alone = {u: recommender.recommend(u, 1, filters=filters, now=now, explore=0.0).items[0] for u in users}
    best = sorted(alone.values(), key=lambda r: -r.score)[:10]
    assert [m.score for m in found] == pytest.approx([r.score for r in best], rel=1e-6)
    assert all(alone[m.user].item == m.item for m in found)
    assert found.considered == 60


def test_erased_and_new_users(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    best = next(iter(recommender.audience([ITEMS[0]], 1))).user
    recommender.observe("somebody new", ITEMS[1], "play", value=50.0)
    recommender.forget(best)
    members = {m.user for m in recommender.audience([ITEMS[0]], 1000)}
    assert best not in members
    assert "somebody new" in members


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"items": ["nothing"]}, "items.0"),
        ({"items": []}, "items"),
        ({"items": "m00001"}, "items"),
        ({}, "items"),
        ({"items": ["m00001"], "n": 0}, "n"),
        ({"items": ["m00001"], "cap": 0}, "cap"),
        ({"items": ["m00001"], "cap": True}, "cap"),
        ({"items": ["m00001"], "users": "u00001"}, "users"),
        ({"items": ["m00001"], "weights": {"plai": 1}}, "weights"),
    ],
)
def test_wrong_requests_name_their_field(
    recommender: Recommender, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestError) as error:
        recommender.audience(**arguments)
    assert str(error.value.field).startswith(field)


def test_retired_items_have_no_audience(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    recommender.change_item(ITEMS[0], {"retired": True})
    with pytest.raises(RequestError, match="retired"):
        recommender.audience([ITEMS[0]])
