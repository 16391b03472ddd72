"""A placement fills what a request leaves open, and brings its own rules and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shortlist.cascade.rerank_cost import rerank_of
from shortlist.config.changes import changed_project
from shortlist.data.attributes import NumberAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.slates import Slate
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from support.placements import with_placements

USER = "u00003"


@pytest.fixture(scope="module")
def placed(recommender: Recommender) -> Recommender:
    return with_placements(recommender)


def ids(slate: Slate) -> list[Any]:
    return [r.item for r in slate]


def genres(dataset: Dataset, slate: Slate) -> list[set[str]]:
    of = dataset.items.attributes["genres"]
    return [set(of.show(code)) for code in dataset.items.ids.codes(ids(slate)).tolist()]


def minutes(dataset: Dataset, items: list[Any]) -> list[float]:
    of = dataset.items.attribute("minutes", NumberAttribute).values
    return [float(of[code]) for code in dataset.items.ids.codes(items)]


def test_a_placement_is_its_settings_written_out(placed: Recommender) -> None:
    now = placed.now()
    named = placed.recommend(USER, placement="home", now=now)
    written = placed.recommend(USER, n=6, weights={"seconds": 3.0}, diversity=0.4, now=now)
    assert (ids(named), named.policy) == (ids(written), written.policy)
    assert (len(named), named.placement, written.placement) == (6, "home", "")
    assert len(placed.recommend(USER)) == 10


def test_a_request_overrides_field_by_field(placed: Recommender, dataset: Dataset) -> None:
    now = placed.now()
    own = placed.recommend(USER, n=4, weights={"play": 0.0}, diversity=0.0, placement="home", now=now)
    written = placed.recommend(
        USER, n=4, weights={"play": 0.0, "seconds": 3.0}, diversity=0.0, now=now
    )  # weights are merged
    assert ids(own) == ids(written)
    short = placed.recommend(USER, n=200, placement="short", now=now, explore=0.0)
    assert max(minutes(dataset, ids(short))) < 110
    # filters are replaced as a whole
    long = placed.recommend(USER, n=200, filters={"minutes": {"min": 120}}, placement="short", now=now)
    assert min(minutes(dataset, ids(long))) >= 120


def test_rules_of_a_placement_act_there_only(placed: Recommender, dataset: Dataset) -> None:
    now = placed.now()
    asked = [RecommendRequest(USER, 200, placement=name, now=now) for name in ("children", None, "short")]
    children, everywhere, short = placed.answer(asked)  # together, each as it would be alone
    assert not any("Horror" in of for of in genres(dataset, children))
    assert any("Horror" in of for of in genres(dataset, everywhere))
    assert "Comedy" in genres(dataset, short)[0]
    assert len({slate.policy for slate in (children, everywhere, short)}) == 3
    for request, slate in zip(asked, (children, everywhere, short), strict=True):
        assert ids(placed.recommend(request)) == ids(slate)
    # a request cannot switch them off
    loud = placed.recommend(USER, n=200, filters='genres contains "Horror"', placement="children", now=now)
    assert len(loud) == 0
    hidden = next(i for i, of in zip(everywhere, genres(dataset, everywhere), strict=True) if "Horror" in of)
    why = placed.why(USER, hidden.item, placement="children", now=now)
    assert why["sentence"] == "The rule 'no horror' hides it."


def test_a_page_has_the_rows_of_its_placement(placed: Recommender, dataset: Dataset) -> None:
    page = placed.page(RecommendRequest(USER, placement="home"), rows=4)
    assert sorted(row.title for row in page.rows) == ["Hot", "Short"]
    assert all(len(row.items) <= 6 for row in page.rows)
    short = next(row for row in page.rows if row.title == "Short")
    assert max(minutes(dataset, [r.item for r in short.items])) < 110
    assert {"Hot", "Short"}.isdisjoint(row.title for row in placed.page(RecommendRequest(USER), 4).rows)


def test_a_given_list_takes_the_weights_and_nothing_else(placed: Recommender, dataset: Dataset) -> None:
    items, now = [f"m{number:05d}" for number in range(40)], placed.now()
    home = placed.rank(USER, items, placement="home", now=now)
    assert ids(home) == ids(placed.rank(USER, items, weights={"seconds": 3.0}, now=now))
    assert home.placement == "home"
    short = placed.rank(USER, items, placement="short", now=now)
    assert ids(short) == ids(placed.rank(USER, items, now=now)), "a list comes back as a whole"
    assert short.warnings == []


def test_unknown_placements_are_refused_with_a_suggestion(
    placed: Recommender, recommender: Recommender
) -> None:
    for call in (
        lambda: placed.recommend(USER, placement="hoem"),
        lambda: placed.rank(USER, ["m00001"], placement="hoem"),
        lambda: placed.page(RecommendRequest(USER, placement="hoem")),
        lambda: placed.why(USER, "m00001", placement="hoem"),
    ):
        with pytest.raises(RequestError, match="did you mean 'home'") as error:
            call()
        assert error.value.field == "placement"
    with pytest.raises(RequestError, match="there are: none"):
        recommender.recommend(USER, placement="home")
    with pytest.raises(RequestError, match="must be a name"):
        RecommendRequest(placement=3)  # type: ignore[arg-type]


def test_placements_are_part_of_a_bundle(placed: Recommender, tmp_path: Path) -> None:
    loaded = Recommender.load(placed.save(tmp_path / "bundle"))
    assert loaded.project.placements == placed.project.placements
    now = placed.now()
    first = placed.recommend(USER, placement="short", now=now, explore=0.0)
    assert ids(first) == ids(loaded.recommend(USER, placement="short", now=now, explore=0.0))


def test_a_preview_of_a_placement(placed: Recommender, recommender: Recommender) -> None:
    people = recommender.some_users(20)
    assert [rule.name for rule in rerank_of(placed.project, "short").rules] == ["comedy first"]
    assert rerank_of(placed.project, "home").diversity == 0.4
    assert rerank_of(placed.project, "") == placed.project.rerank
    found = recommender.preview(placed.project, people, 5, placement="short")
    assert [part.part for part in found.parts if part.part.startswith("rule")] == ["rule: comedy first"]
    assert found.changed > 0
    # a placement that serves already is compared with itself
    assert placed.preview(placed.project, people, 5, placement="short").changed == 0
    # weights of the project count; those that the placement names stay
    other = changed_project(placed.project, None, {"seconds": 9.0})
    assert placed.preview(other, people, placement="home").changed == 0
    assert placed.preview(other, people, placement="short").objectives["seconds"].value > 0
    with pytest.raises(RequestError, match="no placement"):
        placed.preview(placed.project, people, placement="shrt")
