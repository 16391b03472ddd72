"""The interface that all retrievers share: settings, ids, copies."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

from shortlist.data.dataset import Dataset
from shortlist.errors import NotFittedError, ProjectError, RequestError
from shortlist.retrieve import (
    ALS,
    RETRIEVERS,
    SLIM,
    Content,
    EventWeighting,
    Fuse,
    Neighbours,
    Requests,
    Retriever,
)
from support import retrievers
from support.interactions import make_requests, random_interactions

NAMES = [*RETRIEVERS, "blend"]
FEW = {"together", "again"}
"""Models that propose few items, or only seen ones."""


def made(name: str, **arguments: Any) -> Retriever:
    if name == "blend":
        return Fuse({"als": ALS(factors=8), "neighbours": Neighbours(k=9)}, **arguments)
    return retrievers.made(name, **arguments)


@pytest.fixture(scope="module")
def models(dataset: Dataset) -> dict[str, Retriever]:
    return {name: made(name).fit(dataset) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_fit_leaves_the_configuration_as_it_was(name: str, dataset: Dataset) -> None:
    model = made(name)
    before = model.config.model_dump()
    model.fit(dataset)
    assert model.config.model_dump() == before


def test_a_second_fit_on_a_larger_catalogue_gets_its_own_factors() -> None:
    model = ALS(iterations=1).fit_matrix(random_interactions(0, 50, 100))
    assert (model.factors_, model.n_items_) == (64, 100)
    small = model.unobserved_
    model.fit_matrix(random_interactions(0, 50, 20_000, 0.001))
    assert (model.factors_, model.n_items_) == (128, 20_000)
    assert model.unobserved_ < small


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_setting_is_an_error(name: str) -> None:
    with pytest.raises(ProjectError, match="there is no such setting") as error:
        made(name, factros=64)
    assert error.value.field == "factros"


def test_a_setting_beside_a_configuration_is_not_dropped() -> None:
    config = ALS.Config(factors=8, iterations=3)
    model = ALS(config, factors=16)
    assert (model.config.factors, model.config.iterations, config.factors) == (16, 3, 8)
    with pytest.raises(ProjectError, match="did you mean 'factors'"):
        ALS(config, factros=16)
    with pytest.raises(ProjectError, match="must be a SLIMConfig"):
        SLIM(config)


@pytest.mark.parametrize("name", NAMES)
def test_before_fit_every_answer_is_a_clear_error(name: str, tmp_path: Path) -> None:
    model = made(name)
    for answer in (
        lambda: model.recommend(["u"]),
        lambda: model.similar_items("i"),
        lambda: model.rank_items("u", ["i"]),
        lambda: model.score(make_requests([0])),
        lambda: model.retrieve(make_requests([0]), 3),
        lambda: model.save(str(tmp_path / "model")),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            answer()


@pytest.mark.parametrize("name", NAMES)
def test_answers_in_ids(name: str, dataset: Dataset, models: dict[str, Retriever]) -> None:
    model = models[name]
    h = dataset.histories
    busy = int(np.diff(h.indptr).argmax())
    user = dataset.users.ids.id(busy)
    seen = set(dataset.items.ids.ids(np.unique(h.item[h.indptr[busy] : h.indptr[busy + 1]])))
    slates = model.recommend([user, "no such user"], n=5)
    assert [slate.user_known for slate in slates] == [True, False]
    assert len(slates[0]) == 5 or name in FEW
    assert not seen & {r.item for r in slates[0]}
    again = model.recommend([user], n=5, exclude_seen=False)
    assert len(again[0]) == len(slates[0]) or name in FEW
    wanted = dataset.items.ids.ids(np.arange(10))
    ranked = model.rank_items(user, wanted)
    assert {r.item for r in ranked} == set(wanted)
    scores = [r.score for r in ranked]
    assert scores == sorted(scores, reverse=True)
    item = dataset.items.ids.id(int(np.bincount(h.item).argmax()))
    if name == "popular":
        with pytest.raises(RequestError, match="no similarity"):
            model.similar_items(item)
    else:
        near = model.similar_items(item, 3)
        assert len(near) <= 3
        assert item not in {r.item for r in near}
    with pytest.raises(RequestError, match="no item"):
        model.rank_items(user, ["no such item"])
    assert model.recommend(user, 3).items == model.recommend([user], 3)[0].items
    with pytest.raises(RequestError, match="a user id or a list of user ids"):
        model.recommend(b"u1")


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_pickles_answer_alike(name: str, models: dict[str, Retriever], dataset: Dataset) -> None:
    model = models[name]
    requests = make_requests([0, 1, 2], [5], [])
    user = dataset.users.ids.id(3)
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin is not model
        np.testing.assert_array_equal(twin.score(requests), model.score(requests))
        found, expected = twin.recommend([user], 5)[0], model.recommend([user], 5)[0]
        assert [r.item for r in found] == [r.item for r in expected]


@pytest.mark.parametrize("name", NAMES)
def test_clones_have_the_settings_and_nothing_learned(name: str, models: dict[str, Retriever]) -> None:
    twin = clone(models[name])
    assert repr(twin) == repr(models[name])
    assert twin.config == models[name].config
    with pytest.raises(NotFittedError):
        twin.score(make_requests([0]))


def test_parameters_as_in_scikit_learn() -> None:
    weighting = EventWeighting({"click": 0.2})
    model = ALS(factors=64, event_weighting=weighting)
    assert model.get_params()["factors"] == 64
    assert model.get_params()["event_weighting"] is weighting
    assert model.set_params(factors=32).config.factors == 32
    with pytest.raises(ProjectError, match="did you mean 'factors'"):
        model.set_params(factros=1)
    assert clone(Content(attributes=["text"])).config.attributes == ["text"]


def test_representations_name_what_differs_from_the_defaults() -> None:
    assert repr(ALS()) == "ALS()"
    assert repr(ALS(factors=64, iterations=8)) == "ALS(factors=64)"
    assert repr(Fuse({"als": ALS()}, each=50)) == "Fuse(als, each=50)"


def test_a_model_scores_the_catalogue_once_for_a_batch(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores serve proposals with and without filters and the scores of given items; not those of other requests."""
    model, calls = Content(learned=False).fit(dataset), []
    score = Content.score

    def counted(self: Content, requests: Requests) -> NDArray[np.float32]:
        calls.append(len(requests))
        return score(self, requests)

    items = np.array([[0, 1, -1]])
    requests = make_requests([0, 1], allowed=np.arange(len(dataset.items)) < 3)
    fresh = [model.score_items(make_requests([0, 1]), items), model.retrieve(make_requests([0, 1]), 3).score]
    monkeypatch.setattr(Content, "score", counted)
    model.retrieve(requests, 3)
    whole = requests.without_filters()
    np.testing.assert_array_equal(model.score_items(whole, items), fresh[0])
    np.testing.assert_array_equal(model.retrieve(whole, 3).score, fresh[1])
    assert calls == [1]
    model.score_items(requests.with_weights(requests.weights * 2), items)
    Content(learned=False).fit(dataset).score_items(requests, items)
    assert len(calls) == 3
    monkeypatch.setattr("shortlist.retrieve.requests.MOST_KEPT", 0)
    large = make_requests([0, 1])
    model.retrieve(large, 3)
    model.score_items(large, items)
    assert len(calls) == 5
