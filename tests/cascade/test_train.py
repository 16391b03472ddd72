"""Training says what it could not learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import shortlist
from shortlist.cascade import train as training
from shortlist.config.project import Project
from shortlist.data.split import stage_cuts
from shortlist.errors import TrainingWarning
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.training_set import TrainingSet, make_training_set


def log_of(buys: int) -> list[dict[str, object]]:
    """People who view items of their own taste, and buy at random."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(3_000):
        user = int(rng.integers(80))
        item = 10 * (user % 4) + int(rng.integers(10))
        rows.append((f"u{user}", f"i{item}", 1_760_000_000 + 600 * k, "view"))
    for k in rng.integers(0, 3_000, buys).tolist():
        rows.append((rows[k][0], f"i{rng.integers(40)}", rows[k][2] + 60, "buy"))
    return [
        dict(zip(("user_id", "item_id", "timestamp", "kind"), row, strict=True))
        for row in sorted(rows, key=lambda row: row[2])
    ]


def test_an_objective_that_is_hardly_learnt_is_named() -> None:
    events = log_of(buys=25)
    project = shortlist.guess_project(events)
    dataset = shortlist.Dataset.from_frames(events, project=project)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        shortlist.Recommender(project).fit(dataset)
    said = [str(one.message) for one in caught if issubclass(one.category, TrainingWarning)]
    assert len(said) == 1
    assert said[0].startswith("objective 'buy' is hardly learnt: its prediction is ")
    assert "examples fulfil it; it needs more events" in said[0]


def test_what_is_learnt_gives_no_warning(recommender: shortlist.Recommender) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        quick = recommender.project.rank.model_copy(update={"trees": 40, "heads": "joint"})
        project = recommender.project.model_copy(update={"rank": quick})
        shortlist.Recommender(project).fit(recommender.dataset)


def test_validation_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """`rank.validation_rows` drops requests of the validation slice; training has as many examples as without it."""
    events = log_of(buys=900)
    project = shortlist.guess_project(events)
    dataset = shortlist.Dataset.from_frames(events, project=project)
    made: list[tuple[int, int]] = []
    fit = training._fit_ranker

    def counted(project: Project, *sets: Any) -> training._Fitted:
        made.append((len(sets[0]), len(sets[1])))
        return fit(project, *sets)

    monkeypatch.setattr(training, "_fit_ranker", counted)
    for limit in (200_000, 1_000):
        rank = project.rank.model_copy(update={"validation_rows": limit})
        shortlist.Recommender(project.model_copy(update={"rank": rank})).fit(dataset)
    (all_training, all_validation), (same, fewer) = made
    assert same == all_training
    assert fewer <= 1_000 < all_validation


def test_the_steps_that_are_planned_are_those_that_are_reported() -> None:
    events = log_of(buys=900)
    project = shortlist.guess_project(events)
    seen: dict[str, list[float]] = {}

    def report(step: str, share: float) -> None:
        seen.setdefault(step, []).append(share)

    shortlist.Recommender(project).fit(
        shortlist.Dataset.from_frames(events, project=project), progress=report
    )
    assert tuple(seen) == training.STEPS
    for shares in seen.values():
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] == 1


def test_a_refit_learns_from_the_slice_with_sources_of_what_was_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each set of examples comes from its own time, with sources and labels that end before what it must not know."""
    events = [row for row in log_of(buys=0) if row["kind"] == "view"]
    project = shortlist.guess_project(events)
    rank = project.rank.model_copy(update={"refit": True, "trees": 30})
    project = project.model_copy(update={"rank": rank})
    dataset = shortlist.Dataset.from_frames(events, project=project)
    cuts = stage_cuts(dataset.log, project.evaluate)
    made: list[tuple[tuple[int, int, int], bool, int]] = []

    def noted(log: shortlist.Dataset, *given: Any) -> TrainingSet:
        found = make_training_set(log, *given)
        window = given[2]
        spans = window.start, window.end, window.fitted_until
        made.append((spans, int(log.log.time[-1]) < window.end, len(found)))
        return found

    refits: list[tuple[int, int]] = []
    refitted = GBDTRanker.refitted

    def counted(ranker: GBDTRanker, old: TrainingSet, new: TrainingSet, *given: Any) -> GBDTRanker:
        refits.append((len(old), len(new)))
        return refitted(ranker, old, new, *given)

    monkeypatch.setattr(training, "make_training_set", noted)
    monkeypatch.setattr(GBDTRanker, "refitted", counted)
    model = shortlist.Recommender(project).fit(dataset).model
    middle = (cuts.validation + cuts.end) // 2
    assert [spans for spans, *_ in made] == [
        (cuts.ranker, cuts.validation, cuts.ranker),
        (cuts.validation, cuts.end, cuts.ranker),
        (middle, cuts.end, cuts.validation),
        (cuts.validation, middle, cuts.validation),
        (cuts.validation, cuts.end, cuts.validation),
    ]
    assert all(ends for _, ends, _ in made), "labels end with the span"
    rows = [n for *_, n in made]
    assert refits == [*[(rows[0], rows[3])] * 3, (rows[0], rows[4])], "three are judged, one is kept"
    assert model.ranker.choice
