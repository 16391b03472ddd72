"""The multi-task ranker: it learns every kind of objective, is calibrated, repeats, and is served without PyTorch or trust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shortlist.cli.terminal import check_settings
from shortlist.config.project import Project, parse_project, read_project
from shortlist.errors import BundleError, DataError, MissingExtraError, NotFittedError, ProjectError
from shortlist.rank.multitask.ranker import MultitaskRanker
from shortlist.rank.multitask.train import HeadRows, Objectives, listwise
from shortlist.rank.registry import load_ranker, make_ranker
from shortlist.rank.training_set import TrainingSet
from support.examples import auc, examples_of

SMALL: dict[str, Any] = {
    "embedding": 4,
    "knots": 8,
    "crosses": 1,
    "rank": 4,
    "experts": 2,
    "hidden": 8,
    "output": 4,
    "min_rows": 0,
    "batch": 200,
    "learning_rate": 0.02,
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "click": {"events": ["click"]},
    "buy": {"events": ["buy"], "given": "click"},
    "seconds": {"kind": "amount", "events": ["watch"]},
    "stars": {"kind": "grade", "events": ["rate"]},
}


def project_of(objectives: dict[str, dict[str, Any]], **options: Any) -> Project:
    rank = {"model": "multitask", "options": {**SMALL, **options}}
    return parse_project({"objectives": objectives, "rank": rank})


def examples(seed: int, n: int = 2_000) -> TrainingSet:
    """A click follows from the product of two features, a purchase needs a click, and the third feature is a category."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 2] = rng.integers(0, 5, n)
    click = (rng.random(n) < 1 / (1 + np.exp(1 - 2 * x[:, 0] * x[:, 1]))).astype(float)
    buy = click * (rng.random(n) < 0.1 + 0.2 * x[:, 2])
    seconds = click * np.exp(1 + 0.5 * x[:, 0] + 0.1 * rng.normal(size=n))
    stars = np.where(click > 0, 3 + x[:, 1] + 0.1 * rng.normal(size=n), np.nan)
    x[rng.random(n) < 0.05, 0] = np.nan
    labels = {"click": click, "buy": buy, "seconds": seconds, "stars": stars}
    return examples_of(x, labels, types=["q", "q", "c"])


@pytest.fixture(scope="module")
def fitted() -> MultitaskRanker:
    ranker = make_ranker(project_of(OBJECTIVES, epochs=12)).fit(examples(0, 6_000), examples(1))
    assert isinstance(ranker, MultitaskRanker)
    return ranker


# ---------------------------------------------------------------- what it learns


def test_every_kind_of_objective_is_learned_and_calibrated(fitted: MultitaskRanker) -> None:
    test = examples(2)
    predicted = dict(zip(OBJECTIVES, fitted.predict(test.matrix).T, strict=True))
    assert auc(predicted["click"], test.labels["click"]) > 0.72
    assert auc(predicted["buy"], test.labels["buy"]) > 0.72
    for name in ("click", "buy", "seconds"):
        assert predicted[name].mean() == pytest.approx(test.labels[name].mean(), rel=0.15)
    assert (predicted["buy"] <= predicted["click"]).all()
    known = ~np.isnan(test.labels["stars"])
    error = predicted["stars"][known] - test.labels["stars"][known]
    assert np.sqrt((error**2).mean()) < 0.5  # that of a constant is 1
    assert np.corrcoef(predicted["seconds"], test.labels["seconds"])[0, 1] > 0.3


def test_it_can_learn_labels_by_heart() -> None:
    """Sixty categories with random outcomes: each is learned."""
    codes = np.tile(np.arange(60.0), 20)
    label = np.random.default_rng(0).integers(0, 2, 60)[codes.astype(int)].astype(float)
    rows = examples_of(codes[:, None], {"click": label}, types=["c"])
    options = {"epochs": 30, "dropout": 0.0, "weight_decay": 0.0}
    ranker = make_ranker(project_of({"click": OBJECTIVES["click"]}, **options)).fit(rows, rows)
    assert auc(ranker.predict(rows.matrix)[:, 0], label) == 1.0


