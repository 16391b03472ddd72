"""Diversity as a process, calibration, fair shares, rules, rows: small cases by hand, independent references, properties."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shortlist.config.project import parse_project
from shortlist.config.rerank import FairShare, RerankSettings, Rule
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.evaluate.rerank_cost import preview_rerank, rerank_costs, rerank_parts
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.rerank.dpp import MIN_RESIDUAL, dpp
from shortlist.rerank.fairness import fair_share
from shortlist.rerank.genre_calibration import ALPHA, calibrate_genres, taste_distribution
from shortlist.rerank.page_rows import PageLimits, Theme, assemble_page
from shortlist.rerank.rules import adjust_utility, pin_items
from shortlist.serve.why import why_not

UTILITY = hnp.arrays(np.float64, 14, elements=st.floats(-5, 5))


# ---------------------------------------------------------------- DPP


@settings(deadline=None)
@given(UTILITY, st.integers(0, 2**31), st.floats(0, 1), st.integers(1, 16))
def test_dpp_permutes(utility: np.ndarray, seed: int, strength: float, n: int) -> None:
    order = dpp(utility, np.random.default_rng(seed).normal(size=(14, 4)).astype(np.float32), strength, n)
    assert sorted(order.tolist()) == list(range(14))
    if strength == 0:
        assert (np.diff(utility[order]) <= 0).all()


def test_dpp_is_the_greedy_determinant() -> None:
    """Beside determinants computed from scratch at each step."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        utility, vectors, strength = (
            rng.random(10),
            rng.normal(size=(10, 6)).astype(np.float32),
            rng.uniform(0.1, 0.9),
        )
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        kernel = (unit @ unit.T).astype(np.float64)
        worth = (utility - utility.min()) / np.ptp(utility) * (1 - strength)
        taken: list[int] = []
        for _ in range(5):
            base = np.linalg.det(kernel[np.ix_(taken, taken)]) if taken else 1.0
            gains = {
                i: worth[i]
                + strength
                * np.log(max(np.linalg.det(kernel[np.ix_([*taken, i], [*taken, i])]) / base, MIN_RESIDUAL))
                for i in range(10)
                if i not in taken
            }
            taken.append(max(gains, key=gains.__getitem__))
        assert dpp(utility, vectors, strength, 5)[:5].tolist() == taken


def test_a_mixture_of_two_is_no_news_to_a_process_and_is_to_pairs() -> None:
    from shortlist.rerank.mmr import mmr

    utility = np.array([1.0, 0.99, 0.9, 0.6])
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    assert dpp(utility, vectors, 0.2, 3)[:3].tolist() == [0, 1, 3]
    assert mmr(utility, vectors, 0.2, 3)[:3].tolist() == [0, 1, 2]


# ---------------------------------------------------------------- calibration


def test_tastes_by_hand() -> None:
    # two events: the older of genres 0 and 1, the later of genre 2
    found = taste_distribution(np.array([0, 1, 2]), np.array([0, 2, 3]), 4)
    older = 0.98
    np.testing.assert_allclose(found, np.array([older / 2, older / 2, 1.0, 0.0]) / (1 + older))
    assert not taste_distribution(np.empty(0, np.int64), np.zeros(1, np.int64), 3).any()


def _ragged(genres: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.concatenate([[0], np.cumsum([len(g) for g in genres])]).astype(np.int64),
        np.array([v for g in genres for v in g], np.int32),
    )


def _shares(genres: list[list[int]], chosen: list[int], size: int) -> np.ndarray:
    held = np.zeros(size)
    for row in chosen:
        for genre in genres[row]:
            held[genre] += 1 / len(genres[row])
    return held / len(chosen)


def divergence(taste: np.ndarray, shares: np.ndarray) -> float:
    """KL(p ‖ q̃) of a slate's shares."""
    known = taste > 0
    mixed = (1 - ALPHA) * shares[known] + ALPHA * taste[known]
    return float((taste[known] * np.log(taste[known] / mixed)).sum())


