"""From a table to a slate in a few lines: frames of any library, guessed columns, ids in and out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

import shortlist
from shortlist.errors import NotFittedError, ProjectError, RequestError
from shortlist.evaluate.train_test import RetrieverReport
from support.worlds import quick_training


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """80 people with one of four tastes."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, 80, 3_000).tolist()
    return [
        {
            "user_id": f"u{user}",
            "item_id": f"i{10 * (user % 4) + min(int(rng.exponential(3)), 9)}",
            "timestamp": 1_760_000_000 + 600 * at,
        }
        for at, user in enumerate(users)
    ]


@pytest.fixture(scope="module")
def fitted(rows: list[dict[str, Any]]) -> shortlist.Recommender:
    with quick_training():
        return shortlist.fit(pa.Table.from_pylist(rows), quiet=True)


@pytest.mark.usefixtures("quick_training")
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.Table.from_pylist, list])
def test_a_recommender_is_fitted_on_any_frame(frame: Any, rows: list[dict[str, Any]]) -> None:
    recommender = shortlist.Recommender()
    with pytest.raises(NotFittedError):
        assert recommender.project
    assert repr(recommender) == "Recommender(no project, not fitted)"
    recommender.fit(frame(rows))
    taste = {f"i{k}" for k in range(10, 20)}
    assert {one.item for one in recommender.recommend(history=["i12", "i13"], n=3)} <= taste
    assert list(recommender.project.objectives) == ["event"]


@pytest.mark.usefixtures("quick_training")
def test_what_was_guessed_is_told(rows: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    titles = [{"item_id": f"i{k}", "title": f"Item {k}"} for k in range(40)]
    recommender = shortlist.fit(rows, titles)
    told = capsys.readouterr().out
    assert "Dataset(80 users, 40 items, 3,000 events)" in told
    assert "Columns: user_id is the user, item_id is the item, timestamp is the timestamp" in told
    assert "guessed: No column is the value of an event" in told
    assert "Objectives: event (probability)" in told
    assert recommender.recommend(user="u1", n=1).items[0].title.startswith("Item ")
    shortlist.fit(rows, quiet=True)
    assert capsys.readouterr().out == ""


def test_a_data_set_needs_its_project(fitted: shortlist.Recommender) -> None:
    with pytest.raises(ProjectError, match=r"write Recommender\(project\)\.fit\(dataset\)"):
        shortlist.Recommender().fit(fitted.dataset)
    with pytest.raises(ProjectError, match="a data set holds its items"):
        shortlist.Recommender(fitted.project).fit(fitted.dataset, items=[{"item_id": "i1"}])


def test_parameters_are_those_that_were_given(fitted: shortlist.Recommender) -> None:
    assert fitted.get_params() == {"project": None}
    twin = clone(fitted)
    assert repr(twin) == "Recommender(no project, not fitted)"
    assert twin.set_params(project=fitted.project).project is fitted.project
    assert copy.deepcopy(fitted).recommend(user="u1", n=3).items == fitted.recommend(user="u1", n=3).items


def test_rank_orders_given_items(fitted: shortlist.Recommender) -> None:
    given = ["i30", "i11", "i3", "i10", "nothing"]
    slate = fitted.rank("u1", given)  # u1 has had i10 and i11: they are ranked all the same
    assert {one.item for one in slate} == set(given)
    assert {one.item for one in slate.items[:2]} == {"i10", "i11"}
    assert [one.score for one in slate] == sorted((one.score for one in slate), reverse=True)
    assert slate.unknown_items == ["nothing"]
    assert slate.items[-1].item == "nothing"
    [warning] = slate.warnings
    assert warning == "items: put last, because they have no fields and the catalogue has no item 'nothing'"
    visitor = fitted.rank(None, given[:4], history=["i31", "i32"])
    assert visitor.items[0].item == "i30"
    with pytest.raises(RequestError, match="items must be 1 to 2,000 items"):
        fitted.rank("u1", [])


def test_predictions_of_ranked_items_are_those_of_slates(fitted: shortlist.Recommender) -> None:
    slate = fitted.recommend(user="u2", n=8)
    ranked = fitted.rank("u2", [one.item for one in slate])
    expected = {one.item: one.predictions["event"] for one in slate}
    assert {one.item: one.predictions["event"] for one in ranked} == pytest.approx(expected, abs=1e-6)


def test_why(fitted: shortlist.Recommender) -> None:
    shown = fitted.recommend(user="u1", n=3).items[0].item
    assert fitted.why("u1", shown, n=3)["shown"]
    answer = fitted.why("u1", "i39", n=3)
    assert not answer["shown"]
    assert answer["sentence"]
    hidden = fitted.why("u1", shown, filters={"items": {"none": [shown]}})
    assert hidden["sentence"] == "The filter on items excludes it."


def test_a_retriever_alone(rows: list[dict[str, Any]]) -> None:
    model = shortlist.Neighbours().fit(pd.DataFrame(rows))
    one = model.recommend("u1", n=4)
    assert one.items == model.recommend(["u1"], n=4)[0].items
    assert len(model.recommend(pd.Series(["u1", "u2"]), n=4)) == 2
    with pytest.raises(RequestError, match="a user id or a list of user ids"):
        model.recommend(b"u1")


def test_slates_become_frames_without_pandas(fitted: shortlist.Recommender) -> None:
    slates = fitted.recommend(users=["u1", "u2"], n=3)
    assert pa.table(slates).equals(slates.to_arrow())
    assert pl.DataFrame(slates).height == 6
    assert pa.table(slates[0]).num_rows == 3


def test_evaluate_tables(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    train, test = pd.DataFrame(rows[:2_400]), pd.DataFrame(rows[2_400:])
    test = test.merge(train, how="left", on=["user_id", "item_id"], indicator=True)
    test = test[test._merge == "left_only"][["user_id", "item_id"]]
    report = shortlist.evaluate(train=train, test=test, retriever="neighbours", k=5)
    assert isinstance(report, RetrieverReport)
    train.to_csv(tmp_path / "train.csv", index=False)
    test.to_csv(tmp_path / "test.csv", index=False)
    files = shortlist.evaluate(
        train=tmp_path / "train.csv", test=tmp_path / "test.csv", retriever="neighbours", k=5
    )
    for name, estimate in report.metrics.items():
        assert files.metrics[name].value == pytest.approx(estimate.value), name
    assert report.metrics["recall@5"].value > 0.05
