"""Expressions in requests, rules, boosts and rows of a page, on a trained recommender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.config.project import parse_project
from shortlist.data.attributes import NumberAttribute, TimeAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.slates import Slate
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest

USER = "u00003"
DAY = 86_400_000


def ids(slate: Slate) -> list[Any]:
    return [r.item for r in slate]


def genres(dataset: Dataset, item: Any) -> set[str]:
    return set(dataset.items.attributes["genres"].show(dataset.items.ids.code(item)))


def with_settings(recommender: Recommender, **sections: dict[str, Any]) -> Recommender:
    """The recommender with other settings of some sections."""
    values = recommender.project.model_dump()
    changed = parse_project(values | {name: values[name] | section for name, section in sections.items()})
    return recommender.with_project(changed)


def test_both_forms_give_one_slate(recommender: Recommender) -> None:
    now = recommender.now()
    options: dict[str, Any] = {"user": USER, "n": 20, "now": now, "explore": 0.0}
    mapping = recommender.recommend(
        **options, filters={"genres": {"none": ["Horror"]}, "minutes": {"max": 110}}
    )
    text = recommender.recommend(**options, filters="not (genres contains 'Horror') and minutes <= 110")
    assert ids(mapping) == ids(text)
    assert [r.predictions for r in mapping] == [r.predictions for r in text]
    assert len(text) == 20


def test_what_a_filter_reads_of_the_request(recommender: Recommender, dataset: Dataset) -> None:
    now = recommender.now()
    like = recommender.recommend(USER, n=10, after="m00007", filters="genres in viewed.genres", now=now)
    assert len(like) == 10
    assert all(genres(dataset, item) & genres(dataset, "m00007") for item in ids(like))

    arrived = dataset.items.attribute("arrived", TimeAttribute).times
    recent = recommender.recommend(USER, n=200, filters="arrived > now - 20d", now=now, explore=0.0)
    earlier = recommender.recommend(
        USER, n=200, filters="arrived > now - 20d", now=now - 10 * DAY, explore=0.0
    )
    for slate, moment in ((recent, now), (earlier, now - 10 * DAY)):
        assert len(slate)
        assert all(arrived[dataset.items.ids.code(item)] > moment - 20 * DAY for item in ids(slate))
    assert len(earlier) > len(recent)

    history = ["m00001", "m00002"]
    other = recommender.recommend(history=history, n=50, filters="not (genres in history.genres)", now=now)
    had = genres(dataset, "m00001") | genres(dataset, "m00002")
    assert len(other)
    assert not any(genres(dataset, item) & had for item in ids(other))

    with pytest.raises(RequestError, match="give its id as after") as error:
        recommender.recommend(USER, filters="genres in viewed.genres")
    assert error.value.field == "filters"


def test_users_of_one_batch_have_their_own_masks(recommender: Recommender, dataset: Dataset) -> None:
    """Each slate of a batch is the slate of the request alone, and a condition on the user decides for whole slates."""
    users, now = recommender.some_users(30), recommender.now()
    country = dataset.users.attributes["country"]
    first = country.show(dataset.users.ids.code(users[0]))
    text = f"user.country = '{first}' and not (id in history.id)"
    options: dict[str, Any] = {"n": 5, "filters": text, "now": now, "explore": 0.0}
    together = recommender.recommend(users=users, **options)
    for user, slate in zip(users, together, strict=True):
        assert ids(slate) == ids(recommender.recommend(user, **options))
        assert bool(len(slate)) == (country.show(dataset.users.ids.code(user)) == first)
    assert 0 < sum(len(slate) > 0 for slate in together) < len(users)
    visitor = recommender.recommend(**options, context={"country": first})
    assert len(visitor) == 5


def test_a_changed_item_counts_at_once(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    text = "studio = 'Brand New' or title contains 'unheard of'"
    assert not len(recommender.recommend(USER, filters=text))
    recommender.change_item("m00010", {"attributes": {"studio": "Brand New"}})
    recommender.change_item("added", {"title": "Unheard Of"})
    assert set(ids(recommender.recommend(history=["m00001"], filters=text))) == {"m00010", "added"}
    recommender.change_item("m00010", {"attributes": {"studio": None}})
    assert ids(recommender.recommend(history=["m00001"], filters=text)) == ["added"]


def test_boosts_of_a_request(recommender: Recommender, dataset: Dataset) -> None:
    options: dict[str, Any] = {
        "user": USER,
        "n": 30,
        "now": recommender.now(),
        "explore": 0.0,
        "diversity": 0.0,
    }
    plain = recommender.recommend(**options)
    boosts = [{"when": "genres contains 'Horror'", "amount": 100}]
    horror = recommender.recommend(**options, boosts=boosts)
    assert all("Horror" in genres(dataset, item) for item in ids(horror)[:5])
    assert horror.policy != plain.policy
    buried = recommender.recommend(
        **options, boosts=[{"when": {"genres": {"any": ["Action"]}}, "amount": -100}]
    )
    action = ["Action" in genres(dataset, item) for item in ids(buried)]
    assert sum(action) < sum("Action" in genres(dataset, item) for item in ids(plain))
    minutes = dataset.items.attribute("minutes", NumberAttribute).values
    short = recommender.recommend(
        **options, boosts=[{"when": "exists(minutes)", "amount": "(120 - minutes) / 10"}]
    )
    lengths = [float(np.mean(minutes[dataset.items.ids.codes(ids(slate)[:10])])) for slate in (plain, short)]
    assert lengths[1] < lengths[0]
    assert ids(recommender.recommend(**options)) == ids(plain)
    with pytest.raises(RequestError, match="did you mean 'genres'") as error:
        recommender.recommend(USER, boosts=[{"when": "genre contains 'Horror'", "amount": 1}])
    assert error.value.field == "boosts.0.when"


def test_rules_read_the_request(recommender: Recommender, dataset: Dataset) -> None:
    people = recommender.some_users(100)
    country = dataset.users.attributes["country"].show(dataset.users.ids.code(people[0]))
    rules = [
        {"name": "other studio", "when": "studio = viewed.studio", "action": "hide"},
        {"name": "shorter", "when": "minutes < viewed.minutes", "action": "boost", "amount": "(viewed.minutes - minutes) / 5"},
        {"name": "not now", "when": "arrived > now - 5d", "action": "hide"},
        {"name": "romance", "when": f"genres contains 'Romance' and user.country = '{country}'", "action": "pin"},
    ]  # fmt: skip
    ruled = with_settings(recommender, rerank={"rules": rules})
    items, now = dataset.items, ruled.now()
    studio, arrived = items.attributes["studio"], items.attribute("arrived", TimeAttribute).times
    of_viewed = studio.show(items.ids.code("m00007"))
    next_up = ruled.recommend(USER, n=200, after="m00007", now=now, explore=0.0)
    plain = ruled.recommend(USER, n=200, now=now, explore=0.0)
    assert of_viewed not in {studio.show(int(c)) for c in items.ids.codes(ids(next_up))}
    assert of_viewed in {studio.show(int(c)) for c in items.ids.codes(ids(plain))}
    for slate in (next_up, plain):
        assert (arrived[items.ids.codes(ids(slate))] <= now - 5 * DAY).all()
    near = ruled.similar("m00007", 50)
    assert near
    assert of_viewed not in {studio.show(items.ids.code(r.item)) for r in near}
    hidden = next(i for i in range(len(items)) if studio.show(i) == of_viewed and arrived[i] < now - 9 * DAY)
    why = ruled.why(
        USER, items.ids.id(hidden), after="m00007" if hidden != items.ids.code("m00007") else "m00001"
    )
    assert why["sentence"] == "The rule 'other studio' hides it."
    filtered = ruled.why(USER, items.ids.id(hidden), filters=f"minutes > 0 and studio != '{of_viewed}'")
    assert filtered["sentence"] == f"The filter studio != '{of_viewed}' excludes it."
    preview = recommender.preview(ruled.project, people, 8)
    assert {p.part for p in preview.parts} >= {f"rule: {rule['name']}" for rule in rules}
    assert next(p for p in preview.parts if p.part == "rule: romance").changed > 0


def test_rows_of_a_page(recommender: Recommender, dataset: Dataset) -> None:
    rows = [
        {"kind": "picks", "filters": "genres contains 'Action'", "title": "Action for you"},
        {"kind": "picks", "filters": {"minutes": {"max": 100}}, "title": "Short films"},
        {"kind": "attribute", "of": "genres", "most": 2, "filters": "arrived < now - 10d"},
        {"kind": "new", "filters": "genres in viewed.genres"},
    ]
    page = with_settings(recommender, page={"rows": rows}).page(RecommendRequest(USER, 8), rows=6)
    titles = [row.title for row in page.rows]
    assert titles[:2] == ["Action for you", "Short films"]
    assert not [row for row in page.rows if row.kind == "new"]  # no item is viewed
    assert all("Action" in genres(dataset, r.item) for r in page.rows[0].items)
    assert len(page.rows[0].items) == 8
    minutes = dataset.items.attribute("minutes", NumberAttribute).values
    assert all(minutes[dataset.items.ids.code(r.item)] <= 100 for r in page.rows[1].items)
    arrived = dataset.items.attribute("arrived", TimeAttribute).times
    kinds = [row for row in page.rows if row.kind == "attribute"]
    assert kinds
    assert all(
        arrived[dataset.items.ids.code(r.item)] < recommender.now() - 10 * DAY
        for row in kinds
        for r in row.items
    )


def test_kept_masks_are_counted(bundle: Path) -> None:
    catalogue = Recommender.load(bundle).state.catalogue
    for _ in range(3):
        catalogue.allowed("minutes < 100")
    assert (catalogue.lookups.hits, catalogue.lookups.misses) == (2, 1)
