"""The retriever: bundles without PyTorch and without trust, new items by their attributes, an index, kinds and times."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.entities import EntityChange
from shortlist.errors import BundleError, DataError, MissingExtraError, ProjectError
from shortlist.retrieve import Retriever, Transformer, TwoTower, load_retriever
from shortlist.retrieve.event_weighting import EventWeighting
from support.deep import TINY, answers_without_torch, coloured, cycles, damage
from support.interactions import make_requests

REQUESTS: tuple[list[int], ...] = ([0, 1, 2], [5], [], [7] * 40)


@pytest.fixture(scope="module")
def model() -> Transformer:
    return Transformer(**TINY).fit(cycles())


def test_a_saved_model_answers_without_torch(model: Transformer, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    scores = answers_without_torch(tmp_path / "model", REQUESTS)
    np.testing.assert_allclose(scores, model.score(make_requests(*REQUESTS)), rtol=1e-4, atol=1e-5)


def test_without_torch_training_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[deep\]'"):
        Transformer(**TINY).fit(cycles())


def test_only_the_latest_events_are_read(model: Transformer) -> None:
    long = list(range(12)) * 3
    np.testing.assert_allclose(
        model.score(make_requests(long)), model.score(make_requests(long[-12:])), rtol=1e-4, atol=1e-5
    )
    assert not np.allclose(
        model.score(make_requests(long[-12:])), model.score(make_requests(long[-11:])), atol=1e-4
    )


def test_the_training_is_told_by_curves_that_a_bundle_keeps(model: Transformer, tmp_path: Path) -> None:
    assert len(model.curves_) == 2
    model.save(tmp_path / "model")
    assert Transformer.load(tmp_path / "model").curves_ == model.curves_


# ---------------------------------------------------------------- several networks


def test_scores_of_several_networks_are_averaged(model: Transformer) -> None:
    """The vectors of items and requests of both stand side by side; a request, an item, bytes and a bundle see one model."""
    both = Transformer(**TINY, members=2).fit(cycles())
    second = Transformer(**TINY, seed=1).fit(cycles())
    requests = make_requests(*REQUESTS)
    expected = (model.score(requests) + second.score(requests)) / 2
    np.testing.assert_allclose(both.score(requests), expected, rtol=1e-4, atol=1e-5)
    items = np.tile(np.arange(12), (len(requests), 1))
    np.testing.assert_allclose(both.score_items(requests, items), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both.in_bytes().score(requests), expected, atol=0.2)
    assert both.curves_ == [*model.curves_, *second.curves_]


def test_several_networks_in_a_bundle_and_for_new_items(tmp_path: Path) -> None:
    both = Transformer(**TINY, members=2).fit(coloured())
    both.save(tmp_path / "model")
    np.testing.assert_allclose(
        answers_without_torch(tmp_path / "model", REQUESTS),
        both.score(make_requests(*REQUESTS)),
        rtol=1e-4,
        atol=1e-5,
    )
    items = coloured().items.with_changes([EntityChange(40, "x", {"colour": "red"})])
    known = both.with_items(items).score(make_requests([0, 1, 2]))
    np.testing.assert_allclose(known[0, 40], known[0, 30], rtol=1e-5)  # 30 is red and has no events
    damage(tmp_path / "model", "network", lambda a: a[: len(a) // 2])
    with pytest.raises(BundleError, match="network_ has type"):
        load_retriever(tmp_path / "model")


def test_what_cannot_be_learned_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="items have no attribute 'color'; did you mean 'colour'"):
        Transformer(**TINY, attributes=["color"]).fit(coloured())
    with pytest.raises(ProjectError, match="seed: must be greater than or equal to 0"):
        Transformer(seed=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the folder of checkpoints cannot be made"):
        Transformer(**TINY, checkpoints=str(tmp_path / "file" / "folder")).fit(cycles())


@pytest.mark.parametrize("kind", [Transformer, TwoTower])
def test_events_of_no_weight_leave_nothing_to_learn(kind: type[Retriever]) -> None:
    dataset = cycles()
    weighting = EventWeighting(dict.fromkeys(dataset.log.kinds, 0.0))
    model = kind(min_events=0, epochs=1, event_weighting=weighting).fit(dataset)
    assert np.isneginf(model.score(make_requests([0, 1], []))).all()


# ---------------------------------------------------------------- hostile bundles


DAMAGES: dict[str, Any] = {
    "fewer weights": ("network", lambda a: a[:-1]),
    "weights of another type": ("network", lambda a: a.astype(np.float64)),
    "fewer items": ("items", lambda a: a[:-1]),
    "narrower items": ("items", lambda a: a[:, :-1]),
    "tokens without vectors": ("tokens", lambda a: a[:-1]),
    "unordered columns": ("columns", lambda a: a - 10**9),
    "columns of another type": ("columns", lambda a: a.astype(np.int32)),
    "no kinds": ("values", lambda a: a[:0]),
    "no bins": ("edges", lambda a: np.zeros((3, 2))),
    "not numbers": ("items", lambda a: np.full_like(a, np.nan)),
    "a weight that is no number": ("network", lambda a: np.append(a[:-1], np.float32(np.nan))),
    "an infinite token": ("tokens", lambda a: np.full_like(a, np.inf)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_arrays_are_refused(model: Transformer, tmp_path: Path, name: str) -> None:
    model.save(tmp_path / "model")
    damage(tmp_path / "model", *DAMAGES[name])
    with pytest.raises(BundleError):
        load_retriever(tmp_path / "model")


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [],
        {"width": 16},
        {"width": 16, "blocks": 2, "heads": 0, "history": 12, "kinds": 1},
        {"width": 16, "blocks": 2, "heads": 3, "history": 12, "kinds": 1},
        {"width": 16, "blocks": 2, "heads": 2, "history": 10**12, "kinds": 1},
        {"width": 16, "blocks": -2, "heads": 2, "history": 12, "kinds": 1},
        {"width": "16", "blocks": 2, "heads": 2, "history": 12, "kinds": 1},
        {"width": 16.0, "blocks": 2, "heads": 2, "history": 12, "kinds": 1},
    ],
)
def test_a_damaged_shape_is_refused(model: Transformer, tmp_path: Path, shape: Any) -> None:
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    meta = json.loads(file.read_text())
    meta["learned"]["architecture_"] = shape
    file.write_text(json.dumps(meta))
    with pytest.raises(BundleError):
        load_retriever(tmp_path / "model")


@pytest.mark.parametrize("array", ["network", "items", "columns"])
@pytest.mark.parametrize("kept", [0, 40, 0.5])
def test_a_truncated_file_is_refused(model: Transformer, tmp_path: Path, array: str, kept: float) -> None:
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "arrays" / f"{array}.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    with pytest.raises(BundleError, match=array):
        load_retriever(tmp_path / "model")


def test_a_pickle_is_not_read(model: Transformer, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    np.save(tmp_path / "model" / "arrays" / "network.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(BundleError, match="allow_pickle"):
        load_retriever(tmp_path / "model")


# ---------------------------------------------------------------- attributes and new items


LEARNING: dict[str, Any] = {**TINY, "epochs": 12, "learning_rate": 0.02, "batch": 128, "hidden_items": 0.3}


@pytest.fixture(scope="module")
def of_colours() -> Transformer:
    return Transformer(**LEARNING).fit(coloured())


def test_items_without_events_are_recommended_by_their_attributes(of_colours: Transformer) -> None:
    scores = of_colours.score(make_requests([0, 1, 2], [1, 4, 7]))[:, 30:]
    assert scores[0, 1::2].min() > scores[0, ::2].max()  # after red: blue
    assert scores[1, ::2].min() > scores[1, 1::2].max()


def test_appended_items_are_known_by_their_attributes(of_colours: Transformer) -> None:
    items = coloured().items
    model, n = of_colours, len(items)
    for name, colour in (("x", "red"), ("y", "blue"), ("z", "green")):
        items = items.with_changes([EntityChange(len(items), name, {"colour": colour})])
        model = model.with_items(items)
    at_once = of_colours.with_items(items)
    requests = make_requests([0, 1, 2], [1, 4, n], [n + 2])
    np.testing.assert_array_equal(at_once.score(requests), model.score(requests))
    scores = model.score(requests)
    np.testing.assert_allclose(scores[:, n], scores[:, 30], rtol=1e-5)  # red without events, as item 30
    np.testing.assert_allclose(scores[:2, n + 1], scores[:2, 31], rtol=1e-5)
    assert np.isneginf(scores[:, n + 2]).all()  # of a green one nothing is known
    assert scores.shape[1] == n + 3
    np.testing.assert_allclose(of_colours.score(make_requests([0, 1, 2])), scores[:1, :n], rtol=1e-5)
    np.testing.assert_allclose(scores[1], model.score(make_requests([1, 4, 30]))[0], rtol=1e-4, atol=1e-5)


def test_appended_items_survive_copies(of_colours: Transformer) -> None:
    items = coloured().items.with_changes([EntityChange(40, "x", {"colour": "red"})])
    model = of_colours.with_items(items)
    requests = make_requests([0, 1, 2])
    np.testing.assert_array_equal(copy.deepcopy(model).score(requests), model.score(requests))


# ---------------------------------------------------------------- the index


def test_an_index_finds_what_exact_search_finds(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    dataset = coloured()
    exact = Transformer(**TINY).fit(dataset)
    indexed = Transformer(**TINY, exact_items=10, recall=1.0).fit(dataset)
    indexed.save(tmp_path / "model")
    loaded = Transformer.load(tmp_path / "model")
    items = dataset.items.with_changes([EntityChange(40, "x", {"colour": "red"})])
    requests = make_requests(
        [0, 1, 2], [5], excluded_indptr=np.array([0, 3, 4]), excluded=np.array([0, 1, 2, 5])
    )
    for one, reference in (
        (indexed, exact),
        (loaded, exact),
        (indexed.with_items(items), exact.with_items(items)),
    ):
        a, b = one.retrieve(requests, 10), reference.retrieve(requests, 10)
        np.testing.assert_array_equal(a.item, b.item)
        np.testing.assert_allclose(a.score, b.score, rtol=1e-4)
    few: NDArray[np.bool_] = np.zeros(40, bool)
    few[[7, 9]] = True
    strict = make_requests([0, 1, 2], allowed=few)
    assert set(indexed.retrieve(strict, 10).item[0].tolist()) == {7, 9, -1}


def test_an_index_of_another_catalogue_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    Transformer(**TINY, exact_items=10, recall=1.0).fit(coloured()).save(tmp_path / "a")
    Transformer(**TINY, exact_items=10, recall=1.0).fit(cycles()).save(tmp_path / "b")
    (tmp_path / "a" / "index").rename(tmp_path / "old")
    (tmp_path / "b" / "index").rename(tmp_path / "a" / "index")
    with pytest.raises(BundleError, match="does not match"):
        load_retriever(tmp_path / "a")


# ---------------------------------------------------------------- what else is known of events


def test_the_kind_of_an_event_decides_what_follows() -> None:
    """After `play` follows the next item, after `skip` the one after it: only the kind tells."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for user in range(100):
        item = int(rng.integers(0, 10))
        for _ in range(10):
            kind = ("play", "skip")[int(rng.integers(0, 2))]
            rows.append(
                {"user_id": user, "item_id": item, "event": kind, "timestamp": 1.6e9 + 60.0 * len(rows)}
            )
            item = (item + (1 if kind == "play" else 2)) % 10
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp", "kind": "event"}},
            "items": {"id": "item_id"},
            "objectives": {"play": {"events": ["play"]}},
        }
    )
    dataset = Dataset.from_frames(rows, [{"item_id": i} for i in range(10)], project=project)
    settings = {**LEARNING, "dropout": 0.0, "epochs": 15, "history": 4}
    model = Transformer(**settings).fit(dataset)
    requests = make_requests([1, 2, 3], [1, 2, 3])
    codes = {name: at for at, name in enumerate(dataset.log.kinds)}
    requests.histories.kind[:] = codes["play"]
    requests.histories.kind[5] = codes["skip"]
    assert model.retrieve(requests, 1).item[:, 0].tolist() == [4, 5]


def test_the_time_since_the_event_before_decides_what_follows() -> None:
    """After a pause the next item is 0, else the next of the circle."""
    rng, now = np.random.default_rng(0), 1.6e9
    rows: list[dict[str, Any]] = []
    for user in range(100):
        item = int(rng.integers(1, 8))
        for _ in range(10):
            pause = bool(rng.integers(0, 2))
            now += 86_400 if pause else 60
            rows.append({"user_id": user, "item_id": item, "timestamp": now})
            item = 0 if pause else (item + 1) % 8
    project = parse_project({"data": {"columns": {"timestamp": "timestamp"}}, "items": {"id": "item_id"}})
    dataset = Dataset.from_frames(rows, [{"item_id": i} for i in range(8)], project=project)
    model = Transformer(**{**LEARNING, "dropout": 0.0, "epochs": 15, "history": 4}).fit(dataset)
    requests = make_requests([2, 3, 4], [2, 3, 4])
    requests.histories.time[:] = [0, 60_000, 120_000, 0, 60_000, 86_460_000]
    assert model.retrieve(requests, 1).item[:, 0].tolist() == [5, 0]
