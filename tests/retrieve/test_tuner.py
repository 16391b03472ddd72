"""The search of settings: what trials share, quick trials, and the end of a budget."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from shortlist.data.dataset import Dataset
from shortlist.data.progress import silent
from shortlist.retrieve import SLIM, Fuse, Popular, Retriever, Spectral
from shortlist.retrieve.fusion import tuner as tuner_module
from shortlist.retrieve.fusion.auto import choose
from shortlist.retrieve.fusion.deadline import Deadline
from shortlist.retrieve.fusion.families import search_families, usual_families
from shortlist.retrieve.fusion.holdout import hold_out
from shortlist.retrieve.fusion.search_space import WHOLE
from shortlist.retrieve.fusion.shared_parts import SharedParts
from shortlist.retrieve.fusion.tuner import Trial, Tuner, best_trial
from shortlist.retrieve.item_item import MatrixItemItem
from shortlist.retrieve.kernels import factorise
from shortlist.retrieve.kernels.decay import DAY
from shortlist.retrieve.slim import SLIMConfig
from support.interactions import random_interactions
from support.retrievers import small_dataset


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deadline_counts_down() -> None:
    clock = Clock()
    deadline = Deadline(60, clock)
    assert deadline.allows(60)
    clock.now += 45
    assert deadline.left() == pytest.approx(15)
    assert deadline.allows(15)
    assert not deadline.allows(15.1)
    assert Deadline(None, clock).allows(1e9)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SLIM(support=6, exact_items=0), SLIM(support=4, exact_items=0, regularisation=2.0, lift=0.1)),
        (Spectral(components=8), Spectral(components=5, flatten=1.0, direct=0.5)),
        (Spectral(components=5), Spectral(components=8)),
        (SLIM(support=6, exact_items=0), Spectral(components=5, residual=1.0, support=4)),
        (SLIM(support=6, exact_items=0), SLIM(support=6, exact_items=0, spread=0.4)),
    ],
)
def test_a_model_with_shared_parts_is_the_same(first: MatrixItemItem, second: MatrixItemItem) -> None:
    """A narrower model, one with other settings of use, a wider one, and one whose parts are others."""
    X = random_interactions(3)
    parts = SharedParts()
    parts.fit(first, X, small_dataset())
    seconds = parts.fit(second, X, small_dataset())
    alone = type(second)(second.config).fit_matrix(second.damped(X))
    np.testing.assert_allclose(second.weights_.toarray(), alone.weights_.toarray(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second.broad_in_, alone.broad_in_, rtol=1e-5, atol=1e-6)
    assert seconds > 0


def test_vectors_of_a_part_of_the_data_shorten_the_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the vectors of four fifths of the data, two passes leave less than half the error of two from random vectors."""
    monkeypatch.setattr(factorise, "EXACT", 0)
    rng = np.random.default_rng(8)
    taste = np.exp(rng.normal(size=(400, 30)) @ rng.normal(size=(30, 120)) / 6)  # thirty tastes, and chance
    X = sp.csr_matrix((rng.random(taste.shape) < 0.15 * taste).astype(np.float32))
    exact = np.linalg.svd(X.toarray().astype(np.float64), compute_uv=False)[:20]
    _, known = factorise.leading(X[:320], 20)
    cold, _ = factorise.leading(X, 20, passes=2)
    warm, _ = factorise.leading(X, 20, start=known)
    error = {name: float(np.mean((exact - s) / exact)) for name, s in (("cold", cold), ("warm", warm))}
    assert error["warm"] < 0.5 * error["cold"]


def test_the_best_trial_is_one_that_was_fitted_whole() -> None:
    quick, whole = Trial("slim", {}, 0.3, 1.0, quick=True), Trial("slim", {}, 0.2, 4.0)
    assert best_trial([quick, whole, Trial("als", {}, 0.9, 1.0)], "slim") is whole
    assert best_trial([quick], "slim") is quick


def test_large_data_are_searched_in_quick_form(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner_module, "QUICK_EVENTS", 0)
    choice = choose(dataset, k=10, families=["neighbours", "slim", "als"], blend=False)
    for family, quick_form in (("neighbours", False), ("slim", True), ("als", True)):
        of_family = [t for t in choice.trials if t.model == family]
        assert [t.quick for t in of_family[:-1]] == [quick_form] * (len(of_family) - 1)
        assert not of_family[-1].quick
    als = [t for t in choice.trials if t.model == "als"]
    kept = next(t for t in als[:-1] if t.settings == als[-1].settings)
    assert kept is als[0] or kept.ndcg > als[0].ndcg * (1 + tuner_module.QUICK_MARGIN)
    assert "quick" not in choice.sentence()


