"""Pages of a slate: nothing comes twice, whatever happens between them; wrong cursors are refused."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.rerank import RerankSettings, Rule
from shortlist.data.attributes import CategoryAttribute, CodedAttribute, NumberAttribute
from shortlist.data.cursor import MAX_AGE, MAX_CURSOR, MAX_PAGED, Cursor
from shortlist.data.slates import Slate
from shortlist.errors import CursorError, RequestError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.rerank.pipeline import RerankPipeline
from support.placements import with_placements


def items_of(*slates: Slate) -> list[Any]:
    return [one.item for slate in slates for one in slate]


def unpacked(cursor: str) -> dict[str, Any]:
    content = base64.urlsafe_b64decode(cursor + "==")
    return dict(json.loads(content if content.startswith(b"{") else zlib.decompress(content)))


def plain(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def packed(content: Any) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(content).encode())).decode().rstrip("=")


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


@settings(max_examples=15)
@given(sizes=SIZES, user=st.integers(1, 60), cap=st.integers(3, 5))
def test_caps_and_pins_are_those_of_all_pages(
    recommender: Recommender, sizes: list[int], user: int, cap: int
) -> None:
    """Pages of any sizes: the cap holds over all of them, and each pin is in its slot, whichever page has it."""
    pins = [Rule(name=f"pin {slot}", when="minutes < 120", action="pin", slot=slot) for slot in (2, 6, 11)]
    mood = recommender.dataset.items.attribute("mood", CategoryAttribute)
    minutes = recommender.dataset.items.attribute("minutes", NumberAttribute).values
    capped = reranked(recommender, exposure_by="mood", exposure_cap=cap, rules=pins)
    items = items_of(*pages_of(capped, f"u{user:05}", sizes))
    codes = recommender.dataset.items.ids.codes(items)
    assert len(set(items)) == sum(sizes)
    assert all(minutes[codes[slot]] < 120 for slot in (2, 6, 11) if slot < len(items))
    known = mood.codes[codes][mood.codes[codes] >= 0]
    if cap * len(mood.vocabulary) >= len(items):  # else a slate would be shorter without more of them
        assert np.unique(known, return_counts=True)[1].max() <= cap


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


def test_new_events_and_another_model_repeat_nothing(bundle: Path) -> None:
    live = Recommender.load(bundle)
    first = live.recommend("u00003", 10)
    second = live.recommend("u00003", 10, cursor=first.cursor)
    for one in (*first.items[:3], *second.items[:2]):
        live.observe("u00003", one.item, "play", value=900.0)
    live.change_item(first.items[9].item, {"retired": True})
    live.change_item("m-new", {"title": "New", "attributes": {}})
    third = live.recommend("u00003", 10, cursor=second.cursor)
    other = Recommender.load(bundle)  # another process, which knows nothing of this one
    fourth = other.recommend("u00003", 10, cursor=third.cursor)
    pages = items_of(first, second, third, fourth)
    assert len(set(pages)) == len(pages) == 40
    gone = Cursor(str(unpacked(str(first.cursor))["terms"]), ("never", *items_of(first)), first.page.moment)  # type: ignore[union-attr]
    slate = other.recommend("u00003", 10, cursor=gone.text(["neither"]))
    assert not set(items_of(slate)) & set(items_of(first))
    assert slate.first_position == 12


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


def test_a_cursor_is_for_a_day(bundle: Path) -> None:
    recommender = Recommender.load(bundle)  # its windows move with the moments of the requests
    now = recommender.now()
    slate = recommender.recommend("u00007", now=now)
    assert recommender.recommend("u00007", now=now + MAX_AGE, cursor=slate.cursor).first_position == 10
    for moment in (now + MAX_AGE + 1, now - 3_600_000):
        with pytest.raises(CursorError, match="24 hours") as refused:
            recommender.recommend("u00007", now=moment, cursor=slate.cursor)
        assert refused.value.conflict


def test_hostile_cursors_are_refused(recommender: Recommender) -> None:
    cursor = str(recommender.recommend("u00008", 5).cursor)
    content = unpacked(cursor)
    bomb = base64.urlsafe_b64encode(zlib.compress(b"[" + b" " * 50_000_000)).decode()
    long = packed(content)
    wrong: list[Any] = ["", "x", "né", "A" * (MAX_CURSOR + 1), 17, b"x", bomb]
    wrong += [cursor[:-4], cursor + "AAAA", long[:-4], long + "AAAA"]
    wrong.append(long[:30] + ("A" if long[30] != "A" else "B") + long[31:])
    contents: list[Any] = [
        [1, 2],
        {**content, "items": []},
        {**content, "items": ["i"] * (MAX_PAGED + 1)},
        {**content, "items": [{"item": "m00001"}]},
        {**content, "items": [True]},
        {**content, "items": "m00001"},
        {**content, "moment": None},
        {**content, "moment": "now"},
        {**content, "terms": 3},
        {**content, "more": 1},
        {"items": content["items"]},
    ]
    wrong += [write(one) for one in contents for write in (plain, packed)]
    for one in wrong:
        with pytest.raises(CursorError) as refused:
            recommender.recommend("u00008", 5, cursor=one)
        assert (refused.value.field, refused.value.conflict) == ("cursor", False), one
    for same in (plain(content), long):
        assert recommender.recommend("u00008", 5, cursor=same).first_position == 5


def test_cursors_of_many_items_are_compressed() -> None:
    first = RecommendRequest(user="u").first_page.begun(7)
    few, many = first.text(range(5)), first.text(range(900))
    assert few is not None
    assert many is not None
    assert base64.urlsafe_b64decode(few + "==").startswith(b"{")
    assert len(many) < 4 * 900
    for text, n in ((few, 5), (many, 900)):
        assert Cursor.read(text, first).items == tuple(range(n))


def test_the_limits_of_a_cursor() -> None:
    first = RecommendRequest(user="u").first_page.begun(7)
    assert first.text(list(range(MAX_PAGED - 1))) is not None
    assert first.text(list(range(MAX_PAGED))) is None
    assert first.text(["é" * 500 + str(n) for n in range(900)]) is not None, "equal parts are stored once"
    assert first.text([]) is None
    read = RecommendRequest(user="u", cursor=first.text([1, "1", -3])).cursor
    assert read == Cursor(first.terms, (1, "1", -3), 7)


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