def test_listwise_orders_within_requests() -> None:
    """The label is the highest of three rows, whatever the level of the request."""
    rng = np.random.default_rng(0)
    x = np.hstack([rng.normal(size=(1_500, 1)), np.repeat(rng.normal(size=(500, 1)) * 5, 3, axis=0)])
    label = (x[:, 0].reshape(-1, 3) == x[:, 0].reshape(-1, 3).max(1)[:, None]).ravel()
    rows = examples_of(x, {"click": label}, each=3)
    options = {"epochs": 25, "dropout": 0.0, "patience": 10}
    project = project_of({"click": {**OBJECTIVES["click"], "loss": "listwise"}}, **options)
    found = make_ranker(project).fit(rows, rows).predict(rows.matrix)[:, 0].reshape(-1, 3)
    assert (found.argmax(1) == label.reshape(-1, 3).argmax(1)).mean() > 0.9


def test_listwise_by_hand() -> None:
    """Margins (0, log 3), the second one positive: −log ¾, gradient (¼, −¼). A request without a positive row does not count;
    squares of margins cost 0.005 each.
    """
    margins = np.array([0.0, np.log(3), 5.0])
    gradient, loss = listwise(margins, np.array([0.0, 1.0, 0.0]), np.ones(3), np.array([4, 4, 7]))
    np.testing.assert_allclose(gradient, np.array([0.25, -0.25, 0]) + 0.01 * margins, atol=1e-9)
    assert loss.sum() == pytest.approx(-np.log(0.75) + 0.005 * (np.log(3) ** 2 + 25))


def test_the_gradient_of_the_network_is_that_of_the_losses() -> None:
    """Against the quotient of small differences of the loss, for the start margins: what the trees' losses say is carried on."""
    from shortlist.rank.multitask.inputs import FeatureKnots
    from shortlist.rank.multitask.settings import MultitaskConfig
    from shortlist.rank.targets import heads_in_order, make_target

    rows, project = examples(3, 300), project_of(OBJECTIVES)
    heads = heads_in_order(project.objectives)
    part = HeadRows.of(rows.matrix, rows.request, [make_target(head, rows) for head in heads])
    config = MultitaskConfig(**{**SMALL, "dropout": 0.0})
    task = Objectives(config, heads, FeatureKnots.of(rows.matrix, rows.types, 8), part, part)
    (step,) = task.parts(np.arange(300), 1)
    torch.autograd.backward(task.loss(step))
    slope = task.network.start.grad
    assert slope is not None
    for at, head in enumerate(heads):
        if head.given is not None:
            continue  # the loss of the objective that it requires changes, too
        found = []
        for shift in (1e-2, -1e-2):
            task.network.start.data[at] += shift
            margins = task._margins(part, np.arange(300)).detach().numpy().astype(float)
            task.network.start.data[at] -= shift
            _, loss = task._head(at, margins, part, slice(None))
            found.append(task.scale[at] * loss.sum() / 300)
        assert float(slope[at]) == pytest.approx((found[0] - found[1]) / 2e-2, rel=1e-2, abs=1e-4)


# ---------------------------------------------------------------- training


def test_a_seed_repeats_and_settings_are_options() -> None:
    project = project_of(OBJECTIVES, epochs=1)
    rows = examples(0, 600).matrix
    first = make_ranker(project).fit(examples(0, 600), examples(1, 600))
    again = make_ranker(project).fit(examples(0, 600), examples(1, 600))
    np.testing.assert_array_equal(again.predict(rows), first.predict(rows))
    other = make_ranker(project_of(OBJECTIVES, epochs=1, seed=5)).fit(examples(0, 600), examples(1, 600))
    assert np.abs(other.predict(rows) - first.predict(rows)).max() > 1e-4


def test_it_stops_early(fitted: MultitaskRanker) -> None:
    curves = fitted.model_.curves
    assert {"loss", "validation loss", "click loss", "stars loss"} <= set(curves[0])
    assert min(one["validation loss"] for one in curves) < curves[0]["validation loss"]


