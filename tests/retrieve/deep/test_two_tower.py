"""The retriever of two towers: new users and items, the moment, bundles without PyTorch and without trust, refusals, seeds."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.entities import EntityChange
from shortlist.errors import BundleError, DataError, MissingExtraError, ProjectError
from shortlist.retrieve import Requests, TwoTower, load_retriever
from shortlist.retrieve.deep.attribute_tokens import AttributeTokens
from support.deep import (
    LEARNING_TOWERS,
    TINY_TOWERS,
    Interrupted,
    answers_without_torch,
    coloured,
    cycles,
    damage,
    device_events,
    interrupted_in,
)
from support.interactions import make_requests

NAMES = ("item_vectors_", "network_", "token_vectors_", "user_token_vectors_")
REQUESTS: tuple[list[int], ...] = ([0, 1, 2], [5], [], [7] * 40)


def tastes(users: int = 60) -> Dataset:
    """Return users from two countries; each takes items of the colour and style of the country. Items 24 to 29 have no events."""
    rng = np.random.default_rng(0)
    rows = [(u, int(rng.integers(0, 12)) * 2 + u % 2) for u in range(users) for _ in range(6)]
    style = np.array([[1, 0, 0], [0, 1, 0]], np.float32)[np.arange(30) % 2]
    events = pa.table(
        {
            "user_id": [u for u, _ in rows],
            "item_id": [i for _, i in rows],
            "timestamp": [1.6e9 + 60.0 * at for at in range(len(rows))],
        }
    )
    items = pa.table({"item_id": np.arange(30), "style": style.tolist()})
    people = pa.table({"user_id": np.arange(users), "country": [("DE", "FR")[u % 2] for u in range(users)]})
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"style": "embedding"}},
            "users": {"id": "user_id", "attributes": {"country": "category"}},
        }
    )
    return Dataset.from_frames(events, items, people, project)


@pytest.fixture(scope="module")
def model() -> TwoTower:
    return TwoTower(**TINY_TOWERS).fit(tastes())


@pytest.fixture(scope="module")
def learned() -> TwoTower:
    return TwoTower(**LEARNING_TOWERS, hidden_items=0.3, hidden_histories=0.3).fit(tastes())


def new_users(dataset: Dataset, countries: list[str | None]) -> Requests:
    """Return requests of users without history."""
    attribute = dataset.users.attributes["country"]
    rows = [("DE", "FR").index(c) if c else -1 for c in countries]
    return make_requests(*[[] for _ in rows], attributes={"country": attribute.take(np.array(rows))})


# ---------------------------------------------------------------- what it learns


def test_it_learns_what_users_take(learned: TwoTower) -> None:
    assert learned.curves_[-1]["loss"] < 0.9 * learned.curves_[0]["loss"]  # at best log 12
    scores = learned.score(make_requests([0, 2, 4], [1, 3]))[:, :24]
    assert scores[0, ::2].min() > scores[0, 1::2].max()
    assert scores[1, 1::2].min() > scores[1, ::2].max()


def test_it_can_learn_single_choices_by_heart() -> None:
    """Twelve users, who take one item after one other: an item follows from the one before it alone."""
    pairs = TwoTower(
        **{**LEARNING_TOWERS, "width": 16, "hidden": 32, "epochs": 60, "temperature": 0.05, "pools": 1}
    ).fit(cycles(24, 12, 2))
    followers = cycles(24, 12, 2).histories.item.reshape(-1, 2)
    found = pairs.retrieve(make_requests(*[[int(a)] for a, _ in followers]), 1).item[:, 0]
    assert (found == followers[:, 1]).mean() > 0.9


def test_new_users_are_served_by_their_attributes(learned: TwoTower) -> None:
    scores = learned.score(new_users(tastes(), ["DE", "FR", None]))
    assert scores[0, :24:2].min() > scores[0, 1:24:2].max()
    assert scores[1, 1:24:2].min() > scores[1, :24:2].max()
    assert np.isneginf(scores[2]).all()  # nothing is known: `popular` is for them


def test_new_items_are_served_by_their_embeddings(learned: TwoTower) -> None:
    items = tastes().items
    for style in ([1, 0, 0], [0, 1, 0], None):
        items = items.with_changes([EntityChange(len(items), attributes={"style": style})])
    grown = learned.with_items(items)
    scores = grown.score(make_requests([0, 2, 4], [1, 3]))
    assert scores[0, 24:30:2].min() > scores[0, 25:30:2].max()
    assert scores[1, 25:30:2].min() > scores[1, 24:30:2].max()
    np.testing.assert_allclose(scores[:, 30], scores[:, 24], rtol=1e-5)
    np.testing.assert_allclose(scores[:, 31], scores[:, 25], rtol=1e-5)
    assert np.isneginf(scores[:, 32]).all()
    np.testing.assert_array_equal(learned.score(make_requests([0, 2, 4], [1, 3])), scores[:, :30])


def test_the_hour_decides() -> None:
    """At noon item 0 is taken, at midnight item 1, whatever was taken before."""
    now, rows, rng = 1.6e9 - 1.6e9 % 86_400, [], np.random.default_rng(0)
    for user in range(40):
        for day in range(4):
            noon = int(rng.integers(0, 2))
            rows.append((user, 0 if noon else 1, now + 86_400 * day + 43_200 * noon))
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
    project = parse_project({"data": {"columns": {"timestamp": "timestamp"}}})
    dataset = Dataset.from_frames(pa.table(columns), project=project)
    found = {}
    for moment in (True, False):
        fitted = TwoTower(**{**LEARNING_TOWERS, "batch": 32}, moment=moment).fit(dataset)
        requests = make_requests([0, 1], [0, 1])
        requests.moments[:] = [int(now + 86_400) * 1000, int(now + 86_400 + 43_200) * 1000]
        found[moment] = fitted.retrieve(requests, 1).item[:, 0].tolist()
    assert found[True] == dataset.items.ids.codes([1, 0]).tolist()
    assert found[False][0] == found[False][1]


def devices() -> Dataset:
    """Return users whose items follow from the device and the loudness, whatever they took before."""
    context = {"device": "category", "loudness": "number"}
    project = parse_project({"data": {"columns": {"timestamp": "timestamp"}, "context": context}})
    return Dataset.from_frames(device_events(320, 80, 60.0), project=project)


def in_contexts(dataset: Dataset, **columns: list[Any]) -> Requests:
    """Return requests without history in these contexts."""
    context = {name: dataset.log.context[name].with_values(values) for name, values in columns.items()}
    rows = len(next(iter(columns.values())))
    return replace(make_requests(*[[] for _ in range(rows)]), context=context)


@pytest.fixture(scope="module")
def of_devices() -> TwoTower:
    return TwoTower(**LEARNING_TOWERS, hidden_histories=0.3, moment=False).fit(devices())


@pytest.mark.parametrize(
    "columns",
    [
        {"device": ["phone", "television"]},
        {"loudness": [0.5, 10.5]},
        {"loudness": [0.5, 10.5], "device": [None] * 2},
    ],
)
def test_the_context_decides(of_devices: TwoTower, columns: dict[str, list[Any]]) -> None:
    """Some columns are enough, in any order; a context that is not known changes nothing."""
    dataset = devices()
    even = dataset.items.ids.codes(np.arange(0, 12, 2))
    odd = dataset.items.ids.codes(np.arange(1, 12, 2))
    scores = of_devices.score(in_contexts(dataset, **columns))
    assert scores[0, even].min() > scores[0, odd].max()
    assert scores[1, odd].min() > scores[1, even].max()
    assert np.isneginf(of_devices.score(in_contexts(dataset, device=[None]))).all()


def test_a_request_without_context_is_served_by_its_history(of_devices: TwoTower) -> None:
    plain = make_requests([0, 1], [2])
    unknown = {"device": devices().log.context["device"].with_values([None, None])}
    np.testing.assert_array_equal(of_devices.score(replace(plain, context=unknown)), of_devices.score(plain))
    assert np.isfinite(of_devices.score(plain)).all()


def test_contexts_stay_with_their_events_and_with_their_requests(
    of_devices: TwoTower, tmp_path: Path
) -> None:
    """Events without weight, and events of other users between, move no context; nor do a bundle and a part of a batch."""
    dataset = devices()
    rows = dataset.history_rows
    np.testing.assert_array_equal(dataset.log.item[rows], dataset.histories.item)
    np.testing.assert_array_equal(dataset.log.user[rows], dataset.histories.owner)
    requests = in_contexts(dataset, loudness=[0.5, 10.5, 0.1], device=["phone", None, "television"])
    expected = of_devices.score(requests)
    np.testing.assert_allclose(of_devices.score(requests.rows(1, 3)), expected[1:], rtol=1e-5)
    of_devices.save(tmp_path / "model")
    np.testing.assert_array_equal(load_retriever(tmp_path / "model").score(requests), expected)


def test_contexts_that_are_not_wanted_are_not_read() -> None:
    dataset = devices()
    some = TwoTower(**TINY_TOWERS, context=["device"]).fit(dataset)
    none = TwoTower(**TINY_TOWERS, context=[]).fit(dataset)
    assert (some.context_, some.context_numbers_, len(some.context_token_columns_)) == (["device"], [], 2)
    assert none.architecture_["contexts"] == 0
    assert np.isneginf(none.score(in_contexts(dataset, device=["phone"]))).all()
    with pytest.raises(ProjectError, match="the log has no context 'devise'; did you mean 'device'"):
        TwoTower(**TINY_TOWERS, context=["devise"]).fit(dataset)


def test_components_of_embeddings_are_tokens() -> None:
    """(3, 0, 4) has length 5; the colours have TF-IDF weights of length 1, and come first."""
    items = pa.table(
        {"item_id": [0, 1, 2], "c": ["a", "a", None], "v": [[3.0, 0.0, 4.0], None, [0.0, 1.0, 0.0]]}
    )
    attributes = {"c": "category", "v": "embedding"}
    project = parse_project({"items": {"id": "item_id", "attributes": attributes}})
    dataset = Dataset.from_frames([{"user_id": 1, "item_id": 0, "timestamp": 1.6e9}], items, project=project)
    tokens = AttributeTokens.of(dataset.items.attributes, 3, None)
    assert (len(tokens.columns), tokens.dimensions, len(tokens)) == (1, 3, 4)
    matrix = tokens.matrix(dataset.items.attributes, np.arange(3)).toarray()
    np.testing.assert_allclose(
        matrix, [[1.0, 0.6, 0.0, 0.8], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]], rtol=1e-6
    )


# ---------------------------------------------------------------- training


def assert_equal(a: TwoTower, b: TwoTower) -> None:
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_seed_repeats() -> None:
    first = TwoTower(**TINY_TOWERS, seed=1, hard_negatives=3).fit(tastes())
    assert_equal(TwoTower(**TINY_TOWERS, seed=1, hard_negatives=3).fit(tastes()), first)
    assert np.abs(TwoTower(**TINY_TOWERS, seed=2).fit(tastes()).network_ - first.network_).max() > 1e-3


def test_an_interrupted_training_ends_with_the_same_numbers(tmp_path: Path) -> None:
    """With hard negatives, which come from the weights before the epoch, and held-out events."""

    interrupt = interrupted_in("epoch 3 of 4")
    settings = {**TINY_TOWERS, "epochs": 4, "validation": 0.5, "hard_negatives": 4}
    whole = TwoTower(**settings).fit(tastes())
    with pytest.raises(Interrupted):
        TwoTower(**settings, checkpoints=str(tmp_path)).fit(tastes(), interrupt)
    rest = TwoTower(**settings, checkpoints=str(tmp_path)).fit(tastes())
    assert_equal(rest, whole)
    assert rest.curves_ == whole.curves_
    assert set(whole.curves_[0]) == {"loss", "ndcg@10", "hit_rate@10"}


def test_hard_negatives_make_it_learn_as_well() -> None:
    fitted = TwoTower(**{**LEARNING_TOWERS, "negatives": 0, "batch": 32}, hard_negatives=6).fit(tastes())
    scores = fitted.score(make_requests([0, 2, 4]))[0, :24]
    assert scores[::2].mean() > scores[1::2].mean() + 1


def test_what_it_takes_is_stated_first() -> None:
    steps: list[str] = []
    TwoTower(**TINY_TOWERS).fit(tastes(), lambda step, _: steps.append(step))
    assert "GB of memory on the CPU" in steps[0]
    assert "360 targets an epoch, each against 135 items" in steps[0]


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"two_tower: 360 events are too few.*`als`") as error:
        TwoTower().fit(tastes())
    assert error.value.field == "min_events"
    with pytest.raises(ProjectError, match="no attribute 'contry'; did you mean 'country'"):
        TwoTower(**TINY_TOWERS, user_attributes=["contry"]).fit(tastes())
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[deep\]'"):
        TwoTower(**TINY_TOWERS).fit(tastes())


# ---------------------------------------------------------------- bundles


def test_a_saved_model_answers_without_torch(model: TwoTower, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    scores = answers_without_torch(tmp_path / "model", REQUESTS)
    np.testing.assert_allclose(scores, model.score(make_requests(*REQUESTS)), rtol=1e-4, atol=1e-5)


def test_a_saved_model_reads_the_attributes_of_users(model: TwoTower, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    requests = new_users(tastes(), ["DE", "FR"])
    np.testing.assert_array_equal(load_retriever(tmp_path / "model").score(requests), model.score(requests))


DAMAGES: dict[str, Any] = {
    "fewer weights": ("network", lambda a: a[:-1]),
    "weights of another type": ("network", lambda a: a.astype(np.float64)),
    "fewer items": ("items", lambda a: a[:-1]),
    "tokens without vectors": ("tokens", lambda a: a[:-1]),
    "tokens of users without vectors": ("user_tokens", lambda a: a[:-1]),
    "unordered columns": ("user_columns", lambda a: a[::-1] - 10**9),
    "no bins": ("user_edges", lambda a: np.zeros((3, 2))),
    "not numbers": ("items", lambda a: np.full_like(a, np.nan)),
    "a weight that is no number": ("network", lambda a: np.append(a[:-1], np.float32(np.nan))),
    "users that are no numbers": ("user_tokens", lambda a: np.full_like(a, np.nan)),
    "tokens of contexts that the network does not read": ("context_columns", lambda a: np.array([5])),
    "deciles of no context": ("context_edges", lambda a: np.zeros((1, 9))),
    "steps of vectors that are floats": ("steps", lambda a: np.ones(30, np.float32)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_arrays_are_refused(model: TwoTower, tmp_path: Path, name: str) -> None:
    model.save(tmp_path / "model")
    damage(tmp_path / "model", *DAMAGES[name])
    with pytest.raises(BundleError):
        load_retriever(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture_", None),
        ("architecture_", {"width": 8}),
        ("architecture_", {"width": 8, "hidden": 8, "pools": 0, "history": 12, "kinds": 1}),
        ("architecture_", {"width": 8, "hidden": 8, "pools": 2, "history": 10**12, "kinds": 1}),
        ("architecture_", {"width": 8.0, "hidden": 8, "pools": 2, "history": 12, "kinds": 1}),
        ("architecture_", {"width": 8, "hidden": 8, "pools": 2, "history": 12, "kinds": 1, "contexts": 1}),
        ("architecture_", {"width": 8, "hidden": 8, "pools": 2, "history": 12, "kinds": 1, "contexts": True}),
        ("context_", "device"),
        ("context_numbers_", [1]),
        ("user_dimensions_", -1),
        ("user_dimensions_", 0.0),
        ("dimensions_", 7),
        ("attributes_", 7),
        ("attributes_", [None]),
        ("user_attributes_", "country"),
    ],
)
def test_damaged_facts_are_refused(model: TwoTower, tmp_path: Path, name: str, value: Any) -> None:
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    meta = json.loads(file.read_text())
    meta["learned"][name] = value
    file.write_text(json.dumps(meta))
    with pytest.raises(BundleError):
        load_retriever(tmp_path / "model")


def test_an_index_finds_what_exact_search_finds() -> None:
    pytest.importorskip("faiss")
    exact = TwoTower(**TINY_TOWERS).fit(coloured())
    indexed = TwoTower(**TINY_TOWERS, exact_items=10, recall=1.0).fit(coloured())
    requests = make_requests([0, 1, 2], [5])
    a, b = indexed.retrieve(requests, 10), exact.retrieve(requests, 10)
    np.testing.assert_array_equal(a.item, b.item)
    np.testing.assert_allclose(a.score, b.score, rtol=1e-4)
