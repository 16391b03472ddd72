"""The frame of `make benchmark-real` on tiny generated logs: what is wanted, lists, the judge, and the pages."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.paths import ROOT

FOLDER = ROOT / "benchmarks" / "real"
DAY = 86_400
START = 1_400_000_000


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The modules of the frame, whose results go to a temporary folder."""
    import importlib

    monkeypatch.syspath_prepend(str(FOLDER.parent))
    monkeypatch.syspath_prepend(str(FOLDER))
    modules = {
        name: importlib.import_module(name)
        for name in ("case", "table", "run", "peer_log", "peer_models", "results", "lists")
    }
    monkeypatch.setattr(modules["case"], "WORK", tmp_path / "work")
    monkeypatch.setattr(modules["table"], "KEPT", tmp_path / "kept")
    monkeypatch.setattr(modules["table"], "PAGE", tmp_path / "REAL.md")
    monkeypatch.setattr(modules["table"], "PICTURE", tmp_path / "real.svg")
    monkeypatch.setattr(modules["results"], "PATH", tmp_path / "RESULTS.md")
    return type("Frame", (), modules)


def by_hand(real: Any, **more: Any) -> Any:
    rows = [
        ("a", "x", 0, 5),
        ("a", "y", 1, 2),
        ("b", "x", 2, 4),
        ("a", "x", 10, 5),
        ("a", "z", 11, 3),
        ("b", "z", 12, 9),
        ("b", "z", 13, 1),
    ]
    events = pa.table(
        {
            "user_id": [r[0] for r in rows],
            "item_id": [r[1] for r in rows],
            "timestamp": [START + r[2] * DAY for r in rows],
            "value": [float(r[3]) for r in rows],
        }
    )
    items = pa.table({"item_id": ["x", "y", "z"], "genre": ["g", "h", "g"]})
    moments = [START + day * DAY for day in (2, 5, 20)]
    return real.case.Case("tiny", real.case.Tables(events, items), *moments, k=2, **more)


def test_what_is_wanted_by_hand(real: Any) -> None:
    new_only = by_hand(real)
    assert new_only.wanted.select(["user_id", "item_id", "worth"]).to_pylist() == [
        {"user_id": "a", "item_id": "z", "worth": 3.0},
        {"user_id": "b", "item_id": "z", "worth": 10.0},
    ]
    repeats = by_hand(real, repeats=True)
    assert [(r["user_id"], r["item_id"], r["new"]) for r in repeats.wanted.to_pylist()] == [
        ("a", "x", False),
        ("a", "z", True),
        ("b", "z", True),
    ]
    assert by_hand(real, at_least=4.0).users == ["b"]
    earlier = repeats.on_validation()
    assert [(r["user_id"], r["item_id"]) for r in earlier.wanted.to_pylist()] == [("b", "x")]
    assert len(earlier.train.events) == 2


def test_the_judge_by_hand(real: Any) -> None:
    case = by_hand(real, repeats=True)
    perfect = pa.table({"user_id": ["a", "a", "b"], "item_id": ["x", "z", "z"], "rank": [1, 2, 1]})
    half = pa.table({"user_id": ["a", "b", "b"], "item_id": ["x", "x", "z"], "rank": [1, 1, 2]})
    report = case.judge({"perfect": perfect, "half": half})
    assert report.metrics["perfect"]["ndcg@2"].value == 1
    of_a, of_b = 1 / (1 + 1 / np.log2(3)), 1 / np.log2(3)
    assert report.metrics["half"]["ndcg@2"].value == pytest.approx((of_a + of_b) / 2)
    assert report.differences["half"].value == pytest.approx(1 - (of_a + of_b) / 2)
    lines = real.table.compared(report, {"half": {"settings": {"k": 3}, "trials": 4, "seconds": 2.0}})
    assert "k 3 (of 4)" in lines[3]
    assert real.table.best_peer(report, ["perfect"]) == "half"


def test_the_exchange_keeps_events_attributes_and_lists(real: Any) -> None:
    case = by_hand(real, repeats=True, kinds={"new": False})
    case._write()
    found = real.peer_log.Exchange.read(case.folder)
    assert not case._write()
    assert found.options["lists"] == {"all": True, "new": False}
    assert found.log.shape == (2, 3)
    assert found.log.matrix().toarray().tolist() == [[1, 1, 0], [1, 0, 0]]
    assert sorted(found.log.attributes) == ["genre"]
    assert found.log.attributes["genre"].toarray().tolist() == [[1, 0], [0, 1], [1, 0]]
    found.write("peer", "all", np.array([[0, 2], [2, -1]]), {"settings": {}})
    assert case.list_of("peer").to_pylist() == [
        {"user_id": "a", "item_id": "x", "rank": 1},
        {"user_id": "a", "item_id": "z", "rank": 2},
        {"user_id": "b", "item_id": "z", "rank": 1},
    ]
    scores = np.array([[1.0, -np.inf, 3.0], [-np.inf, -np.inf, -np.inf]])
    assert real.peer_log.top_k(scores, 2).tolist() == [[2, 0], [-1, -1]]
    truth = [np.array([2]), np.array([0, 1])]
    assert real.peer_log.ndcg(np.array([[2, 0], [2, 1]]), truth) == pytest.approx(
        (1 + (1 / np.log2(3)) / (1 + 1 / np.log2(3))) / 2
    )


