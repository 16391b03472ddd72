"""Judging: any library's tables, intervals and corrections, slices, cautions; hand-made cases whose answer is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import shortlist
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError, ProjectError, ShortlistError
from shortlist.evaluate.comparison import FoldSlates, compare_slates
from shortlist.evaluate.folds import make_folds
from shortlist.evaluate.measures import CatalogueStatistics, RelevantItems, mean_by_person
from shortlist.evaluate.slices import Slice, SliceCodes
from shortlist.evaluate.warnings import find_warnings
from shortlist.metrics.gains import ragged
from shortlist.metrics.significance import PairedMetrics, Resamples

TEST = pd.DataFrame({"user_id": ["a", "a", "b", "c"], "item_id": ["x", "y", "z", "x"]})
ONE = pd.DataFrame({"user_id": ["a", "a", "b", "c"], "item_id": ["x", "z", "z", "y"], "rank": [1, 2, 1, 1]})
TWO = pd.DataFrame({"user": ["a", "b", "c"], "item": ["z", "y", "y"], "score": [0.3, 9.0, 1.0]})


def judged(tables: Any, **more: Any) -> Any:
    return shortlist.evaluate(tables, test=more.pop("test", TEST), draws=200, **more)


# ---------------------------------------------------------------- tables of other libraries


def test_by_hand() -> None:
    report = judged({"one": ONE, "two": TWO}, k=2)
    assert report.metrics["one"]["recall@2"].value == pytest.approx((0.5 + 1 + 0) / 3)
    assert report.metrics["one"]["mrr@2"].value == pytest.approx((1 + 1 + 0) / 3)
    assert report.metrics["two"]["hit_rate@2"].value == 0
    assert report.facts["people"] == 3
    assert report.comparisons[0].people == 3


@pytest.mark.parametrize(
    "frame", [lambda t: t, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "arrow"]
)
def test_frames_and_order_of_rows_do_not_matter(frame: Any) -> None:
    mixed = ONE.sample(frac=1, random_state=3)
    report = judged({"one": frame(mixed)}, k=2, test=frame(TEST))
    assert report.metrics["one"]["recall@2"].value == pytest.approx(0.5)


def test_files_and_scores(tmp_path: Path) -> None:
    ONE.assign(score=-ONE["rank"]).drop(columns="rank").to_csv(tmp_path / "one.csv", index=False)
    TEST.to_parquet(tmp_path / "test.parquet")
    report = judged(str(tmp_path / "one.csv"), test=str(tmp_path / "test.parquet"), k=2)
    assert report.metrics["recommendations"]["mrr@2"].value == pytest.approx(2 / 3)


def test_users_without_a_list_count_as_missed_and_are_reported() -> None:
    report = judged({"one": ONE[ONE.user_id != "b"], "two": TWO}, k=2)
    assert report.metrics["one"]["recall@2"].value == pytest.approx(0.5 / 3)
    assert report.facts["lists"]["one"]["people_without_a_list"] == 1
    assert any("no list for 1 of 3" in c for c in report.warnings)


def test_ties_are_named_with_what_they_decide() -> None:
    lists = {"a": ["x", "p", "q"], "b": ["p", "q", "z"], "c": ["p", "x", "q"]}

    def table(scores: dict[str, list[float]]) -> pd.DataFrame:
        rows = [(u, i, s) for u, items in lists.items() for i, s in zip(items, scores[u], strict=True)]
        return pd.DataFrame(rows, columns=["user_id", "item_id", "score"])

    constant = table({user: [1.0, 1.0, 1.0] for user in lists})
    # a: the first two places; b: the second and the third; c: none
    some = table({"a": [2.0, 2.0, 1.0], "b": [3.0, 1.0, 1.0], "c": [3.0, 2.0, 1.0]})
    report = judged({"constant": constant, "some": some}, k=2)
    # the order of the rows decides: read backwards, the constant scorer has other values
    backwards = judged({"constant": constant[::-1]}, k=2)
    assert report.metrics["constant"]["ndcg@2"].value != backwards.metrics["constant"]["ndcg@2"].value
    ties = {c.split(" ")[0]: c for c in report.warnings if "has ties" in c}
    assert "on 3 of 3 lists" in ties["constant"]
    assert "On 3 of them every item has the same score" in ties["constant"]
    assert "on 2 of 3 lists" in ties["some"]
    assert "every item" not in ties["some"]
    # only the first place counts: of b it has no tie
    assert any("some has ties: on 1 of 3 lists" in c for c in judged({"some": some}, k=1).warnings)
    # ranks can be tied too, and lists without ties are not named
    same = judged({"ranked": some.assign(rank=[1, 1, 2, 1, 2, 3, 1, 2, 3]).drop(columns="score")}, k=2)
    assert any("ranked has ties: on 1 of 3 lists" in c for c in same.warnings)
    assert not any("ties" in c for c in judged({"one": ONE, "two": TWO}, k=2).warnings)


def test_graded_and_past(tmp_path: Path) -> None:
    test = TEST.assign(gain=[3.0, 1.0, 1.0, 2.0])
    train = pd.DataFrame({"user_id": ["a", "b", "d", "d"], "item_id": ["z", "x", "x", "y"]})
    items = pd.DataFrame({"item_id": ["x", "y", "z"], "genre": ["g", "h", "g"]})
    report = judged({"one": ONE}, test=test, train=train, items=items, k=2)
    best = 3 + 1 / np.log2(3)
    assert report.metrics["one"]["graded_ndcg@2"].value == pytest.approx((3 / best + 1 + 0) / 3)
    assert {"novelty@2", "popularity_lift@2", "coverage@2"} <= set(report.metrics["one"])
    assert any("go to items that the person already has" in c for c in report.warnings)


def test_repeated_rows_of_the_items_table_are_named() -> None:
    items = pd.DataFrame({"item_id": ["x", "y", "z", "y"], "genre": ["g", "h", "g", "k"]})
    with pytest.raises(
        DataError, match=r"items: 1 rows repeat an id in item_id \(for example rows 2 and 4: y\)"
    ):
        judged({"one": ONE}, items=items, k=2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="rank"), "neither a column rank"),
        (lambda t: t.rename(columns={"item_id": "thing"}), "no column item_id"),
        (lambda t: t.assign(rank=[1, 2, None, 1]), "row 3: user b, item z"),
        (
            lambda t: t.assign(rank=["1", "2", "x", "1"]),
            "rank: must be numbers, and this is none (1 row; the first is row 3: x)",
        ),
        (lambda t: t.assign(rank=[{"a": 1}] * 4), "rank must be numbers and is struct"),
        (lambda t: t.assign(rank=[True] * 4), "rank must be numbers and is bool"),
        (lambda t: t.assign(item_id=["x", "", "z", "y"]), "the first is row 2"),
        (
            lambda t: t.assign(item_id=["x", "z" * 600, "z", "y"]),
            "item_id: a text id has at most 512 characters",
        ),
        (lambda t: t.assign(item_id=["x", "x", "z", "y"]), "item x is more than once on the list of user a"),
        (lambda t: t.assign(user_id=["A", "A", "B", "C"]), "none of its users is in the test"),
        (lambda t: t.assign(user_id=[1, 1, 2, 3]), "make them the same type"),
        (lambda t: t.assign(item_id=["x", None, "z", "y"]), "the first is row 2"),
        (lambda t: t.iloc[:0], "no rows"),
    ],
)
def test_bad_tables_are_named(change: Any, said: str) -> None:
    with pytest.raises(DataError, match="mine") as caught:
        judged({"mine": change(ONE)})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"test": TEST.assign(gain=["a"] * 4)}, "test: gain: must be numbers, and this is none (4 rows; the first is row 1: a)"),
        ({"test": TEST.assign(gain=0)}, "test: no row has a gain above 0"),
        ({"test": TEST.assign(time=["2025-04-01", "soon", "", ""])}, "test: time: not a time (1 row; the first is row 2: soon)"),
        ({"train": ONE.assign(time=[1_750_000_000_000, None, 1_750_000_000_000, 1.0])}, "train: time: most times are in milliseconds"),
        ({"train": ONE.assign(time=[1, None, 2, 3])}, "train: time: the time is missing (1 row; the first is row 2: "),
        ({"train": ONE.assign(user_id=[1, 1, 2, 3])}, "train: user ids are int64 here (e.g. 1) and string in the test (e.g. 'a')"),
        ({"items": pd.DataFrame({"item_id": [1], "genre": ["a"]})}, "items: item ids are int64 here (e.g. 1)"),
    ],
)  # fmt: skip
def test_bad_tests_and_training_tables_are_named(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        judged({"one": ONE}, **tables)
    assert said in str(caught.value)


def test_columns_are_found_by_their_exact_names_first() -> None:
    more = judged({"one": ONE.assign(User_ID="nobody")}, k=2)
    assert more.metrics["one"]["recall@2"].value == judged({"one": ONE}, k=2).metrics["one"]["recall@2"].value


def test_bad_requests() -> None:
    with pytest.raises(DataError, match="no test"):
        shortlist.evaluate({"one": ONE})
    with pytest.raises(DataError, match="at least one table"):
        judged({})
    with pytest.raises(DataError, match="row 2 has -1"):
        judged({"one": ONE}, test=TEST.assign(gain=[1, -1, 1, 1]))
    with pytest.raises(ProjectError, match="Krichene & Rendle 2020"):
        judged({"one": ONE}, candidates=100)
    with pytest.raises(ShortlistError):
        judged({"one": "nowhere.parquet"})


def test_the_split_of_a_data_set_is_the_projects(dataset: Dataset, project: Project) -> None:
    people = dataset.users.ids.ids(np.arange(len(dataset.users)))
    lists = pd.DataFrame({"user_id": people, "item_id": dataset.items.ids.id(0), "rank": 1})
    with pytest.raises(DataError, match="needs project="):
        shortlist.evaluate({"one": lists}, dataset)
    report = shortlist.evaluate({"one": lists}, dataset, project=project, draws=100)
    fold = next(make_folds(project, dataset))
    assert report.simulated
    assert report.facts["people"] == len(fold.users)


def test_the_first_use_in_a_process() -> None:
    """The name is imported when first used, and must mean the same then as later."""
    code = (
        "import pandas as pd, shortlist\n"
        "t = pd.DataFrame({'user_id': ['a'], 'item_id': ['x'], 'rank': [1]})\n"
        "print(shortlist.evaluate({'one': t}, test=t, draws=100).metrics['one']['recall@10'].value)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1.0"


# ---------------------------------------------------------------- intervals and comparisons


def test_resamples_are_those_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((30, 3))
    values[:10, 1] = np.nan
    means = Resamples(30, 60, 5).means(values)
    again = np.random.default_rng(5)
    drawn = np.concatenate([again.integers(0, 30, (n, 30)) for n in (50, 10)])
    np.testing.assert_allclose(means, np.nanmean(values[drawn], axis=1))


def _measured(columns: dict[str, np.ndarray], draws: int = 500, seed: int = 0) -> PairedMetrics:
    return PairedMetrics.from_values(
        {name: {"ndcg@10": values} for name, values in columns.items()}, draws, seed
    )


def test_a_paired_difference_is_found_where_intervals_overlap() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(400)
    measured = _measured({"a": hard + 0.01 + 0.01 * rng.standard_normal(400), "b": hard})
    a, b = measured.estimate("a", "ndcg@10"), measured.estimate("b", "ndcg@10")
    assert a.low < b.high  # beside each other they could be the same
    comparison = measured.compare([("a", "b")], "ndcg@10")[0]
    assert comparison.verdict == "better"
    assert "a is better than b" in comparison.sentence()


def test_many_comparisons_of_equals_find_no_winner() -> None:
    """One recommender against 15 that are as good: at 95 % each, most such families would have a winner by chance."""
    rng = np.random.default_rng(2)
    corrected = plain = 0
    pairs = [("a", f"b{n}") for n in range(15)]
    for trial in range(150):
        columns = {name: rng.random(200) for name in ["a", *(b for _, b in pairs)]}
        found = _measured(columns, 500, trial).compare(pairs, "ndcg@10")
        corrected += any(c.verdict != "can't tell" for c in found)
        plain += any(c.difference.low > 0 or c.difference.high < 0 for c in found)
    assert plain > 45
    assert corrected <= 15  # 5 % of 150 is 7.5; 15 is three standard errors above


def test_needed_people_would_do() -> None:
    """With the number of people that was asked for, four of five tests find the difference."""
    rng = np.random.default_rng(3)
    few = _measured({"a": rng.normal(0.03, 0.3, 150), "b": np.zeros(150)}, 600).compare(
        [("a", "b")], "ndcg@10"
    )[0]
    assert few.verdict == "can't tell"
    assert few.people_needed is not None
    assert "You would need about" in few.sentence()
    size = few.difference.value / np.std(rng.normal(0.03, 0.3, 100_000))
    again = rng.normal(size, 1.0, (400, few.people_needed))
    found = (again.mean(1) / (again.std(1) / np.sqrt(few.people_needed)) > 1.96).mean()
    assert 0.7 < found < 0.9
    same = _measured({"a": np.ones(10), "b": np.ones(10)}).compare([("a", "b")], "ndcg@10")[0]
    assert "are equal" in same.sentence()


def test_a_person_counts_once() -> None:
    values = mean_by_person(np.array([1.0, 0.0, np.nan, 0.5]), np.array([7, 7, 8, 9]))
    np.testing.assert_array_equal(values, [0.5, np.nan, 0.5])


# ---------------------------------------------------------------- what misleads


def test_simpson_is_planted_and_found() -> None:
    """a is far ahead for those with many events, and slightly behind everywhere else."""
    rng = np.random.default_rng(0)
    parts = {"many": (300, 0.30), "some": (300, -0.03), "few": (300, -0.03)}
    ahead = np.concatenate([d + 0.01 * rng.standard_normal(n) for n, d in parts.values()])
    base = rng.random(900)
    columns: dict[str, dict[str, np.ndarray]] = {
        "a": {"ndcg@10": base + ahead, "precision@10": base + ahead},
        "b": {"ndcg@10": base, "precision@10": base},
    }
    start = 0
    slices = []
    for name, (n, _) in parts.items():
        inside = (np.arange(900) >= start) & (np.arange(900) < start + n)
        for values in columns.values():
            values[f"slice|{name}"] = np.where(inside, values["ndcg@10"], np.nan)
        start += n
    measured = PairedMetrics.from_values(columns, 300)
    for name in parts:
        key = f"slice|{name}"
        slices.append(
            Slice(
                "activity",
                name,
                "people",
                300,
                {w: measured.estimate(w, key) for w in columns},
                {"b": measured.difference("a", "b", key)},
            )
        )
    found = find_warnings(measured, slices, ["ndcg@10", "precision@10"], "ndcg@10", "a")
    assert any("Simpson's paradox" in c and "behind in 2 of 3 slices by activity" in c for c in found)
    even = [s for s in slices if s.name == "many"] * 2
    assert not any("Simpson" in c for c in find_warnings(measured, even, ["ndcg@10"], "ndcg@10", "a"))


def _round(slates: dict[str, list[list[int]]], wanted: list[list[int]], codes: np.ndarray) -> FoldSlates:
    indptr, item = ragged([np.array(w) for w in wanted])
    n = len(codes)
    cuts = SliceCodes({}, {"popularity": (codes, ["head (2 items)", "middle (2 items)", "tail (2 items)"])})
    lists = {name: np.array(lines) for name, lines in slates.items()}
    return FoldSlates(
        "test", lists, RelevantItems(indptr, item), CatalogueStatistics(n), np.arange(len(wanted)), cuts
    )


def test_a_gain_from_popularity_alone_is_planted_and_found() -> None:
    codes = np.array([0, 0, 1, 1, 2, 2])
    wanted = [[0, 2]] * 100
    crowd = [[0, 1]] * 100  # always the head item
    taste = [[2, 3]] * 60 + [[3, 5]] * 40  # the middle one, for some
    report = compare_slates(
        [_round({"crowd": crowd, "taste": taste}, wanted, codes)], "crowd", 2, 300, main="recall"
    )
    assert report.comparisons[0].verdict == "better"
    assert any("The gain of crowd over taste comes from popularity alone" in c for c in report.warnings)
    steady = [[0, 2]] * 100  # finds the head and the middle
    fair = compare_slates(
        [_round({"steady": steady, "crowd": crowd}, wanted, codes)], "steady", 2, 300, main="recall"
    )
    assert fair.comparisons[0].verdict == "better"
    assert not any("popularity alone" in c for c in fair.warnings)


def test_disagreeing_metrics_are_reported_with_their_blind_spots() -> None:
    wanted = [[0, 1, 2, 3]] * 200
    first = [[0, 9, 8, 7]] * 200  # one hit, at once
    later = [[9, 0, 1, 2]] * 200  # three hits, one place lower
    codes = np.full(10, -1)
    report = compare_slates(
        [_round({"first": first, "later": later}, wanted, codes)], "first", 4, 200, main="mrr"
    )
    said = [c for c in report.warnings if "mrr@4 prefers first" in c]
    assert said
    assert any("recall@4 prefers later" in c for c in said)
    assert any("hits after the first" in c for c in said)


@pytest.mark.parametrize(
    ("popular", "words"),
    [
        ("popular", "not significantly better than a list of popular items"),
        (
            "popular_7d",
            "not significantly better than a list of items that were popular in the last seven days",
        ),
    ],
)
def test_a_recommender_not_better_than_popular_is_reported(popular: str, words: str) -> None:
    wanted = [[p % 5] for p in range(100)]
    same = [[0, 1]] * 100
    report = compare_slates(
        [_round({"mine": same, popular: same}, wanted, np.full(6, -1))], "mine", 2, 200, main="ndcg"
    )
    assert any(words in c for c in report.warnings)


def test_a_winner_that_depends_on_the_test_period_is_reported() -> None:
    wanted = [[0]] * 50
    rounds = [
        _round({"a": [[0, 1]] * 50, "b": [[1, 0]] * 50}, wanted, np.full(2, -1)),
        _round({"a": [[1, 0]] * 50, "b": [[0, 1]] * 50}, wanted, np.full(2, -1)),
    ]
    report = compare_slates(rounds, "a", 2, 200)
    assert report.by_cut["a"][0] > report.by_cut["a"][1]
    assert any("depends on the test period" in c for c in report.warnings)


def test_short_lists_stay_at_k() -> None:
    report = judged({"one": ONE}, k=10)
    assert report.metrics["one"]["precision@10"].value == pytest.approx((1 + 1 + 0) / 30)
    assert any("lists of at most 2 items, but 10 are evaluated" in c for c in report.warnings)
