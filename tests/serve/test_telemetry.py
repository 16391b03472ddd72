"""Telemetry: traces to a collector over HTTP, drift of features and scores."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from shortlist.cascade.stage_times import StageTimes
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.serve import telemetry
from shortlist.serve.telemetry import Metrics
from support.http import call
from support.servers import Server


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


def test_drift_is_measured(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "SCORES", 1_000)
    recommender, metrics = Recommender.load(bundle), Metrics()
    metrics.start_serving(recommender)
    people = recommender.some_users(60)
    for user in people:
        times = StageTimes()
        metrics.record_slates(list(recommender.answer([RecommendRequest(user, 20)], times)), times)
    metrics.record_drift(recommender, metrics.measure_drift(recommender))
    text = generate_latest(metrics.registry).decode()
    assert score_drift(metrics) < 0.1, "the same people's scores hardly drift"
    for name in recommender.model.ranker.feature_names_:
        assert f'shortlist_feature_drift{{feature="{name}"}}' in text
    for user in people:
        slate = recommender.recommend(user=user, n=20, weights={"play": 9.0})
        metrics.record_slates([slate], StageTimes())
    metrics.record_drift(recommender, metrics.measure_drift(recommender))
    assert score_drift(metrics) > 0.25, "scores of other weights do"
    assert 'shortlist_permitted_cache{result="hit"}' in text


def score_drift(metrics: Metrics) -> float:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("shortlist_score_drift "))