def test_calibrated_is_stecks_greedy() -> None:
    """Beside the divergence computed from scratch for every candidate at every step."""
    rng = np.random.default_rng(2)
    for _ in range(30):
        genres = [rng.choice(4, rng.integers(0, 4), replace=False).tolist() for _ in range(12)]
        utility, strength, taste = rng.random(12), rng.uniform(0.2, 0.95), rng.dirichlet([0.5] * 4)
        worth = (utility - utility.min()) / np.ptp(utility)
        taken: list[int] = []
        for _ in range(6):
            left = [i for i in range(12) if i not in taken]
            value = {
                i: (1 - strength) * worth[[*taken, i]].mean()
                - strength * divergence(taste, _shares(genres, [*taken, i], 4))
                for i in left
            }
            taken.append(max(value, key=value.__getitem__))
        got = calibrate_genres(utility, _ragged(genres), taste, strength, 6)
        assert got[:6].tolist() == taken
        assert sorted(got.tolist()) == list(range(12))


@settings(deadline=None)
@given(
    UTILITY,
    st.lists(st.lists(st.integers(0, 3), max_size=3, unique=True), min_size=14, max_size=14),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0, 1),
    st.integers(1, 16),
)
def test_calibrated_permutes(
    utility: np.ndarray, genres: list[list[int]], taste: list[float], strength: float, n: int
) -> None:
    shares = np.array(taste) / max(sum(taste), 1e-12)
    order = calibrate_genres(utility, _ragged(genres), shares, strength, n)
    assert sorted(order.tolist()) == list(range(14))
    if strength == 0 or not any(taste):
        assert (np.diff(utility[order]) <= 0).all()


@given(UTILITY, st.integers(0, 2**14 - 1), st.floats(0.01, 100))
def test_a_boost_lifts_and_a_bury_lowers(utility: np.ndarray, bits: int, amount: float) -> None:
    met = np.array([bool(bits >> i & 1) for i in range(14)])
    for action, sign in (("boost", 1), ("bury", -1)):
        rule = Rule(name="r", when={"x": {}}, action=action, amount=amount)
        worth = adjust_utility(utility, np.arange(14), [rule], lambda _rule: met)
        assert (worth[~met] == utility[~met]).all()
        assert (sign * (worth[met] - utility[met]) >= 0).all()


def test_calibrated_keeps_the_shares_where_utility_would_not() -> None:
    """Seven dramas to three comedies: every drama is a little likelier, and still three comedies are shown."""
    genres = [[0]] * 20 + [[1]] * 20
    utility = np.concatenate([np.linspace(1.0, 0.8, 20), np.linspace(0.79, 0.6, 20)])
    order = calibrate_genres(utility, _ragged(genres), np.array([0.7, 0.3]), 0.9, 10)[:10]
    assert Counter(genres[i][0] for i in order.tolist()) == {0: 7, 1: 3}
    assert calibrate_genres(utility, _ragged(genres), np.zeros(2), 0.9, 10)[:3].tolist() == [
        0,
        1,
        2,
    ]  # no history: by utility
    assert divergence(np.array([0.7, 0.3]), np.array([0.7, 0.3])) == pytest.approx(0.0)
    assert divergence(np.array([0.7, 0.3]), np.array([1.0, 0.0])) == pytest.approx(
        0.7 * np.log(0.7 / ((1 - ALPHA) + ALPHA * 0.7)) + 0.3 * np.log(1 / ALPHA)
    )


# ---------------------------------------------------------------- fair shares


