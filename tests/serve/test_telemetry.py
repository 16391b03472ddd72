"""Telemetry: traces to a collector over HTTP, drift of features and scores."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.drift import NO_DRIFT, Drift, MissingColumn
from shortlist.cascade.stage_times import StageTimes
from shortlist.evaluate.feature_report import inspect_features
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.serve import telemetry
from shortlist.serve.live_state import Traffic, drift_table, state_of
from shortlist.serve.telemetry import Metrics
from support.http import call
from support.servers import Server

MISSING = Drift((MissingColumn("context.device", 1.0, 0.1, ("device", "device_plays")),), {}, 8)


def test_every_request_is_a_trace_with_its_stages(bundle: Path, tmp_path: Path) -> None:
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    server = Server(
        bundle,
        tmp_path / "e.sqlite",
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        },
    )
    try:
        assert call(f"{server.url}/v1/recommend", {"user": "secret-person"})[0] == 200
        for _ in range(100):
            sent = b"".join(received)
            if b"POST /v1/recommend" in sent:
                break
            time.sleep(0.1)
        for word in (b"shortlist.rank_ms", b"shortlist.retrieve_ms", b"http.response.status_code"):
            assert word in sent
        assert b"secret-person" not in sent
    finally:
        server.stop()
        collector.shutdown()
        collector.server_close()


def test_drift_is_measured(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "SCORES", 1_000)
    recommender, metrics = Recommender.load(bundle), Metrics()
    metrics.start_serving(recommender)
    people = recommender.some_users(60)
    for user in people:
        times = StageTimes()
        metrics.record_slates(list(recommender.answer([RecommendRequest(user, 20)], times)), times)
    metrics.record_drift(recommender, metrics.drifts.measure(recommender))
    text = generate_latest(metrics.registry).decode()
    assert score_drift(metrics) < 0.1, "the same people's scores hardly drift"
    by_design = {f.name for f in recommender.model.features.features if f.kind in NO_DRIFT}
    assert by_design
    for name in recommender.model.ranker.feature_names_:
        measured = f'shortlist_feature_drift{{feature="{name}"}}' in text
        assert measured == (name not in by_design)
    for user in people:
        slate = recommender.recommend(user=user, n=20, weights={"play": 9.0})
        metrics.record_slates([slate], StageTimes())
    metrics.record_drift(recommender, metrics.drifts.measure(recommender))
    assert score_drift(metrics) > 0.25, "scores of other weights do"
    assert 'shortlist_permitted_cache{result="hit"}' in text


def test_a_missing_column_is_one_alarm(bundle: Path) -> None:
    """Without genres, the features that read them change together: one finding names the column."""
    recommender, metrics = Recommender.load(bundle), Metrics()
    metrics.start_serving(recommender)
    before = metrics.drifts.measure(recommender)
    assert before.missing == ()
    ids = recommender.dataset.items.ids.ids(np.arange(len(recommender.dataset.items)))
    recommender.state.change_items([ItemChange(item, attributes={"genres": None}) for item in ids])
    found = metrics.drifts.measure(recommender)
    assert [column.column for column in found.missing] == ["item.genres"]
    column = found.missing[0]
    assert {"genre_affinity", "genre_play_rate"} <= set(column.features)
    assert set(found.features) == set(before.features) - set(column.features)
    assert str(column).startswith("genres is missing: 0% of the items have it now, 100% had it in training; ")
    metrics.record_drift(recommender, found)
    text = generate_latest(metrics.registry).decode()
    assert 'shortlist_column_missing{column="item.genres"} 1.0' in text
    assert "genre_affinity" not in text
    warnings = inspect_features(recommender).warnings
    assert [w for w in warnings if "genre" in w] == [f"{column}."]


@pytest.mark.parametrize(
    ("faults", "traffic", "drift", "state", "words"),
    [
        ([], Traffic(9, 0, 9, 0), None, "well", "All is well"),
        ([], Traffic(9, 0, 9, 0), Drift((), {"a": 0.1}, 128), "well", "All is well"),
        ([], Traffic(9, 0, 9, 0), Drift((), {"a": 0.9}, 8), "well", "All is well"),  # chance
        ([], Traffic(9, 0, 9, 0), Drift((), {"a": 0.9}, 128), "quiet", "1 feature differs from training"),
        ([], Traffic(0, 0, 0, 0), None, "quiet", "No request in the last minute"),
        ([], Traffic(9, 2, 9, 0), None, "attention", "2 of 9 answers failed"),
        ([], Traffic(9, 0, 90, 9), None, "attention", "10% of the slates since the start were empty"),
        (["no disk"], Traffic(0, 0, 0, 0), None, "attention", "Needs attention: no disk."),
        ([], Traffic(9, 0, 9, 0), MISSING, "attention", "device is missing: 10% of the requests have it now"),
    ],
)
def test_all_is_well_only_if_it_is(
    faults: list[str], traffic: Traffic, drift: Drift | None, state: str, words: str
) -> None:
    found, note = state_of(faults, traffic, drift)
    assert found == state
    assert words in note


def test_the_table_of_drift() -> None:
    assert drift_table(None) == []
    assert drift_table(MISSING) == [["context.device", "–", str(MISSING.missing[0])]]
    assert drift_table(Drift((), {"a": 0.05, "b": 0.3, "c": 0.2}, 64)) == [
        ["b", "0.300", "different: train again"],
        ["c", "0.200", "a little different"],
        ["a", "0.050", "as in training"],
    ]
    assert drift_table(Drift((), {"a": 0.3}, 8))[0][2] == "measured on 8 users, too few to tell"


def score_drift(metrics: Metrics) -> float:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("shortlist_score_drift "))
