"""The audit: rank correlations by hand, a team's own history, and a small world lived in by every policy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.errors import DataError
from shortlist.evaluate.audit.agreement import Direction, MetricScore, agreement, agreements, spearman
from shortlist.evaluate.audit.past_experiments import audit_history
from shortlist.evaluate.audit.report import audit_page
from shortlist.evaluate.audit.result import AuditResult
from shortlist.evaluate.audit.sentences import sentences
from shortlist.evaluate.audit.simulation import audit_world
from shortlist.metrics.significance import Estimate
from shortlist.simulate.population import PopulationState
from shortlist.simulate.registry import make_world
from support.sizes import size
from support.worlds import quick

NAMES = [f"p{n}" for n in range(12)]
TRUE = np.arange(12, 0, -1.0)


def score(metric: str, values: np.ndarray, better: Direction = "up") -> MetricScore:
    said = {n: None if v != v else Estimate(v, v, v) for n, v in zip(NAMES, values.tolist(), strict=True)}
    return MetricScore(
        metric, "offline", better, "", said, {}, {n: "thin" for n, e in said.items() if e is None}
    )


TRUTH = score("truth", TRUE)


def test_spearman_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 6, 15), rng.integers(0, 6, 15)
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4)))


def test_agreement_by_hand() -> None:
    right = agreement(TRUTH, score("right", TRUE * 3))
    assert right.correlation is not None
    assert (right.correlation.value, right.pick, right.regret) == (1.0, "p0", 0.0)
    assert right.is_significant
    upside = agreement(TRUTH, score("upside", -TRUE))
    assert upside.correlation is not None
    assert (upside.correlation.value, upside.pick) == (-1.0, "p11")
    assert upside.regret == pytest.approx(1 - 1 / 12)
    low = agreement(TRUTH, score("error", -TRUE, "down"))
    assert low.correlation is not None
    assert low.correlation.value == 1.0
    noise = agreement(TRUTH, score("noise", np.random.default_rng(1).random(12)))
    assert noise.correlation is not None
    assert noise.correlation.low < 0 < noise.correlation.high
    assert not noise.is_significant


def test_refusals_are_counted_and_too_many_silence_a_metric() -> None:
    some = TRUE.copy()
    some[[0, 4]] = np.nan
    found = agreement(TRUTH, score("some", some))
    assert (found.policies, found.refused, found.pick) == (10, 2, "p1")
    assert found.regret == pytest.approx(1 / 12)
    most = np.where(np.arange(12) < 5, TRUE, np.nan)
    silent = agreement(TRUTH, score("most", most))
    assert silent.correlation is None
    assert silent.reason == "thin"
    order = agreements(TRUTH, [score("most", most), score("upside", -TRUE), score("right", TRUE)])
    assert [a.metric for a in order] == ["right", "upside", "most"]


# ---------------------------------------------------------------- a team's own history


def _history() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "policy": NAMES,
            "utility": TRUE,
            "utility_low": TRUE - 0.3,
            "utility_high": TRUE + 0.3,
            "snips": TRUE + rng.normal(0, 0.2, 12),
            "ndcg@10": -TRUE,
            "gini@10": -TRUE,
        }
    )


def test_past_experiments_select_a_metric(tmp_path: Path) -> None:
    path = tmp_path / "past.csv"
    _history().to_csv(path, index=False)
    found = audit_history(path)
    use, avoid, sure = sentences(found)
    assert "Choose by" in use
    assert "snips" in use or "gini@10" in use  # less inequality is better, so gini's order is right too
    assert avoid.startswith(
        "Do not choose by ndcg@10: it would have picked p11, whose true outcome is 92% below that of p0"
    )
    assert sure.startswith("Certainty")
    page, out = tmp_path / "a.html", tmp_path / "a.json"
    run = CliRunner().invoke(app, ["audit", "--history", str(path), "--html", str(page), "--json", str(out)])
    assert run.exit_code == 0, run.output
    assert json.loads(out.read_text())["sentences"][1] == avoid
    assert "which metric should I believe" in page.read_text()
    assert "simulated" not in page.read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="utility"), "no column 'utility'"),
        (lambda t: t.head(4), "needs 6 at least"),
        (lambda t: t.assign(policy=["p0", *NAMES[:11]]), "row 2: the policy 'p0' occurs twice"),
        (lambda t: t.assign(snips=["x", *TRUE[1:]]), "row 1: snips is 'x'"),
        (lambda t: t.assign(utility=[None, *TRUE[1:]]), "row 1: utility is empty"),
        (lambda t: t.assign(utility_low=TRUE + 5), "is not between"),
        (lambda t: t[["policy", "utility"]], "no column of a metric"),
    ],
)
def test_a_bad_history_is_named(tmp_path: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "past.csv"
    change(_history()).to_csv(path, index=False)
    with pytest.raises(DataError, match="past") as caught:
        audit_history(path)
    assert said in str(caught.value)


# ---------------------------------------------------------------- a world


@pytest.fixture(scope="module")
def audit() -> AuditResult:
    world = quick(make_world("video", users=250, items=160, sessions=size(2_500, 5_000)))
    return audit_world(world, rounds=3, explored=size(2_000, 3_000), resamples=200)


def test_policies_good_and_bad_are_measured_and_lived_with(audit: AuditResult) -> None:
    assert len(audit.descriptions) >= 12
    assert {"random", "popular", "neighbours", "als", "full"} <= set(audit.descriptions)
    assert set(audit.bad) == {"popularity chaser", "click-bait", "filter bubble"}
    true = {n: e.value for n, e in audit.truth.values.items() if e is not None}
    assert set(true) == set(audit.descriptions)
    assert true["full"] > true["random"] > true["click-bait"]
    assert all(len(line) == 3 for line in audit.rounds.values())
    for name, line in audit.rounds.items():
        assert sum(line) == pytest.approx(true[name])
    families = {a.family for a in audit.agreements}
    assert families == {"offline", "from propensities", "from a model"}
    by_name = {a.metric: a for a in audit.agreements}
    assert {"ndcg@8", "recall@8", "sn-pbm (seconds)", "sn-cascade (clicks)"} <= set(by_name)
    clicks, seconds = by_name["model (clicks)"].correlation, by_name["model (seconds)"].correlation
    assert clicks is not None
    assert seconds is not None
    assert seconds.value > clicks.value  # clicks are what click-bait wins
    assert (
        by_name["sn-cascade (clicks)"].correlation is None
    )  # whole slates never meet: no number, with the reason
    assert "mean weight" in by_name["sn-cascade (clicks)"].reason


def test_the_page_tells_it_in_three_sentences(audit: AuditResult) -> None:
    page = audit_page(audit)
    said = sentences(audit)
    assert len(said) == 3
    assert page.count('<p class="verdict">') == 3
    assert page.index('class="verdict"') < page.index("<table")
    assert "The data come from a simulated world; the people are not real." in page
    assert "<script" not in page
    assert "src=" not in page
    content = audit.to_json()
    assert json.loads(json.dumps(content)) == content


def test_the_same_seed_gives_every_policy_the_same_first_visitors() -> None:
    population = make_world("movies", users=100, items=60, sessions=800).population
    one, two = PopulationState.start(population, 4), PopulationState.start(population, 4)
    who, device = one.visitors()
    same, _ = two.visitors()
    np.testing.assert_array_equal(who, same)
    best = np.argsort(-population.logging_weights[0])[: population.n_slots]
    one.respond(who, device, np.tile(best, (len(who), 1)))
    two.respond(who, device, np.full((len(who), population.n_slots), -1))
    assert one.total_expected_outcome.sum() > 0 == two.total_expected_outcome.sum()
    assert (
        one.visit_probability[who].mean() > two.visit_probability[who].mean()
    )  # nothing to see: they come less
    tired = one.satiation[who].sum()
    one.skip_round()
    assert one.satiation[who].sum() < tired