def test_fair_share_by_hand() -> None:
    utility = np.array([10.0, 9.0, 8.0, 7.0, 6.5, 1.0])
    small = np.array([False, False, False, False, True, True])
    found = fair_share(np.arange(6), utility, small, 0.25, 0.05, 4)
    # one of four slots is owed: the worst of the others leaves for the best of the small ones
    assert found.order.tolist() == [0, 1, 2, 4]
    assert (found.reached, found.price) == (0.25, pytest.approx(0.5 / 34))
    # two would cost 0.5 + 7 of 34, which is more than a tenth: the second exchange is not made
    assert fair_share(np.arange(6), utility, small, 0.5, 0.1, 4).order.tolist() == [0, 1, 2, 4]
    assert fair_share(np.arange(6), utility, small, 0.5, 0.5, 4).order.tolist() == [0, 1, 5, 4]
    assert fair_share(np.arange(6), utility, small, 0.5, 0.0, 4).order.tolist() == [0, 1, 2, 3]
    assert fair_share(np.empty(0, np.int64), utility, small, 0.5, 0.1, 4).reached == 0.0


@given(UTILITY, st.integers(0, 2**14 - 1), st.floats(0.05, 1), st.floats(0, 1), st.integers(1, 14))
def test_a_fair_share_costs_what_it_may(
    utility: np.ndarray, bits: int, share: float, most: float, n: int
) -> None:
    favoured = np.array([bool(bits >> i & 1) for i in range(14)])
    order = np.argsort(-utility, kind="stable")
    found = fair_share(order, utility, favoured, share, most, n)
    assert len(set(found.order.tolist())) == len(found.order) == n
    before, after = utility[order[:n]].sum(), utility[found.order].sum()
    assert before - after <= most * max(before, 0) + 1e-9
    owed, have = int(np.ceil(share * n - 1e-9)), int(favoured[found.order].sum())
    was = int(favoured[order[:n]].sum())
    assert was <= have <= max(owed, was)
    if most == 1 and before > 0 and (utility >= 0).all():
        assert have >= min(owed, int(favoured.sum()))


# ---------------------------------------------------------------- business rules


def _about(masks: dict[str, list[int]]) -> object:
    return lambda rule: np.isin(np.arange(8), masks[rule.name])


def test_rules_by_hand() -> None:
    items = np.array([0, 1, 2, 3, 4])
    rules = [
        Rule(name="up", when={"x": {}}, action="boost", amount=1.0),
        Rule(name="down", when={"x": {}}, action="bury", amount=1.0),
        Rule(name="gone", when={"x": {}}, action="hide"),
    ]
    about = _about({"up": [0, 4], "down": [1], "gone": [2]})
    worth = adjust_utility(np.array([1.0, 4.0, 9.0, 3.0, -2.0]), items, rules, about)  # type: ignore[arg-type]
    assert worth.tolist() == [2.0, 2.0, -np.inf, 3.0, -1.0]  # a boost never does harm
    pins = [
        Rule(name="pin", when={"x": {}}, action="pin", slot=1),
        Rule(name="none", when={"x": {}}, action="pin"),
    ]
    order = np.array([3, 0, 1, 4])
    assert pin_items(order, items, pins, _about({"pin": [4, 1], "none": [7]}), 3).tolist() == [3, 1, 0]  # type: ignore[arg-type]
    assert pin_items(order, items, pins[:1], _about({"pin": [4]}), 10).tolist() == [3, 4, 0, 1]  # type: ignore[arg-type]


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)), st.integers(0, 10), st.integers(1, 8))
def test_a_pin_keeps_all_others_in_order(order: list[int], about: set[int], slot: int, n: int) -> None:
    rule = Rule(name="pin", when={"x": {}}, action="pin", slot=slot)
    got = pin_items(np.array(order), np.arange(8), [rule], _about({"pin": sorted(about)}), n).tolist()  # type: ignore[arg-type]
    assert len(set(got)) == len(got) == n
    if about:
        best = next(row for row in order if row in about)
        assert got[min(slot, n - 1)] == best
        rest = [row for row in order if row != best]
        assert [row for row in got if row != best] == rest[: n - 1]
    else:
        assert got == order[:n]


