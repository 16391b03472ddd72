"""Calibration of predictions."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.split import stage_cuts
from shortlist.metrics.prediction import expected_calibration_error
from shortlist.rank.calibration import fit_calibration
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.training_set import Window, make_training_set
from shortlist.recommender import Recommender


def test_calibration_recovers_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=20_000)
    truth = 1 / (1 + np.exp(-(0.5 * margin - 1)))
    label = (rng.random(20_000) < truth).astype(float)
    raw = 1 / (1 + np.exp(-margin))
    line = fit_calibration("probability", raw, label, np.ones(20_000), "platt")
    assert (line.slope, line.offset) == pytest.approx((0.5, -1), abs=0.06)
    assert line(raw).mean() == pytest.approx(label.mean(), abs=1e-3)
    amount = fit_calibration("amount", np.array([2.0] * 30), np.array([4.0] * 30), np.ones(30))
    assert amount(np.array([1.0, 3.0])).tolist() == [2, 6]
    grade = fit_calibration("grade", np.array([3.0] * 30), np.array([4.0] * 30), np.ones(30))
    assert grade(np.array([2.0])).tolist() == [3]


def test_isotonic_calibration_fits_a_curve_and_makes_no_ties() -> None:
    rng = np.random.default_rng(1)
    raw = rng.random(40_000)
    truth = np.where(raw < 0.5, 0.1, 0.1 + 0.5 * (raw - 0.5))  # flat, then rising: no logistic line
    label = (rng.random(40_000) < truth).astype(float)
    one = np.ones(40_000)
    errors = {
        method: float(np.abs(fit_calibration("probability", raw, label, one, method)(raw) - truth).mean())
        for method in ("platt", "isotonic", "auto")
    }
    assert errors["isotonic"] < 0.01 < errors["platt"]
    assert errors["auto"] == errors["isotonic"]
    curve = fit_calibration("probability", raw, label, one, "isotonic")
    assert (np.diff(curve(np.linspace(0.001, 0.999, 500)).astype(np.float64)) > 0).all()
    assert expected_calibration_error(truth, label, one) < 0.01
    assert expected_calibration_error(truth + 0.1, label, one) == pytest.approx(0.1, abs=0.01)


def test_play_predictions_are_calibrated_on_validation(
    dataset: Dataset, project: Project, recommender: Recommender
) -> None:
    cuts = stage_cuts(dataset.log, project.evaluate)
    fresh = {
        n: type(r)(r.config).fit(dataset.before(cuts.ranker)) for n, r in recommender.model.retrievers.items()
    }
    held = make_training_set(
        dataset,
        fresh,
        recommender.model.features,
        Window(cuts.validation, cuts.end, cuts.ranker),
        ExampleSettings.of(project),
    )
    predicted = recommender.model.ranker.predict(held.matrix)[:, 0]
    observed = np.average(held.labels["play"], weights=held.weights)
    assert np.average(predicted, weights=held.weights) == pytest.approx(observed, rel=0.05)
