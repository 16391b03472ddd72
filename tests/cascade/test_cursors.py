"""Cursors: text that any process and any model reads, for a day; wrong ones are refused."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from shortlist.data.cursor import MAX_AGE, MAX_CURSOR, MAX_PAGED, Cursor
from shortlist.data.slates import Slate
from shortlist.errors import CursorError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest


def items_of(*slates: Slate) -> list[Any]:
    return [one.item for slate in slates for one in slate]


def unpacked(cursor: str) -> dict[str, Any]:
    content = base64.urlsafe_b64decode(cursor + "==")
    return dict(json.loads(content if content.startswith(b"{") else zlib.decompress(content)))


def plain(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def packed(content: Any) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(content).encode())).decode().rstrip("=")


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