def test_rules_hold_on_slates_and_have_a_price(dataset: Dataset, recommender: Recommender) -> None:
    people = recommender.some_users(40)
    rules = [
        {"name": "no horror", "when": {"genres": {"any": ["Horror"]}}, "action": "hide"},
        {"name": "short first", "when": {"minutes": {"max": 95}}, "action": "pin", "slot": 0},
        {"name": "more comedy", "when": {"genres": {"any": ["Comedy"]}}, "action": "boost", "amount": 5.0},
    ]
    by = recommender.project.rerank.model_dump() | {
        "rules": rules,
        "fair": [{"by": "mood", "values": ["Cosy"], "share": 0.3, "most_loss": 0.5}],
        "calibration": 0.4,
        "calibration_by": "genres",
    }
    settings_of = RerankSettings.model_validate(by)
    found = preview_rerank(recommender, settings_of, people, 8)
    assert found.people == len(people)
    assert found.changed > 0.5
    assert found.price.value > 0
    assert {p.part for p in found.parts} == {
        "calibration", "exposure cap", "fair share: Cosy", "rule: no horror", "rule: short first", "rule: more comedy"
    }  # fmt: skip
    assert found.gains
    assert found.losses
    assert {p.part for p in found.parts} == {name for name, *_ in rerank_parts(settings_of)}
    assert rerank_costs(recommender, people)[0].part == "exposure cap"
    # and the rules hold: on slates, on pages, beside an item
    ruled = recommender.with_project(recommender.project.model_copy(update={"rerank": settings_of}))
    genres, minutes = dataset.items.attributes["genres"], dataset.items.attributes["minutes"]
    for slate in ruled.recommend(users=people, n=8):
        codes = dataset.items.ids.codes([r.item for r in slate])
        assert not any("Horror" in genres.show(int(c)) for c in codes)
        assert len(codes) == 8
        assert minutes.values[codes[0]] <= 95
    page = ruled.page(RecommendRequest(people[0], 10), rows=8)
    near = ruled.similar(dataset.items.ids.id(3), 30)
    for item in [r.item for row in page.rows for r in row.items] + [r.item for r in near]:
        assert "Horror" not in genres.show(dataset.items.ids.code(item))
    scary = next(i for i in range(len(dataset.items)) if "Horror" in genres.show(i))
    answer = why_not(ruled, dataset.items.ids.id(scary), RecommendRequest(people[0], 8))
    assert (answer["stage"], answer["sentence"]) == ("rules", "The rule 'no horror' hides it.")


def test_settings_that_cannot_be_are_refused(dataset: Dataset) -> None:
    base = dataset.project.model_dump()
    rule = {"name": "a", "when": {"items": {"any": ["x"]}}, "action": "hide"}
    for change, said in (
        ({"rules": [rule, rule]}, "names must differ"),
        ({"calibration": 0.5}, "calibration_by"),
        ({"fair": [{"by": "minutes", "values": ["x"], "share": 0.5}]}, "rerank.fair.0.by"),
        ({"show_again": "genres"}, "rerank.show_again"),
        ({"rules": [{**rule, "action": "shout"}]}, "boost"),
        ({"rules": [{**rule, "when": {"colour": {"any": ["red"]}}}]}, "uses 'colour'"),
    ):
        with pytest.raises(ProjectError) as error:
            parse_project({**base, "rerank": {**base["rerank"], **change}})
        assert said in error.value.message
    assert FairShare(by="x", values=["a"], share=0.2).most_loss == 0.05


# ---------------------------------------------------------------- rows


