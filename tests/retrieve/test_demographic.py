"""Users without a history, by their attributes: cases by hand, a dense reference, saving, a planted world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError, TrainingWarning
from shortlist.retrieve import Demographic, Requests, load_retriever
from support.interactions import make_requests
from support.retrievers import frame

GROUPS, ITEMS_A_GROUP = 3, 6


def grouped(seed: int = 0, users: int = 90, age: bool = False) -> Dataset:
    """Users of three countries; each country takes items of its own, besides one that all take."""
    rng = np.random.default_rng(seed)
    country = np.arange(users) % GROUPS
    rows = [
        (f"u{user}", f"i{group * ITEMS_A_GROUP + item}")
        for user, group in enumerate(country.tolist())
        for item in rng.choice(ITEMS_A_GROUP, 3, replace=False).tolist()
    ]
    rows += [(f"u{user}", "all") for user in range(users)]
    events = pa.table(
        {
            "user_id": [user for user, _ in rows],
            "item_id": [item for _, item in rows],
            "timestamp": [1.6e9 + 60.0 * at for at in range(len(rows))],
        }
    )
    names = np.array(["DE", "FR", "IT"])
    columns = {"user_id": [f"u{user}" for user in range(users)], "country": names[country].tolist()}
    attributes = {"country": "category"}
    if age:
        columns["age"] = (20.0 + 20 * country + rng.random(users)).tolist()
        attributes["age"] = "number"
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "users": {"id": "user_id", "attributes": attributes},
        }
    )
    return Dataset.from_frames(events, None, pa.table(columns), project)


def strangers(data: Dataset, *values: object, name: str = "country") -> Requests:
    """Requests without a history; each sends one attribute."""
    attributes = {
        n: a.with_values([v if n == name else None for v in values]) for n, a in data.users.attributes.items()
    }
    return make_requests(*([] for _ in values), attributes=attributes)


def best(model: Demographic, data: Dataset, requests: Requests, n: int) -> list[set[str]]:
    found = model.retrieve(requests, n)
    return [set(data.items.ids.ids(row[row >= 0])) for row in found.item]


def test_strangers_get_what_their_country_takes() -> None:
    data = grouped()
    model = Demographic(factors=8, ridge=1.0).fit(data)
    for group, found in enumerate(best(model, data, strangers(data, "DE", "FR", "IT"), ITEMS_A_GROUP)):
        own = {f"i{group * ITEMS_A_GROUP + item}" for item in range(ITEMS_A_GROUP)} | {"all"}
        assert len(found & own) == ITEMS_A_GROUP


def test_numbers_count_by_their_bin() -> None:
    data = grouped(age=True)
    model = Demographic(attributes=["age"], factors=8, ridge=1.0).fit(data)
    young, old = best(model, data, strangers(data, 20.5, 60.5, name="age"), 4)
    assert {f"i{item}" for item in range(ITEMS_A_GROUP)} & young >= young - {"all"}
    assert young != old


def test_unknown_attributes_propose_nothing_and_a_history_has_no_part() -> None:
    data = grouped()
    model = Demographic(factors=8).fit(data)
    scores = model.score(strangers(data, None, "ES", "DE"))
    assert np.isneginf(scores[0]).all()
    assert np.isfinite(scores[2]).any()
    german = data.users.attributes["country"].with_values(["DE"])
    with_history = model.score(make_requests([3, 4], attributes={"country": german}))
    np.testing.assert_allclose(with_history[0], scores[2], rtol=1e-5)


def test_the_map_is_the_ridge_regression_onto_fold_ins() -> None:
    """One-hot values without hashing: the mean of the factors of a country, pulled to the mean of all."""
    data = grouped()
    ridge = 4.0
    model = Demographic(factors=8, ridge=ridge).fit(data)
    from shortlist.retrieve import ALS
    from shortlist.retrieve.event_weighting import EventWeighting, interactions

    als = ALS(factors=8).fit_matrix(interactions(data, EventWeighting()))
    users = np.arange(len(data.users))
    X = als.fold_in(Requests.of_users(data, users, np.zeros(len(users), np.int64)))
    code = data.users.ids.codes([f"u{u}" for u in range(len(users))])
    country = np.arange(len(users))[np.argsort(code)] % GROUPS
    Z = np.hstack([np.eye(GROUPS)[country], np.ones((len(users), 1))])
    A = Z.T @ Z + np.diag([ridge] * GROUPS + [1e-6])
    M = np.linalg.solve(A, Z.T @ X)
    expected = (M[:GROUPS] + M[GROUPS]) @ als.item_factors_.T
    np.testing.assert_allclose(model.score(strangers(data, "DE", "FR", "IT")), expected, rtol=1e-3, atol=1e-5)


def test_saved_and_loaded(tmp_path: Path) -> None:
    data = grouped(age=True)
    model = Demographic(factors=8).fit(data)
    model.save(tmp_path / "m")
    again = load_retriever(str(tmp_path / "m"))
    requests = strangers(data, "DE", "IT", None)
    np.testing.assert_array_equal(again.score(requests), model.score(requests))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ProjectError, match=r"no attribute .contry..*country"):
        Demographic(attributes=["contry"]).fit(grouped())
    with pytest.warns(TrainingWarning, match="proposes nothing"):
        model = Demographic().fit(frame([("u", "a"), ("v", "b")]))
    assert (model.retrieve(make_requests([0]), 2).item == -1).all()
