"""Attributes that count later events are named; prices, and what the past explains, are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from shortlist.data.split import cut_for_test
from shortlist.evaluate.later_statistics import find_later_statistics
from shortlist.simulate.movies import make_movies
from shortlist.simulate.shop import make_shop
from shortlist.simulate.world import World

Floats = NDArray[np.float64]


def found_in(world: World, columns: dict[str, Floats] | None = None) -> dict[str, str]:
    """Column → evidence, of a world whose items have further columns."""
    items, settings = world.items, {**world.settings}
    for name, column in (columns or {}).items():
        items = items.append_column(name, pa.array(column))
    numbers = dict.fromkeys(columns or {}, "number")
    attributes = {**settings["items"]["attributes"], **numbers}
    settings["items"] = {**settings["items"], "attributes": attributes}
    world = replace(world, items=items, settings=settings)
    dataset = world.dataset()
    return dict(find_later_statistics(dataset, cut_for_test(dataset.log, world.project().evaluate)))


@pytest.mark.parametrize("seed", range(3))
def test_a_price_that_revenue_follows_is_clean(seed: int) -> None:
    """Price and margin of the shop follow the mean value of purchases more closely over the whole log than over its past."""
    world = make_shop(users=400, items=250, sessions=5_000, days=40, seed=seed)
    assert found_in(world) == {}


@pytest.mark.parametrize("seed", range(3))
def test_counts_of_later_events_are_named_in_any_form(seed: int) -> None:
    world = make_movies(users=400, items=250, sessions=5_000, days=40, seed=seed)
    dataset = world.dataset()
    log, n = dataset.log, len(dataset.items)
    after = log.time >= cut_for_test(log, world.project().evaluate)
    plays = log.is_kind(["play"])

    def count(rows: NDArray[np.bool_]) -> Floats:
        return np.bincount(log.item[rows], minlength=n).astype(np.float64)

    rng = np.random.default_rng(seed)
    columns = {
        "whole": count(plays),
        "logarithm": np.log1p(count(plays)),
        "noisy": count(plays) * rng.uniform(0.9, 1.1, n),
        "backwards": -count(plays),
        "later": count(plays & after),
        "past": count(plays & ~after),
        "noisy_past": count(plays & ~after) * rng.uniform(0.9, 1.1, n),
    }
    found = found_in(world, columns)
    assert set(found) == {f"items.{name}" for name in ("whole", "logarithm", "noisy", "backwards", "later")}
    assert "the number of play events" in found["items.whole"]


@pytest.mark.parametrize("seed", range(3))
def test_what_an_item_is_by_itself_is_clean_however_well_it_is_known(seed: int) -> None:
    """The true appeal of items follows later counts more closely than past ones, and knows none of them."""
    rng = np.random.default_rng(seed)
    n, events = 300, 12_000
    appeal = rng.gamma(2.0, 1.0, n)
    item = rng.choice(n, events, p=appeal / appeal.sum())
    rows = {
        "user_id": [f"u{k % 200}" for k in range(events)],
        "item_id": [f"i{k}" for k in item],
        "timestamp": [1_760_000_000 + 60 * k for k in range(events)],
    }
    import shortlist

    counted = np.bincount(item, minlength=n).astype(np.float64)
    items = {"item_id": [f"i{k}" for k in range(n)], "appeal": appeal, "counted": counted}
    project = shortlist.guess_project(pa.table(rows), pa.table(items))
    dataset = shortlist.Dataset.from_frames(pa.table(rows), pa.table(items), project=project)
    found = dict(find_later_statistics(dataset, cut_for_test(dataset.log, project.evaluate)))
    assert set(found) == {"items.counted"}