def test_rows_by_hand() -> None:
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
    # the row that is first comes first; of the others, what is free of the left ones brings more
    assert [(t.title, rows.tolist()) for t, rows in page] == [
        ("Picks", [0, 4]),
        ("Left", [1, 2]),
        ("Right", [5, 6]),
    ]
    # one kind, one row: then the right ones come, though they bring less
    page = assemble_page(utility, topics, themes[1:], PageLimits(4, 2, {"a": 1, "b": 1}, 2))
    assert [t.title for t, _ in page] == ["Left", "Right"]
    # what the page shows already counts less
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


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, 30, elements=st.floats(-3, 3)),
    st.lists(st.lists(st.integers(0, 29), max_size=12, unique=True), max_size=8),
    st.integers(1, 6),
    st.integers(1, 8),
    st.floats(0, 1),
)
def test_no_item_is_on_a_page_twice(
    utility: np.ndarray, lists: list[list[int]], rows: int, n: int, diversity: float
) -> None:
    themes = [Theme("k", str(at), np.array(own, np.int64)) for at, own in enumerate(lists)]
    page = assemble_page(utility, np.eye(30)[:, :5], themes, PageLimits(rows, n, {"k": 3}, 1), diversity)
    shown = list(itertools.chain.from_iterable(r.tolist() for _, r in page))
    assert len(shown) == len(set(shown))
    assert len(page) <= min(rows, 3)
    for theme, chosen in page:
        assert 1 <= len(chosen) <= n
        own = theme.rows.tolist()
        places = [own.index(row) for row in chosen.tolist()]
        assert places == sorted(places)  # a row keeps its own order


def test_a_page_for_somebody(recommender: Recommender, dataset: Dataset) -> None:
    person = recommender.some_users(5)[1]
    page = recommender.page(RecommendRequest(person, 8), rows=7)
    assert page.user_known
    shown = [r.item for row in page.rows for r in row.items]
    assert len(shown) == len(set(shown))
    kinds = [row.kind for row in page.rows]
    assert page.kinds == Counter(kinds)
    had = set(
        dataset.items.ids.ids(
            recommender.state.histories.of(dataset.users.ids.codes([person]), [person]).item
        )
    )
    for row in page.rows:
        assert row.title
        codes = dataset.items.ids.codes([r.item for r in row.items])
        if row.kind == "attribute":
            assert all(row.about in dataset.items.attributes["genres"].show(int(c)) for c in codes)
        if row.kind == "because":
            assert row.about in had
        if row.kind == "continue":
            assert {r.item for r in row.items} <= had
        else:
            assert not {r.item for r in row.items} & had
    stranger = recommender.page(RecommendRequest("nobody knows", 8), rows=7)
    assert not stranger.user_known
    assert stranger.rows
    assert {"because", "continue"}.isdisjoint(row.kind for row in stranger.rows)


def test_what_was_begun_comes_first_and_what_was_finished_does_not(
    recommender: Recommender, dataset: Dataset
) -> None:
    minutes = dataset.items.attributes["minutes"].values
    now = recommender.now()
    half, whole, old = (dataset.items.ids.id(code) for code in (11, 12, 13))
    for item, share, age in ((half, 0.4, 1), (whole, 0.97, 1), (old, 0.4, 40)):
        code = dataset.items.ids.code(item)
        recommender.observe(
            "a viewer", item, "play", now - age * 86_400_000, float(minutes[code]) * 60 * share
        )
    try:
        first = recommender.page(RecommendRequest("a viewer", 5), rows=4).rows[0]
        assert first.kind == "continue"
        assert [r.item for r in first.items] == [half]
        assert first.items[0].reason == "You are 40% through"
    finally:
        recommender.forget("a viewer")


# ---------------------------------------------------------------- up next, used up


def test_up_next_follows_what_is_before_somebody(recommender: Recommender, dataset: Dataset) -> None:
    person = recommender.some_users(3)[0]
    before = dataset.items.ids.id(int(np.bincount(dataset.log.item).argmax()))
    plain = [r.item for r in recommender.recommend(user=person, n=10)]
    after = recommender.recommend(user=person, n=10, after=before)
    assert before not in {r.item for r in after}
    assert [r.item for r in after] != plain
    visitor = recommender.recommend(n=10, after=before)
    assert visitor.items[0].reason.startswith("Because you")
    from shortlist.errors import RequestError

    with pytest.raises(RequestError) as error:
        recommender.recommend(user=person, after="nothing")
    assert error.value.field == "after"
