"""Pages of rows: assembly, themes, the requests that use them."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.data.attributes import NumberAttribute
from shortlist.data.dataset import Dataset
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.rerank.page_rows import PageLimits, Theme, assemble_page


def test_rows_selected_by_hand() -> None:
    utility = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0])
    topics = np.array([[1, 0]] * 4 + [[0, 1]] * 3, float)
    themes = [
        Theme("picks", "Picks", np.array([0, 4]), first=True),
        Theme("a", "Left", np.array([0, 1, 2])),
        Theme("a", "Left again", np.array([1, 2, 3])),
        Theme("b", "Right", np.array([4, 5, 6])),
        Theme("b", "Thin", np.array([0])),
    ]
    page = assemble_page(utility, topics, themes, PageLimits(4, 2, {"picks": 1, "a": 2, "b": 1}, 2))
    # the row marked first comes first; of the others, the row with more utility in unused items
    assert [(t.title, rows.tolist()) for t, rows in page] == [
        ("Picks", [0, 4]),
        ("Left", [1, 2]),
        ("Right", [5, 6]),
    ]
    # one row of a kind: then the row of the other kind comes, although its utility is lower
    page = assemble_page(utility, topics, themes[1:], PageLimits(4, 2, {"a": 1, "b": 1}, 2))
    assert [t.title for t, _ in page] == ["Left", "Right"]
    # topics that the page already shows count less
    alike = [
        Theme("a", "Left", np.array([0, 1])),
        Theme("a", "More left", np.array([2, 3])),
        Theme("a", "Right", np.array([4, 5])),
    ]
    order = {
        d: [t.title for t, _ in assemble_page(utility, topics, alike, PageLimits(2, 2, {"a": 3}, 2), d)]
        for d in (0.0, 1.0)
    }
    assert order == {0.0: ["Left", "More left"], 1.0: ["Left", "Right"]}


def test_no_row_is_of_one_kind_of_thing_by_hand() -> None:
    """Two places of four at most go to knives; a row of knives only is not shown, unless it is about them."""
    utility = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0])
    knife, pan, unknown = 0, 1, -1
    things = np.array([knife, knife, knife, pan, unknown, unknown, knife, knife])
    limits = PageLimits(3, 4, {"because": 3}, 2)

    def rows(theme: Theme, of: NDArray[Any] | None = things) -> list[list[int]]:
        page = assemble_page(utility, np.eye(8), [theme], limits, things=of)
        return [chosen.tolist() for _, chosen in page]

    all_rows = np.arange(8)
    assert rows(Theme("because", "Because", all_rows)) == [[0, 1, 3, 4]]
    assert rows(Theme("because", "Because", all_rows), None) == [[0, 1, 2, 3]]
    assert rows(Theme("because", "Because", all_rows, mixed=False)) == [[0, 1, 2, 3]]
    knives = np.array([0, 1, 2, 6])
    assert rows(Theme("because", "Because", knives)) == []
    assert rows(Theme("because", "Knives", knives, mixed=False)) == [[0, 1, 2, 6]]
    assert rows(Theme("because", "Because", knives), np.zeros(8, int)) == [
        [0, 1, 2, 6]
    ]  # there is nothing else
    assert rows(Theme("because", "Because", np.array([4, 5]))) == [[4, 5]]  # unknown: not the same kind


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, 30, elements=st.floats(-3, 3)),
    st.lists(st.lists(st.integers(0, 29), max_size=12, unique=True), max_size=8),
    st.integers(1, 6),
    st.integers(1, 8),
    st.floats(0, 1),
    hnp.arrays(np.int64, 30, elements=st.integers(-1, 3)),
)
def test_no_item_appears_twice_on_a_page(
    utility: NDArray[Any],
    lists: list[list[int]],
    rows: int,
    n: int,
    diversity: float,
    things: NDArray[Any],
) -> None:
    themes = [Theme("k", str(at), np.array(own, np.int64)) for at, own in enumerate(lists)]
    limits = PageLimits(rows, n, {"k": 3}, 1)
    page = assemble_page(utility, np.eye(30)[:, :5], themes, limits, diversity, things)
    shown = list(itertools.chain.from_iterable(r.tolist() for _, r in page))
    assert len(shown) == len(set(shown))
    assert len(page) <= min(rows, 3)
    for theme, chosen in page:
        assert 1 <= len(chosen) <= n
        own = theme.rows.tolist()
        places = [own.index(row) for row in chosen.tolist()]
        assert places == sorted(places)  # a row keeps its order
        kinds = Counter(things[chosen[things[chosen] >= 0]].tolist())
        assert all(count <= max(1, -(-n // 2)) for count in kinds.values()) or len(set(things.tolist())) == 1


def test_a_page_of_a_user_with_a_history(recommender: Recommender, dataset: Dataset) -> None:
    user = recommender.some_users(5)[1]
    page = recommender.page(RecommendRequest(user, 8), rows=7)
    assert page.user_known
    shown = [r.item for row in page.rows for r in row.items]
    assert len(shown) == len(set(shown))
    kinds = [row.kind for row in page.rows]
    assert page.kinds == Counter(kinds)
    had = set(
        dataset.items.ids.ids(recommender.state.histories.of(dataset.users.ids.codes([user]), [user]).item)
    )
    for row in page.rows:
        assert row.title
        codes = dataset.items.ids.codes([r.item for r in row.items])
        if row.kind == "attribute":
            assert all(row.about in dataset.items.attributes["genres"].show(int(c)) for c in codes)
        if row.kind == "because":
            assert row.about in had
            assert {r.reason for r in row.items} == {row.title}
        if row.kind == "trending":
            assert {r.reason for r in row.items} == {"Popular right now"}
        if row.kind == "continue":
            assert {r.item for r in row.items} <= had
        else:
            assert not {r.item for r in row.items} & had
    unknown = recommender.page(RecommendRequest("an unknown user", 8), rows=7)
    assert not unknown.user_known
    assert unknown.rows
    assert {"because", "continue"}.isdisjoint(row.kind for row in unknown.rows)


def test_unfinished_items_come_first_and_finished_ones_do_not(bundle: Path, dataset: Dataset) -> None:
    recommender = Recommender.load(bundle)  # its counters change
    minutes = dataset.items.attribute("minutes", NumberAttribute).values
    now = recommender.now()
    half, whole, old = (dataset.items.ids.id(code) for code in (11, 12, 13))
    for item, share, age in ((half, 0.4, 1), (whole, 0.97, 1), (old, 0.4, 40)):
        code = dataset.items.ids.code(item)
        recommender.observe(
            "a viewer", item, "play", now - age * 86_400_000, float(minutes[code]) * 60 * share
        )
    first = recommender.page(RecommendRequest("a viewer", 5), rows=4).rows[0]
    assert first.kind == "continue"
    assert [r.item for r in first.items] == [half]
    assert first.items[0].reason == "You are 40% through"


def test_up_next_depends_on_the_present_item(recommender: Recommender, dataset: Dataset) -> None:
    user = recommender.some_users(3)[0]
    before = dataset.items.ids.id(int(np.bincount(dataset.log.item).argmax()))
    plain = [r.item for r in recommender.recommend(user=user, n=10)]
    after = recommender.recommend(user=user, n=10, after=before)
    assert before not in {r.item for r in after}
    assert [r.item for r in after] != plain
    visitor = recommender.recommend(n=10, after=before)
    assert visitor.items[0].reason.startswith("Because you")
    with pytest.raises(RequestError) as error:
        recommender.recommend(user=user, after="nothing")
    assert error.value.field == "after"