def test_the_whole_form_of_a_filter_is_also_tried_with_regressions(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner_module, "QUICK_EVENTS", 0)
    tuner = Tuner(hold_out(dataset, "random", 0.2), 10, 0)
    tuner.search("spectral", 2, lambda _: None)
    *quick, plain, whole = tuner.trials
    assert [t.quick for t in (*quick, plain, whole)] == [True] * len(quick) + [False, False]
    assert whole.settings == plain.settings | WHOLE["spectral"]
    assert whole.seconds > plain.seconds
    alone = tuner.make(whole)
    assert isinstance(alone, Spectral)
    assert tuner.value(alone.fit_matrix(alone.damped(tuner.X))) == pytest.approx(whole.ndcg, abs=1e-6)


def test_slim_is_left_out_where_the_filter_contains_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LocalConfig(SLIMConfig):
        exact_items: int = 0

    monkeypatch.setattr(tuner_module, "QUICK_EVENTS", 0)
    tuner = Tuner(hold_out(dataset, "random", 0.2), 10, 0)
    tuner.fitted["spectral"] = Spectral()
    tuner.trials = [Trial("spectral", {"residual": 0.5}, 0.3, 1.0)]
    assert not tuner.includes("slim"), "a small catalogue is solved exactly"
    monkeypatch.setattr(SLIM, "Config", LocalConfig)
    assert tuner.includes("slim")
    assert not tuner.includes("als")
    search_families(tuner, ["slim"], 1, silent)
    assert [t.model for t in tuner.trials] == ["spectral"]
    search_families(tuner, ["slim"], 1, silent, named=["slim"])
    assert [t.model for t in tuner.trials] == ["spectral", "slim", "slim"]
    tuner.trials.append(Trial("spectral", {}, 0.296, 1.0))
    assert tuner.includes("slim")
    tuner.trials.append(Trial("spectral", {"residual": 0.0}, 0.298, 1.0))
    assert not tuner.includes("slim"), "the filter gains less than a hundredth by its regressions"


def test_a_search_ends_while_there_is_time_to_fit_the_best(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial takes 10 s, the fit on all data a quarter more, 12.5 s. Of 45 s, 15 are left after three trials: too few for 22.5 s."""
    clock, fit = Clock(), SharedParts.fit

    def slow(parts: SharedParts, model: Retriever, X: sp.csr_matrix, data: Dataset) -> float:
        fit(parts, model, X, data)
        clock.now += 10
        return 10.0

    monkeypatch.setattr(SharedParts, "fit", slow)
    holdout = hold_out(dataset, "random", 0.2)
    tuner = Tuner(holdout, 10, 0, deadline=Deadline(45, clock))
    tuner.search("neighbours", 24, lambda _: None)
    assert len(tuner.trials) == 3
    assert tuner.deadline.left() >= tuner.refit_seconds(tuner.best("neighbours")) > 10
    assert not tuner.affordable("slim")


def test_a_budget_that_is_too_short_gives_the_first_model(dataset: Dataset) -> None:
    choice = choose(dataset, k=10, budget=0.001)
    assert [t.model for t in choice.trials] == ["neighbours"]
    assert choice.fusion is None
    assert choice.retriever.name == "neighbours"
    assert len(choice.retriever.recommend(dataset.users.ids.values.to_pylist()[:2], n=3)) == 2


def test_progress_tells_what_was_tried_and_what_is_left(dataset: Dataset) -> None:
    steps: list[str] = []
    choose(dataset, k=10, families=["neighbours", "slim"], progress=lambda step, _: steps.append(step))
    first, second, third, last = dict.fromkeys(steps)
    assert first == "tuning neighbours, 1 of 2"
    assert second.startswith("tuning slim, 2 of 2; best of ")
    assert " trials: neighbours 0." in second
    assert third.startswith("blending ")
    assert last == "fitting the choice on all data"


def test_what_is_popular_now_is_a_family_where_the_test_is_later() -> None:
    """Users take whatever is popular at that time, and popularity moves on by a tenth of an item a day."""
    assert "popular" in usual_families("time")
    assert "popular" not in {*usual_families("last"), *usual_families("random")}
    rng, n = np.random.default_rng(0), 6_000
    time = np.sort(rng.integers(0, 200 * DAY, n))
    item = rng.geometric(0.1, n) + time // (10 * DAY)
    seconds = 1_700_000_000 + time // 1_000
    events = pa.table({"user_id": rng.integers(0, 300, n), "item_id": item, "timestamp": seconds})
    found = choose(Dataset.from_frames(events), "time", 10, families=["neighbours", "popular"])
    of_popular = [trial for trial in found.trials if trial.model == "popular"]
    first, best = of_popular[0], best_trial(found.trials, "popular")
    assert first.settings == {"half_life": None, "window": None}
    assert best.settings != first.settings
    assert best.ndcg > 1.1 * max(first.ndcg, best_trial(found.trials, "neighbours").ndcg)
    models = found.retriever.sources.values() if isinstance(found.retriever, Fuse) else [found.retriever]
    assert any(isinstance(model, Popular) for model in models)
