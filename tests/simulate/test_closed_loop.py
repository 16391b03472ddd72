"""The closed-loop simulation: small worlds, intervals computed by hand, the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.errors import ShortlistError
from shortlist.simulate.closed_loop.loop import simulate
from shortlist.simulate.closed_loop.measures import MEASURES
from shortlist.simulate.closed_loop.report import loop_page, sentences, text_tables
from shortlist.simulate.closed_loop.result import LoopResult, over_seeds
from shortlist.simulate.registry import WORLDS, make_world
from shortlist.simulate.world import World
from support.sizes import size
from support.worlds import quick


def small(
    name: str,
    seed: int = 0,
    sessions: int = size(1_500, 4_000),
    trees: int = size(10, 40),
    heads: str = "joint",
) -> World:
    """Make a small world whose ranker has few trees."""
    world = make_world(name, users=250, items=150, sessions=sessions, days=30, seed=seed, later=6)
    return quick(world, trees, heads)


@pytest.fixture(scope="module")
def result() -> LoopResult:
    sessions, trees = size(2_200, 4_000), size(15, 40)
    return simulate(lambda seed: small("video", seed, sessions, trees, "separate"), rounds=2, seeds=2, days=3)


def test_the_recipe_beats_its_baselines(result: LoopResult) -> None:
    assert set(result.values) == {
        "recipe",
        "without exploration",
        "clicks only",
        "als alone",
        "popular",
        "random",
    }
    for measures in result.values.values():
        assert set(measures) == set(MEASURES)
        for values in measures.values():
            assert values.shape == (2, 2)
            assert np.isfinite(values).all()
    total = {name: result.estimate(name).value for name in result.values}
    assert total["recipe"] > 1.1 * total["als alone"]
    assert total["recipe"] > 2 * total["random"]
    # the recipe beats the policy that maximises clicks in the outcome of a visit
    assert (
        result.estimate("recipe", "outcome per visit").value
        > 1.2 * result.estimate("clicks only", "outcome per visit").value
    )
    # reserved exposure lets users discover more of the new items
    assert (
        result.estimate("recipe", "new item discovery").value
        > result.estimate("without exploration", "new item discovery").value
    )
    assert (
        result.estimate("random", "exposure gini").value < result.estimate("popular", "exposure gini").value
    )


def test_the_same_seeds_give_the_same_numbers() -> None:
    one, two = (
        simulate(lambda seed: small("movies", seed), rounds=1, seeds=1, days=2, only=["recipe", "random"])
        for _ in range(2)
    )
    for name in one.values:
        for measure in MEASURES:
            np.testing.assert_array_equal(one.values[name][measure], two.values[name][measure])


@pytest.mark.parametrize("name", ["shop", "apps"])
def test_shop_and_apps_can_be_simulated(name: str) -> None:
    loop = simulate(lambda seed: small(name, seed), rounds=1, seeds=1, days=2, only=["recipe", "random"])
    assert loop.estimate("recipe").value > loop.estimate("random").value
    assert loop.unit == {"shop": "margin", "apps": "apps kept"}[name]


def test_intervals_equal_those_computed_by_hand() -> None:
    values = np.array([1.0, 2.0, 3.0, 6.0])
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 3, loc=3.0, scale=values.std(ddof=1) / 2)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, low, high))
    alone = over_seeds(np.array([2.0]))
    assert alone.value == 2.0
    assert not alone.has_interval
    loop = LoopResult("w", "seconds", {n: {m: np.array(v, float)[:, None] for m in MEASURES} for n, v in {"recipe": [4, 9], "other": [2, 3]}.items()}, {"recipe": "", "other": ""})  # fmt: skip
    # ratios of 2 and 3 in two worlds: their geometric mean is √6
    assert loop.relative_gain("recipe", "other").value == pytest.approx(np.sqrt(6) - 1)
    assert loop.relative_gain("other", "recipe").high > 0


def test_one_world_has_no_interval_anywhere() -> None:
    measures = {
        n: {m: np.array([[v, v + 1]]) for m in MEASURES} for n, v in {"recipe": 4.0, "other": 2.0}.items()
    }
    loop = LoopResult("w", "seconds", measures, {"recipe": "", "other": ""}, {"seeds": 1, "rounds": 2})
    said = sentences(loop)
    assert said == ["Gain of the recipe in seconds per user: +80% over other (one world, no interval)."]
    outcomes = text_tables(loop)[0]
    assert [column.header for column in outcomes.columns] == [
        "policy",
        "outcome",
        "gain of recipe",
        "first",
        "last",
    ]
    page = loop_page(loop)
    assert "There is one world, so there are no intervals" in page
    assert "nan" not in page.lower()
    assert 'class="band' not in page
    assert 'class="whisker"' not in page
    # without an interval no difference is called better
    assert "better" not in page.partition("<body")[2]
    outcome = loop.to_json()["policies"]["recipe"]["outcome"]
    assert outcome == {"value": 4.5, "low": None, "high": None}


def test_page_and_json(result: LoopResult) -> None:
    page = loop_page(result)
    assert "The data come from a simulated world; the people are not real." in page
    assert "<script" not in page
    assert "src=" not in page
    assert 'class="band own"' in page
    text = sentences(result)
    assert text[0] in page
    assert "over als alone" in text[0]
    values = result.to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["policies"]["recipe"]["measures"]["outcome"][1].keys() == {"value", "low", "high"}
    # a recipe that misses its targets is reported
    bad = LoopResult(
        result.name,
        result.unit,
        {**result.values, "recipe": result.values["random"]},
        result.descriptions,
        result.facts,
    )
    assert "The recipe does not beat als alone by 10% and random by 100%" in " ".join(sentences(bad))


@pytest.mark.usefixtures("quick_training")
def test_simulate_command(tmp_path: Path) -> None:
    out, page = tmp_path / "loop.json", tmp_path / "loop.html"
    sizes = ["--users", "150", "--items", "80", "--sessions", "1500", "--log-days", "20", "--days", "1"]
    done = CliRunner().invoke(
        app,
        [
            "simulate",
            "video",
            "--rounds",
            "2",
            "--seeds",
            "1",
            *sizes,
            "--only",
            "als alone,random",
            "--json",
            str(out),
            "--html",
            str(page),
        ],
    )
    assert done.exit_code == 0, done.output
    values = json.loads(out.read_text())
    assert set(values["policies"]) == {"als alone", "random"}
    assert len(values["policies"]["random"]["measures"]["outcome"]) == 2
    assert page.read_text().startswith("<!doctype html>")
    for wrong, message in (
        (["nowhere"], "there is no world"),
        (["video", "--only", "gods", *sizes], "there is no policy 'gods'"),
    ):
        failed = CliRunner().invoke(app, ["simulate", *wrong])
        assert isinstance(failed.exception, ShortlistError)
        assert message in failed.exception.message
    assert set(WORLDS) == {"movies", "video", "shop", "apps"}