def test_progress_rises_to_the_end() -> None:
    shares: list[float] = []
    project = project_of({"click": OBJECTIVES["click"]}, epochs=2)
    make_ranker(project).fit(examples(0, 600), examples(1, 100), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ProjectError, match=r"rank.options.expert: there is no such setting; did you mean 'experts'"
    ):
        make_ranker(project_of(OBJECTIVES, expert=3))
    with pytest.raises(NotFittedError):
        make_ranker(project_of(OBJECTIVES)).predict(np.zeros((1, 3), np.float32))
    with pytest.raises(DataError, match=r"100 examples are too few.*`gbdt` will serve you better") as error:
        make_ranker(project_of(OBJECTIVES, min_rows=101)).fit(examples(0, 100), examples(1, 100))
    assert error.value.field == "rank.options.min_rows"
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[deep\]'"):
        make_ranker(project_of(OBJECTIVES)).fit(examples(0, 100), examples(1, 100))


def test_a_wrong_option_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "shortlist.toml"
    file.write_text('[rank]\nmodel = "multitask"\n\n[rank.options]\nexperts = 0\n')
    with pytest.raises(ProjectError, match=r"shortlist.toml, line 5: rank.options.experts: must be greater"):
        check_settings(read_project(file))


# ---------------------------------------------------------------- bundles


def test_a_saved_ranker_predicts_without_torch(fitted: MultitaskRanker, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    rows = examples(2, 20).matrix
    np.save(tmp_path / "rows.npy", rows)
    code = f"""
import sys, json
from pathlib import Path
import numpy as np
from shortlist.config.project import parse_project
from shortlist.rank.registry import load_ranker
project = parse_project({{"objectives": {OBJECTIVES!r}, "rank": {{"model": "multitask", "options": {SMALL!r}}}}})
ranker = load_ranker(Path({str(tmp_path)!r}), project)
found = ranker.predict(np.load({str(tmp_path / "rows.npy")!r}))
assert not {{"torch", "xgboost", "sklearn"}} & set(sys.modules)
print(json.dumps(found.astype(float).tolist()))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), fitted.predict(rows), rtol=1e-5, atol=1e-6)


def changed(folder: Path, change: Any) -> None:
    file = folder / "ranker.json"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))


DAMAGES: dict[str, Any] = {
    "a wrong shape": lambda m: m["shape"].update(rows=7),
    "no shape": lambda m: m.pop("shape"),
    "a shape of texts": lambda m: m["shape"].update(hidden="8"),
    "other objectives": lambda m: m["objectives"].reverse(),
    "fewer columns": lambda m: m["columns"].pop(),
    "no unit": lambda m: m["units"].pop("click"),
    "no calibration": lambda m: m["calibration"].clear(),
    "a calibration that is none": lambda m: m["calibration"].update(click={"code": "x"}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_facts_are_refused(fitted: MultitaskRanker, tmp_path: Path, name: str) -> None:
    fitted.save(tmp_path)
    changed(tmp_path, DAMAGES[name])
    with pytest.raises(BundleError):
        load_ranker(tmp_path, project_of(OBJECTIVES))


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("network", lambda a: a[:-1]),
        ("network", lambda a: a.astype(np.float64)),
        ("network", lambda a: np.full_like(a, np.nan)),
        ("begin", lambda a: a + 10**9),
        ("knots", lambda a: a[:-1]),
        ("category", lambda a: a.astype(np.int64)),
    ],
)
def test_damaged_arrays_are_refused(fitted: MultitaskRanker, tmp_path: Path, array: str, change: Any) -> None:
    fitted.save(tmp_path)
    file = tmp_path / "arrays" / f"{array}.npy"
    np.save(file, change(np.load(file)))
    with pytest.raises(BundleError):
        load_ranker(tmp_path, project_of(OBJECTIVES))


def test_a_pickle_is_not_read(fitted: MultitaskRanker, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    np.save(tmp_path / "arrays" / "network.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(BundleError, match="allow_pickle"):
        load_ranker(tmp_path, project_of(OBJECTIVES))
