"""Pages of a slate: nothing comes twice, whatever happens between them; wrong cursors are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.rerank import RerankSettings, Rule
from shortlist.data.attributes import CodedAttribute, NumberAttribute
from shortlist.data.slates import Slate
from shortlist.errors import CursorError, RequestError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.rerank.pipeline import RerankPipeline
from support.placements import with_placements


def items_of(*slates: Slate) -> list[Any]:
    return [one.item for slate in slates for one in slate]


def test_pages_together_are_the_long_slate(recommender: Recommender) -> None:
    """Without re-ranking; caps and pins are tested below."""
    recommender = reranked(recommender)
    pages: list[Slate] = []
    cursor = None
    for _ in range(4):
        pages.append(recommender.recommend("u00001", 8, cursor=cursor))
        cursor = pages[-1].cursor
    whole = recommender.recommend("u00001", 32)
    assert items_of(*pages) == items_of(whole)
    assert [one.score for page in pages for one in page] == [one.score for one in whole]
    assert [page.first_position for page in pages] == [0, 8, 16, 24]
    assert pages[1].to_arrow().column("rank").to_pylist() == list(range(9, 17))


SIZES = st.lists(st.integers(1, 8), min_size=2, max_size=5).filter(lambda sizes: sum(sizes) <= 14)


def reranked(recommender: Recommender, **rerank: Any) -> Recommender:
    """The recommender with these settings of `[rerank]` and no others."""
    return recommender.with_project(
        recommender.project.model_copy(update={"rerank": RerankSettings(**rerank)})
    )


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    user=st.integers(1, 60),
    slots=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    cap=st.sampled_from([None, 1, 3, 20]),
    way=st.sampled_from(["", "mmr", "dpp", "calibration"]),
)
def test_pinned_pages_are_the_long_slate(
    recommender: Recommender, sizes: list[int], user: int, slots: list[int], cap: int | None, way: str
) -> None:
    """Each pin has its slot, whichever page that is on: with caps, diversity and genre calibration, and also where two name one slot."""
    conditions = ["minutes < 120", 'genres contains "Comedy"', "minutes < 100", 'id = "m00017"']
    pins = [
        Rule(name=f"pin {n}", when=when, action="pin", slot=slot)
        for n, (when, slot) in enumerate(zip(conditions, slots, strict=False))
    ]
    ways: dict[str, Any] = {"dpp": {"diversity_way": "dpp"}, "calibration": {"calibration_by": "genres"}}
    pinned = reranked(recommender, **ways.get(way, {}), exposure_by="studio", exposure_cap=cap, rules=pins)
    fields: dict[str, Any] = {"calibration" if way == "calibration" else "diversity": 0.6} if way else {}
    whole = items_of(pinned.recommend(f"u{user:05}", sum(sizes), **fields))
    assert len(set(whole)) == sum(sizes)
    assert items_of(*pages_of(pinned, f"u{user:05}", sizes, **fields)) == whole
    minutes = recommender.dataset.items.attribute("minutes", NumberAttribute).values
    if slots[0] not in slots[1:] and slots[0] < len(whole):
        assert minutes[recommender.dataset.items.ids.code(whole[slots[0]])] < 120


def test_a_page_that_ends_above_the_slot_of_a_pin_leaves_its_item_out(recommender: Recommender) -> None:
    """As the long slate does, which has it in its slot and nowhere else; why says so."""
    best = reranked(recommender).recommend("u00003", 1).items[0].item
    pinned = reranked(recommender, rules=[Rule(name="last", when=f'id = "{best}"', action="pin", slot=7)])
    first = pinned.recommend("u00003", 5)
    assert best not in items_of(first)
    assert pinned.recommend("u00003", 5, cursor=first.cursor).items[2].item == best
    why = pinned.why("u00003", best, n=5)
    assert (why["stage"], why["sentence"]) == (
        "rerank",
        "A pin keeps it for slot 7, counted from 0 over all pages.",
    )


@settings(max_examples=8)
@given(user=st.integers(1, 60), first=st.integers(3, 9), seed=st.integers(0, 99))
def test_one_slot_of_all_pages_is_for_a_new_item(
    recommender: Recommender, user: int, first: int, seed: int
) -> None:
    new = {"share": 1.0, "slot": 2, "window": "3650d", "budget": 100_000}
    trying = reranked(recommender, new_items=new)
    pages = pages_of(trying, f"u{user:05}", [first, 4, 5], seed=seed)
    whole = trying.recommend(f"u{user:05}", first + 9, seed=seed)
    assert items_of(*pages) == items_of(whole)
    chances = [one.propensity for page in pages for one in page]
    assert [slot for slot, chance in enumerate(chances) if chance is not None and chance < 1] == [2]


def test_slots_above_the_first_explored_one_are_counted_over_all_pages(recommender: Recommender) -> None:
    explored = reranked(recommender, explore=3.0, explore_from=7)
    best = items_of(reranked(recommender).recommend("u00005", 7))
    drawn = [pages_of(explored, "u00005", [5, 5, 5], seed=seed) for seed in range(6)]
    assert all(items_of(*pages)[:7] == best for pages in drawn)
    assert len({tuple(items_of(pages[2])) for pages in drawn}) > 1
    firsts = [pages[2].items[0].propensity for pages in drawn]
    assert all(chance is not None and chance < 1 for chance in firsts), "no page begins with a sure slot"


@settings(max_examples=15)
@given(sizes=SIZES, user=st.integers(1, 60), share=st.floats(0.05, 0.6))
def test_fair_shares_are_those_of_all_pages(
    recommender: Recommender, sizes: list[int], user: int, share: float
) -> None:
    """After each page, the protected items have their share of all slots so far, as far as there are any."""
    comedy = recommender.dataset.items.attribute("genres", CodedAttribute)
    wanted = {"by": "genres", "values": ["Comedy"], "share": share, "most_loss": 1.0}
    fair = reranked(recommender, fair=[wanted])
    protected = slots = 0
    all_comedies = sum("Comedy" in comedy.show(code) for code in range(len(recommender.dataset.items)))
    for page in pages_of(fair, f"u{user:05}", sizes):
        codes = recommender.dataset.items.ids.codes(items_of(page))
        protected += sum("Comedy" in comedy.show(int(code)) for code in codes)
        slots += len(page)
        assert protected >= min(share * slots - 1e-6, all_comedies)


def pages_of(recommender: Recommender, user: str, sizes: Sequence[int], **fields: Any) -> list[Slate]:
    pages, cursor = list[Slate](), None
    for size in sizes:
        pages.append(recommender.recommend(user, size, cursor=cursor, **fields))
        cursor = pages[-1].cursor
    return pages


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=5).filter(lambda sizes: sum(sizes) <= 200),
    user=st.integers(1, 60),
    strength=st.sampled_from([0.2, 0.5, 0.8]),
    way=st.sampled_from(["mmr", "dpp", "groups", "calibration"]),
    cap=st.sampled_from([None, 1, 4, 20]),
)
def test_diverse_pages_are_the_long_slate(
    recommender: Recommender, sizes: list[int], user: int, strength: float, way: str, cap: int | None
) -> None:
    """Similarity counts the items of earlier pages, and so do shares of genres and caps; also where all providers are full."""
    ways: dict[str, dict[str, Any]] = {
        "mmr": {},
        "dpp": {"diversity_way": "dpp"},
        "groups": {"diversity_by": "mood"},
        "calibration": {"calibration_by": "genres"},
    }
    diverse = reranked(recommender, **ways[way], exposure_by="studio", exposure_cap=cap)
    fields: dict[str, Any] = {"calibration" if way == "calibration" else "diversity": strength}
    whole = diverse.recommend(f"u{user:05}", sum(sizes), **fields)
    assert items_of(*pages_of(diverse, f"u{user:05}", sizes, **fields)) == items_of(whole)


@settings(max_examples=12)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    user=st.integers(1, 60),
    share=st.floats(0.0, 1.0),
)
def test_guard_rails_are_those_of_all_pages(
    recommender: Recommender, sizes: list[int], user: int, share: float
) -> None:
    """After each page, the mean of all items so far is what was asked, or what the best candidates reach after these pages."""
    plain = reranked(recommender)
    everything = [one for page in pages_of(plain, f"u{user:05}", [200, 200]) for one in page]
    predicted = {one.item: one.predictions["rating"] for one in everything}
    free = float(np.mean([one.predictions["rating"] for one in everything[: sum(sizes)]]))
    asked = free + share * (max(predicted.values()) - free)
    shown: list[Any] = []
    for page in pages_of(plain, f"u{user:05}", sizes, at_least={"rating": asked}):
        left = sorted((predicted[item] for item in predicted if item not in shown), reverse=True)
        possible = [predicted[item] for item in shown] + left[: len(page)]
        shown += items_of(page)
        reached = float(np.mean([predicted[item] for item in shown]))
        assert page.guard_rails["rating"]["reached"] == pytest.approx(reached, rel=1e-5)
        assert reached >= min(asked, float(np.mean(possible))) * (1 - 1e-4)


def test_a_later_page_makes_up_for_an_earlier_one(recommender: Recommender) -> None:
    """Where the first page is above the guard-rail, the second can be below it."""
    plain = reranked(recommender)
    free = plain.recommend("u00021", 20)
    means = [np.mean([one.predictions["play"] for one in free.items[at : at + 10]]) for at in (0, 10)]
    assert means[0] > means[1]
    rail = {"play": float(np.mean(means)) * 0.999}
    assert items_of(*pages_of(plain, "u00021", [10, 10], at_least=rail)) == items_of(free)


@settings(max_examples=8)
@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6), seed=st.integers(0, 99))
def test_no_item_comes_twice(recommender: Recommender, sizes: list[int], seed: int) -> None:
    """Pages of any size, with exploration, diversity and a filter."""
    fields: dict[str, Any] = {"filters": {"minutes": {"min": 60}}, "explore": 2.0, "diversity": 0.5}
    cursor: str | None = None
    shown: list[Any] = []
    for size in sizes:
        slate = recommender.recommend("u00002", size, cursor=cursor, seed=seed, **fields)
        assert slate.first_position == len(shown)
        shown += items_of(slate)
        cursor = slate.cursor
        if cursor is None:
            break
        assert len(slate) == size
    assert len(set(shown)) == len(shown)


def test_pages_end_with_the_catalogue(recommender: Recommender) -> None:
    shown: list[Any] = []
    slate = recommender.recommend(None, 80)
    while slate.cursor is not None:
        shown += items_of(slate)
        slate = recommender.recommend(None, 80, cursor=slate.cursor)
    shown += items_of(slate)
    assert len(slate) < 80
    assert len(set(shown)) == len(shown) > 250


def test_what_may_change_from_page_to_page(recommender: Recommender) -> None:
    first = recommender.recommend("u00004", 10, weights={"play": 2.0}, filters="minutes > 50")
    same: dict[str, Any] = {
        "weights": {"play": 2.0},
        "filters": "minutes > 50",
        "n": 4,
        "context": {"country": recommender.dataset.users.attributes["country"].show(0)},
    }
    second = recommender.recommend("u00004", cursor=first.cursor, history=["m00001"], seed=3, **same)
    assert len(second) == 4
    changes: list[dict[str, Any]] = [
        {"weights": {"play": 2.1}},
        {"filters": "minutes > 51"},
        {"filters": None},
        {"diversity": 0.2},
        {"boosts": [{"when": "minutes > 90", "amount": 1.0}]},
        {"after": "m00001"},
    ]
    for change in changes:
        with pytest.raises(CursorError, match="other filters") as refused:
            recommender.recommend("u00004", cursor=first.cursor, **{**same, **change})
        assert (refused.value.field, refused.value.conflict) == ("cursor", True)
    with pytest.raises(CursorError, match="another user"):
        recommender.recommend("u00005", cursor=first.cursor, **same)
    with pytest.raises(RequestError, match="one cursor, not both"):
        recommender.recommend(users=["u00004", "u00005"], cursor=first.cursor)


def test_what_an_arm_changes_does_not_count(recommender: Recommender) -> None:
    """The client sends the same request, whatever the experiment that its user is in makes of it."""
    request = RecommendRequest(user="u00006", n=10)
    slate = recommender.recommend(request.merged({"weights": {"seconds": 3.0}}))
    following = RecommendRequest(user="u00006", n=10, cursor=slate.cursor)
    second = recommender.recommend(following.merged({"weights": {"seconds": 3.0}}))
    third = recommender.recommend(RecommendRequest(user="u00006", n=10, cursor=second.cursor))
    assert len(set(items_of(slate, second, third))) == 30


def test_pages_of_a_placement(recommender: Recommender) -> None:
    """The next page names the placement, too. The cursor is of the request as it was sent, not of what the placement fills."""
    placed, user = with_placements(recommender), "u00003"
    pages = [placed.recommend(user, placement="home")]
    while len(pages) < 3:
        pages.append(placed.recommend(user, placement="home", cursor=pages[-1].cursor))
    assert [(len(page), page.first_position, page.placement) for page in pages] == [
        (6, 0, "home"),
        (6, 6, "home"),
        (6, 12, "home"),
    ]
    cursor = pages[-1].cursor
    others: list[dict[str, Any]] = [
        {},
        {"placement": "short"},
        {"placement": "home", "diversity": 0.4},
        {"weights": {"seconds": 3.0}, "diversity": 0.4},
    ]
    for other in others:
        with pytest.raises(CursorError, match="another user or placement"):
            placed.recommend(user, cursor=cursor, **other)
    # another bundle, with other settings of the placement, goes on
    changed = with_placements(
        recommender, placements={"home": {"n": 4, "weights": {"rating": 2.0}}}, experiments={}
    )
    pages.append(changed.recommend(user, placement="home", cursor=cursor))
    assert (len(pages[3]), pages[3].first_position) == (4, 18)
    assert len(set(items_of(*pages))) == 22
    # and why knows the page
    why = placed.why(user, pages[0].items[0].item, placement="home", cursor=cursor)
    assert why["sentence"] == "It is on an earlier page."


def test_why_names_an_earlier_page(recommender: Recommender) -> None:
    first = recommender.recommend("u00009", 5)
    answer = recommender.why("u00009", first.items[0].item, 5, cursor=first.cursor)
    assert (answer["stage"], answer["sentence"]) == ("page", "It is on an earlier page.")


@pytest.mark.parametrize("way", ["mmr", "dpp"])
def test_a_plain_first_page_is_chosen_as_any_other(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Without earlier pages and caps the limits of slots need not be computed: the slates are the same."""
    diverse = reranked(recommender, diversity=0.6, diversity_way=way)
    users = [f"u{user:05}" for user in range(1, 25)]

    def slates() -> list[list[Any]]:
        return [items_of(diverse.recommend(user, n)) for user in users for n in (3, 20, 21)]

    plain = slates()
    monkeypatch.setattr(RerankPipeline, "_is_plain", lambda *_: False)
    assert slates() == plain
