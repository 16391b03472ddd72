"""The three stages joined: ids, filters, reasons, bundles, bad requests, the world's truth."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import shortlist
from shortlist.cascade.run import Cascade
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.errors import BundleError, DataError, RequestError
from shortlist.evaluate.report_page import evaluation_page
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World


def active(dataset: Dataset) -> Any:
    return dataset.users.ids.id(int(np.diff(dataset.histories.indptr).argmax()))


def test_a_slate(recommender: Recommender, dataset: Dataset) -> None:
    user = active(dataset)
    slate = recommender.recommend(user=user, n=10)
    assert (len(slate), slate.user_known, slate.model_version) == (10, True, recommender.version)
    assert len({r.item for r in slate}) == 10
    code = dataset.users.ids.code(user)
    h = dataset.histories
    seen = set(dataset.items.ids.ids(h.item[h.indptr[code] : h.indptr[code + 1]]))
    assert not seen & {r.item for r in slate}
    titles = {dataset.items.titles[dataset.items.ids.code(i)] for i in seen}
    because = [r.reason for r in slate if r.reason.startswith("Because")]
    assert because
    assert all(any(reason.endswith(t) for t in titles) for reason in because)
    assert all(0 < r.predictions["play"] < 1 and 1 <= r.predictions["rating"] <= 5.5 for r in slate)
    assert all(r.sources for r in slate)


def test_batch_is_the_same_as_one_by_one(recommender: Recommender, dataset: Dataset) -> None:
    people = dataset.users.ids.ids(np.arange(0, 200))
    now = recommender.now()
    together = recommender.recommend(users=people, n=5, now=now)
    for row in (0, 57, 150):
        alone = recommender.recommend(user=people[row], n=5, now=now)
        assert [r.item for r in together[row]] == [r.item for r in alone]
        np.testing.assert_allclose([r.score for r in together[row]], [r.score for r in alone], rtol=1e-4)


def test_results_turn_into_frames(recommender: Recommender) -> None:
    slates = recommender.recommend(users=["u00000", "nobody"], n=3)
    frame = slates.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert frame["rank"].tolist() == [1, 2, 3, 1, 2, 3]
    assert slates.to_polars().shape == (6, 9)
    assert "<table>" in slates._repr_html_()
    assert "nobody" in slates[1]._repr_html_()


def test_reprs_are_short(recommender: Recommender) -> None:
    slates = recommender.recommend(users=[f"u{user:05d}" for user in range(50)], n=50)
    best = slates[0].items[0]
    assert repr(best) == f"Recommendation(item={best.item!r}, title={best.title!r}, score={best.score:.4g})"
    for value in (
        recommender,
        recommender.model,
        recommender.dataset,
        recommender.project,
        slates,
        slates[0],
        recommender.page(RecommendRequest("u00001")),
        recommender.preview(recommender.project, ["u00001"]),
    ):
        assert len(repr(value)) <= 200, value


def test_an_unknown_user_is_new_and_reported(recommender: Recommender) -> None:
    slate = recommender.recommend(user="nobody", n=10)
    assert not slate.user_known
    assert len(slate) == 10


def test_history_unknown_items_are_reported(recommender: Recommender) -> None:
    slate = recommender.recommend(history=["m00001", "no such film", "m00002"], n=5)
    assert slate.unknown_items == ["no such film"]
    assert {"m00001", "m00002"}.isdisjoint({r.item for r in slate})


def test_a_strict_filter_still_fills(recommender: Recommender, dataset: Dataset) -> None:
    few = dataset.items.ids.ids(np.arange(12))
    slate = recommender.recommend(user="nobody", n=8, filters={"items": {"any": few}})
    assert len(slate) >= 4  # a studio's cap may hold some back
    assert {r.item for r in slate} <= set(few)
    assert len(recommender.recommend(user="nobody", n=8, filters={"items": {"any": []}})) == 0


def test_weights_change_the_order_and_not_the_predictions(recommender: Recommender, dataset: Dataset) -> None:
    user = active(dataset)
    plays = recommender.recommend(user=user, n=100, weights={"play": 1, "seconds": 0, "rating": 0})
    stars = recommender.recommend(user=user, n=100, weights={"play": 0, "seconds": 0, "rating": 1})
    assert [r.item for r in plays] != [r.item for r in stars]
    by_item = {r.item: r.predictions for r in plays}
    for r in stars:
        if r.item in by_item:
            assert r.predictions == pytest.approx(by_item[r.item], rel=1e-4)
    values = [r.predictions["rating"] for r in stars][:10]  # items above the exposure cap come at the end
    assert values == sorted(values, reverse=True)


def test_diversity_and_the_cap_act(recommender: Recommender, dataset: Dataset) -> None:
    def genres(slate: Any) -> int:
        return len(
            {
                g
                for r in slate
                for g in dataset.items.attributes["genres"].show(dataset.items.ids.code(r.item))
            }
        )

    user = active(dataset)
    assert genres(recommender.recommend(user=user, n=8, diversity=0.8)) > genres(
        recommender.recommend(user=user, n=8, diversity=0.0)
    )
    studios = [
        dataset.items.attributes["studio"].show(dataset.items.ids.code(r.item))
        for r in recommender.recommend(user=user, n=20)
    ]
    assert max(studios.count(s) for s in studios) <= 4


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"n": 0}, "n"),
        ({"n": -1}, "n"),
        ({"n": 10_000}, "n"),
        ({"n": "x"}, "n"),
        ({"n": True}, "n"),
        ({"weights": {"fame": 1}}, "weights.fame"),
        ({"context": {"mood": 1}}, "context.mood"),
        ({"diversity": 2}, "diversity"),
        ({"users": "u1"}, "users"),
        ({"filters": {"x": {}}}, "filters.x"),
    ],
)
def test_bad_requests_name_the_field(recommender: Recommender, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as error:
        recommender.recommend(**{"user": None if "users" in arguments else "u1", **arguments})
    assert error.value.field == field


def test_an_event_changes_the_next_slate(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    before = recommender.recommend(user="newcomer", n=10)
    taken = before.items[0].item
    recommender.observe("newcomer", taken, "play", value=3_600.0)
    after = recommender.recommend(user="newcomer", n=10)
    assert after.user_known
    assert taken not in {r.item for r in after}
    title = before.items[0].title
    assert any(r.reason == f"Because you watched {title}" for r in after)


def test_impressions_of_a_newcomer_count_as_those_of_a_user(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    model, state = recommender.model, recommender.state
    column = model.features.names([]).index("user_play_rate")
    prior = model.features.priors["user_play_rate"]

    def rate() -> float:
        request = Cascade.resolve(model, state, [RecommendRequest(user="newcomer")])
        return float(Cascade.score(model, state, request).matrix[0, column])

    assert rate() == pytest.approx(prior, rel=1e-6)
    shown = [one.item for one in recommender.recommend(user="newcomer", n=4)]
    for item in shown:
        recommender.observe("newcomer", item, "impression")
    assert rate() == pytest.approx(20 * prior / 24, rel=1e-6)  # 20 trials are added
    recommender.observe("newcomer", shown[0], "play", value=60.0)
    assert rate() == pytest.approx((20 * prior + 1) / 24, rel=1e-6)
    recommender.forget("newcomer")
    assert rate() == pytest.approx(prior, rel=1e-6)


def test_a_user_is_one_person_however_the_id_is_spelt() -> None:
    rng = np.random.default_rng(0)
    events = [
        {"user_id": int(u), "item_id": int(min(rng.zipf(1.4), 120)), "timestamp": 1.7e9 + 600.0 * at}
        for at, u in enumerate(rng.integers(0, 200, 4000))
    ]
    project = shortlist.guess_project(events)
    dataset = Dataset.from_frames(events, project=project)
    recommender = Recommender(project).fit(dataset)
    for known, spelt in ((7, "7"), (9999, "9999")):
        taken = recommender.recommend(user=known, n=1).items[0].item
        recommender.observe(spelt, str(taken), "event")
        for way in (known, spelt):
            slate = recommender.recommend(user=way, n=100)
            assert slate.user_known
            assert taken not in {r.item for r in slate}
    assert isinstance(recommender.recommend(user="7", n=1).items[0].item, int)


def test_similar(recommender: Recommender) -> None:
    found = recommender.similar("m00001", 5)
    assert 0 < len(found) <= 5
    assert "m00001" not in {r.item for r in found}
    with pytest.raises(RequestError, match="no item 'x'"):
        recommender.similar("x")


def test_bundle_round_trip(recommender: Recommender, bundle: Path) -> None:
    loaded = Recommender.load(bundle)
    now = recommender.now()
    for user in ("u00001", "u00002", "nobody"):
        ours, theirs = (
            recommender.recommend(user=user, n=20, now=now),
            loaded.recommend(user=user, n=20, now=now),
        )
        assert [(r.item, r.score, r.reason) for r in ours] == [(r.item, r.score, r.reason) for r in theirs]
    assert not list(bundle.rglob("*.pkl"))


def damage(folder: Path, how: str) -> None:
    manifest = folder / "manifest.json"
    if how == "no manifest":
        manifest.unlink()
    elif how == "broken manifest":
        manifest.write_text("{")
    elif how == "other version":
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    elif how == "missing file":
        (folder / "state.json").unlink()
    elif how == "outside":
        manifest.write_text(
            json.dumps({**json.loads(manifest.read_text()), "files": {"../../etc/passwd": "0"}})
        )
    else:
        file = folder / "ranker" / "head-0.json"
        file.write_bytes(file.read_bytes()[:-10] if how == "truncated" else file.read_bytes()[:-1] + b"\0")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no manifest", "is no bundle"),
        ("broken manifest", "damaged"),
        ("other version", "format 99"),
        ("missing file", "state.json is missing"),
        ("outside", "outside of the bundle"),
        ("truncated", "checksum"),
        ("flipped", "checksum"),
    ],
)
def test_damaged_bundles_are_refused(bundle: Path, tmp_path: Path, how: str, words: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    damage(copy, how)
    with pytest.raises(BundleError, match=words):
        Recommender.load(copy)


def test_save_never_overwrites_something_else(recommender: Recommender, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(BundleError, match="is no bundle"):
        recommender.save(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(DataError, match="no usable event"):
        Dataset.from_frames(
            pa.table({"user_id": pa.array([], pa.string()), "item_id": pa.array([], pa.string())})
        )


def test_world_repeats_and_looks_like_one(world: World) -> None:
    again = make_movies(users=600, items=300, sessions=4_000, days=60, seed=3)
    assert world.events.equals(again.events)
    assert not world.events.equals(make_movies(users=600, items=300, sessions=4_000, days=60, seed=4).events)
    events = world.events.to_pandas()
    shown = events[events.kind == "impression"]
    assert shown.propensity.between(0, 1).all()
    taken = set(
        zip(*events.loc[events.kind == "play", ["user_id", "item_id", "slate"]].T.values, strict=True)
    )
    clicked = np.array([key in taken for key in zip(shown.user_id, shown.item_id, shown.slate, strict=True)])
    by_position = [clicked[shown.position == p].mean() for p in range(10)]
    assert by_position[0] / by_position[9] == pytest.approx(3.7, rel=0.35)  # 1 + 0.3 · 9
    ratings = events.loc[events.kind == "rating", "value"]
    assert ratings.between(1, 5).all()
    arrived = dict(zip(world.items["item_id"].to_pylist(), world.items["arrived"].to_pylist(), strict=True))
    assert all(
        arrived[i].timestamp() <= t for i, t in zip(shown.item_id[:2000], shown.timestamp[:2000], strict=True)
    )


def test_propensities_are_the_policys_chances() -> None:
    """Over many slates of one group, items in the top slot appear as often as their propensity says."""
    from shortlist.simulate.plackett_luce import plackett_luce

    weight = np.array([[0.5, 0.3, 0.15, 0.05]])
    _, item, position, propensity = plackett_luce(np.random.default_rng(0), weight, np.zeros(20_000, int), 10)
    top = position == 0
    np.testing.assert_allclose(np.bincount(item[top]) / 20_000, weight[0], atol=0.01)
    after = (position == 1) & np.concatenate([[False], item[:-1] == 0])
    np.testing.assert_allclose(
        np.bincount(item[after], minlength=4)[1:] / after.sum(), weight[0, 1:] / 0.5, atol=0.015
    )
    np.testing.assert_allclose(propensity[after], weight[0, item[after]] / 0.5)


def test_evaluation_report(dataset: Dataset, recommender: Recommender, world: World, full: bool) -> None:
    if not full:  # the report is tested here, not the model
        project = recommender.project
        quick = project.rank.model_copy(update={"trees": 20, "heads": "joint"})
        recommender = recommender.with_project(project.model_copy(update={"rank": quick}))
    report = shortlist.evaluate(recommender, dataset, truth=world.truth)
    told = report.to_json()
    assert {"shortlist", "popular", "popular_7d", "recent", "random", "als", "neighbours", "content"} <= set(
        told["recommenders"]
    )
    for metrics in told["recommenders"].values():
        for value in metrics.values():
            assert value["low"] <= value["value"] <= value["high"]
    assert (
        told["recommenders"]["shortlist"]["ndcg@10"]["value"]
        > told["recommenders"]["random"]["ndcg@10"]["value"]
    )
    assert (
        told["recommenders"]["shortlist"]["true_play@10"]["value"]
        > told["recommenders"]["random"]["true_play@10"]["value"]
    )
    page = evaluation_page(report)
    assert report.verdict() in page
    assert "simulated" in page
    assert "http" not in page.replace("http-equiv", "")  # nothing from outside


def test_movielens_beats_its_parts(movielens: Path, full: bool) -> None:
    """On the time split the cascade's NDCG@10 is above all-time popularity, neighbours and ALS, clear of zero.

    Above popularity with the half-life that `init` lets training choose it is not, on this log: see benchmarks/RESULTS.md.
    """
    tables = {
        name: pa.parquet.read_table(movielens / f"{name}.parquet") for name in ("events", "items", "users")
    }
    project = shortlist.guess_project(**tables)
    assert project.retrieve.sources[0]["model"] == "popular"
    sources = [{"model": "popular"}, *project.retrieve.sources[1:]]
    project = project.model_copy(
        update={"retrieve": project.retrieve.model_copy(update={"sources": sources})}
    )
    if not full:
        rank = project.rank.model_copy(update={"trees": 60, "heads": "joint"})
        tested = project.evaluate.model_copy(update={"bootstrap": 400})
        project = project.model_copy(update={"rank": rank, "evaluate": tested})
    report = shortlist.evaluate(project, Dataset.from_frames(**tables, project=project))
    for other in ("popular", "neighbours", "als"):
        assert report.differences[other].low > 0, other


def test_training_can_begin_from_an_earlier_bundle(
    recommender: Recommender, dataset: Dataset, project: Project
) -> None:
    """The same log again, warm: the factors end where they were, and the slates hardly move."""
    from shortlist.retrieve import ALS

    rank = project.rank.model_copy(update={"trees": 20, "heads": "joint"})
    warm = Recommender(project.model_copy(update={"rank": rank})).fit(dataset, earlier=recommender)
    before = next(r for r in recommender.model.retrievers.values() if isinstance(r, ALS))
    after = next(r for r in warm.model.retrievers.values() if isinstance(r, ALS))
    taken = np.flatnonzero(before.item_weights_ > 0)[:10]  # an item that nobody took has no factor
    likeness = [np.corrcoef(before.similar(i)[:200], after.similar(i)[:200])[0, 1] for i in taken]  # type: ignore[index]
    assert np.mean(likeness) > 0.95
