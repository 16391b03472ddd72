"""The closed loop: small worlds lived in for real, its arithmetic by hand, its page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.errors import ShortlistError
from shortlist.simulate.closed_loop.loop import simulate
from shortlist.simulate.closed_loop.measures import MEASURES
from shortlist.simulate.closed_loop.report import loop_page, sentences
from shortlist.simulate.closed_loop.result import LoopResult, over_seeds
from shortlist.simulate.registry import WORLDS, make_world
from shortlist.simulate.world import World


def small(name: str, seed: int = 0) -> World:
    """With few trees: what is tested here is how they live."""
    world = make_world(name, users=250, items=150, sessions=4_000, days=30, seed=seed, later=6)
    rank = {**world.settings["rank"], "heads": "separate", "trees": 40}
    return replace(world, settings={**world.settings, "rank": rank})


@pytest.fixture(scope="module")
def lived() -> LoopResult:
    return simulate(lambda seed: small("video", seed), rounds=2, seeds=2, days=3)


def test_a_recipe_lives_and_beats_what_it_must(lived: LoopResult) -> None:
    assert set(lived.values) == {
        "recipe",
        "without exploration",
        "clicks only",
        "als alone",
        "popular",
        "random",
    }
    for measures in lived.values.values():
        assert set(measures) == set(MEASURES)
        for values in measures.values():
            assert values.shape == (2, 2)
            assert np.isfinite(values).all()
    total = {name: lived.estimate(name).value for name in lived.values}
    assert total["recipe"] > 1.1 * total["als alone"]
    assert total["recipe"] > 2 * total["random"]
    # click-bait is beaten where it counts
    assert (
        lived.estimate("recipe", "outcome per visit").value
        > 1.2 * lived.estimate("clicks only", "outcome per visit").value
    )
    # a first audience: more of what came is met
    assert (
        lived.estimate("recipe", "new item discovery").value
        > lived.estimate("without exploration", "new item discovery").value
    )
    assert lived.estimate("random", "exposure gini").value < lived.estimate("popular", "exposure gini").value


def test_the_same_seeds_give_the_same_numbers() -> None:
    one, two = (
        simulate(lambda seed: small("movies", seed), rounds=1, seeds=1, days=2, only=["recipe", "random"])
        for _ in range(2)
    )
    for name in one.values:
        for measure in MEASURES:
            np.testing.assert_array_equal(one.values[name][measure], two.values[name][measure])


@pytest.mark.parametrize("name", ["shop", "apps"])
def test_every_setting_can_be_simulated(name: str) -> None:
    loop = simulate(lambda seed: small(name, seed), rounds=1, seeds=1, days=2, only=["recipe", "random"])
    assert loop.estimate("recipe").value > loop.estimate("random").value
    assert loop.unit == {"shop": "margin", "apps": "apps kept"}[name]


def test_intervals_by_hand() -> None:
    values = np.array([1.0, 2.0, 3.0, 6.0])
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 3, loc=3.0, scale=values.std(ddof=1) / 2)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, low, high))
    alone = over_seeds(np.array([2.0]))
    assert (alone.value, alone.low, alone.high) == (2.0, 2.0, 2.0)
    loop = LoopResult("w", "seconds", {n: {m: np.array(v, float)[:, None] for m in MEASURES} for n, v in {"recipe": [4, 9], "other": [2, 3]}.items()}, {"recipe": "", "other": ""})  # fmt: skip
    # twice in one world and three times in the other: √6 times on the whole
    assert loop.relative_gain("recipe", "other").value == pytest.approx(np.sqrt(6) - 1)
    assert loop.relative_gain("other", "recipe").high > 0


def test_the_page_and_the_numbers(lived: LoopResult) -> None:
    page = loop_page(lived)
    assert "The data come from a simulated world; the people are not real." in page
    assert "<script" not in page
    assert "src=" not in page
    assert 'class="band own"' in page
    said = sentences(lived)
    assert said[0] in page
    assert "over als alone" in said[0]
    told = lived.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["policies"]["recipe"]["measures"]["outcome"][1].keys() == {"value", "low", "high"}
    # where the recipe fails its aim, it is said
    bad = LoopResult(
        lived.name,
        lived.unit,
        {**lived.values, "recipe": lived.values["random"]},
        lived.descriptions,
        lived.facts,
    )
    assert "The recipe does not beat als alone by 10% and random by 100%" in " ".join(sentences(bad))


def test_the_command(tmp_path: Path) -> None:
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
    told = json.loads(out.read_text())
    assert set(told["policies"]) == {"als alone", "random"}
    assert len(told["policies"]["random"]["measures"]["outcome"]) == 2
    assert page.read_text().startswith("<!doctype html>")
    for wrong, said in (
        (["nowhere"], "there is no world"),
        (["video", "--only", "gods", *sizes], "there is no policy 'gods'"),
    ):
        failed = CliRunner().invoke(app, ["simulate", *wrong])
        assert isinstance(failed.exception, ShortlistError)
        assert said in failed.exception.message
    assert set(WORLDS) == {"movies", "video", "shop", "apps"}
