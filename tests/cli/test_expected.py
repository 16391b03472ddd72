"""What commands say that they will take, before they begin."""

from __future__ import annotations

import pytest

from shortlist.cli import expected
from shortlist.config.project import Project, parse_project
from shortlist.engines.machine import machine_memory
from shortlist.threads import set_threads

MEASURED = {"trees": 200, "depth": 4}


def project(**sections: object) -> Project:
    """The project that was measured, but for some sections."""
    features = [{"name": f"f{n}", "kind": "count", "by": "item", "event": "event"} for n in range(22)]
    objectives = {name: {"events": [name]} for name in ("a", "b")}
    return parse_project(
        {
            "data": {"events": "e.csv"},
            "objectives": objectives,
            "features": features,
            "rank": MEASURED,
            **sections,
        }
    )


def test_the_measured_project_takes_what_was_measured() -> None:
    for at, events in enumerate(expected.EVENTS):
        measured = sum(expected.SECONDS[part][at] for part in ("retrievers", "examples", "ranker"))
        assert expected.training_seconds(project(), events) == pytest.approx(measured)
        assert expected.training_seconds(None, events) == pytest.approx(measured)


def test_time_grows_with_events_features_objectives_and_trees() -> None:
    times = [
        expected.training_seconds(project(), events) for events in (10, 10_000, 30_000, 100_000, 10**6, 10**7)
    ]
    assert times == sorted(times)
    bounded = expected.SECONDS["ranker"][-1]  # by `rank.max_rows`
    assert times[-1] - bounded == pytest.approx(10 * (times[-2] - bounded))  # beyond what was measured
    more = project(rank={"trees": 400, "depth": 4})
    assert expected.training_seconds(more, 10_000) - times[1] == pytest.approx(expected.SECONDS["ranker"][0])


def test_it_is_said_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    set_threads(1)
    try:
        expected.tell_training(project(), 100_000)
        expected.tell_evaluation(project(evaluate={"protocol": "rolling", "cuts": 3}), 100_000)
        expected.tell_tuning(project(), 100_000, 40)
    finally:
        set_threads(None)
    assert capsys.readouterr().out.splitlines() == [
        "Training: about 15 s (100,000 events, one thread)",
        "Training and testing: about 49 s (100,000 events, one thread)",
        "40 trials: about 9 min (100,000 events, one thread)",
    ]


def test_spark_is_suggested_where_the_memory_is_short(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortlist.engines.machine.machine_memory", lambda: 16_000_000_000)
    expected.tell_training(project(), 30_000_000)
    assert "--engine spark" not in capsys.readouterr().out
    expected.tell_training(project(), 100_000_000)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "100,000,000 events take about 21 GB at the peak, and this machine has 16 GB. With --engine spark"
        in said
    )


def test_the_memory_of_this_machine_is_known() -> None:
    memory = machine_memory()
    assert memory is None or 100_000_000 < memory < 10**14