def test_a_recommender_is_fitted_on_the_past_only_and_its_lists_are_judged(real: Any) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for user in range(60):
        own = rng.integers(0, 50, 4)
        for day in range(0, 100, 3):
            rows += [(f"u{user:02}", f"i{i:02}", START + day * DAY + user) for i in rng.permutation(own)[:2]]
            rows.append((f"u{user:02}", f"i{rng.integers(50):02}", START + day * DAY + user))
    rows.sort(key=lambda row: row[2])
    events = pa.table({n: [r[at] for r in rows] for at, n in enumerate(("user_id", "item_id", "timestamp"))})
    moments = [START + day * DAY for day in (60, 80, 100)]
    case = real.case.Case("staples", real.case.Tables(events), *moments, repeats=True, k=5)
    patch = {
        "rank": {"trees": 10, "heads": "joint"},
        "rerank": {"show_seen": True},
        "retrieve": {"sources": [{"model": name} for name in ("again", "popular", "neighbours", "als")]},
        "+features": [{"name": "more", "kind": "count", "by": "item", "event": "event"}],
    }
    assert case.project(patch).features[-1]["name"] == "more"
    assert case.project(patch).rerank.show_seen
    recommender, seconds = case.fitted(patch)
    assert seconds > 0
    assert recommender.dataset.log.time.max() < case.moment * 1000 < START * 1000 + 100 * DAY * 1000
    lists = case.slates(recommender)
    assert set(lists.column("user_id").to_pylist()) == set(case.users)
    random = pa.table(
        {
            "user_id": np.repeat(case.users, 5),
            "item_id": [f"i{i:02}" for _ in case.users for i in rng.permutation(50)[:5]],
            "rank": np.tile(np.arange(1, 6), len(case.users)),
        }
    )
    report = case.judge({"shortlist": lists, "random": random})
    assert report.differences["random"].low > 0


def test_sections_are_kept_and_written_together(real: Any, tmp_path: Path) -> None:
    line = real.table.Headline(
        "movies",
        "films",
        "ndcg@10",
        (0.3, 0.2, 0.4),
        (0.2, 0.1, 0.3),
        "peer <1>",
        (0.1, 0.05, 0.15),
        "a sentence.",
    )
    real.table.Section("movies", ["## Movies", "", "| a |"], [line], 90.0).write()
    real.table.Section("shop", ["## Shop"], [], 30.0).write()
    real.table.write_all(("shop", "movies", "apps"))
    results = (tmp_path / "RESULTS.md").read_text()
    assert results.index("## Shop") < results.index("## Movies")
    assert "1.5 minutes" in results
    page = (tmp_path / "REAL.md").read_text()
    assert "0.3000 (0.2000 – 0.4000)" in page
    assert "+0.1000 (+0.0500 to +0.1500)" in page
    picture = (tmp_path / "real.svg").read_text()
    assert "peer &lt;1&gt;" in picture
    assert (
        json.loads((tmp_path / "kept" / "movies.json").read_text())["headlines"][0]["peer_name"] == "peer <1>"
    )


def test_reciprocal_ranks_by_hand(real: Any) -> None:
    """The first list has its click second, the second first; the third has none and does not count."""
    found = SimpleNamespace(
        request=np.array([4, 4, 4, 7, 7, 9]), labels={"click": np.array([0, 1, 0, 1, 0, 0], np.float32)}
    )
    score = np.array([0.3, 0.2, 0.1, 0.5, 0.5, 0.9])
    assert real.lists.reciprocal_ranks(found, score).tolist() == [0.5, 1.0]
    line = real.lists.headline(
        {"shortlist": np.ones(8), "order shown": np.full(8, 0.5), "XGBoost": np.full(8, 0.75)}
    )
    assert (line.peer_name, line.difference) == ("XGBoost", (0.25, 0.25, 0.25))
    table = real.lists.rows(
        {"shortlist": np.ones(8), "order shown": np.full(8, 0.5)}, {"shortlist": {"seconds": 2.0}}
    )
    assert "+0.5000 (+0.5000 to +0.5000), +100.0%" in table[3]


def test_what_was_spent_before_by_hand(real: Any) -> None:
    """Item 0 was bought twice for a dollar, item 1 once for nine: a half-life of a day halves what is a day old."""
    log = real.peer_log.Log(
        np.zeros(3, int),
        np.array([0, 1, 0]),
        np.array([0.0, DAY, 2.0 * DAY]),
        np.array([1.0, 9.0, 1.0]),
        np.ones(3, bool),
        (1, 2),
        {},
    )
    spent = real.peer_models.bought_before(log, 2.0 * DAY, 1.0, paid=True)(np.array([0]))[0]
    np.testing.assert_allclose(spent, [1.25, 4.5], rtol=1e-5)
    bought = real.peer_models.bought_before(log, 2.0 * DAY, 1.0)(np.array([0]))[0]
    np.testing.assert_allclose(bought, [1.25, 0.5], rtol=1e-5)


def test_missing_data_names_the_folders_and_the_way_out(
    real: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHORTLIST_REAL_DATA", raising=False)
    (tmp_path / "frappe").mkdir()
    assert real.run.data_folder(str(tmp_path), ["apps"]) == tmp_path
    with pytest.raises(SystemExit, match=r"no folder movietweetings, movielens-100k: .*SHORTLIST_REAL_DATA"):
        real.run.data_folder(str(tmp_path), ["apps", "movies"])
    monkeypatch.setenv("SHORTLIST_REAL_DATA", str(tmp_path))
    assert real.run.data_folder(None, ["apps"]) == tmp_path


def test_tables_are_read_by_name(real: Any, tmp_path: Path) -> None:
    events = pa.table({"user_id": [1], "item_id": [2], "timestamp": [START]})
    pq.write_table(events, tmp_path / "events.parquet")
    found = real.case.Tables.read(tmp_path)
    assert found.events == events
    assert found.items is None
