"""Films: MovieTweetings and MovieLens-100K, ratings in the order of time, and films that nobody has rated yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from case import Case, Tables
from table import Section, compared, headline

from shortlist.metrics.significance import bootstrap
from shortlist.recommender import Recommender

TITLES = {"movietweetings": "MovieTweetings", "movielens-100k": "MovieLens-100K"}
LIKED = {"movietweetings": 8.0, "movielens-100k": 4.0}
"""Data set → the rating from which a film counts as liked."""
PEERS = (
    "popular of 7 days",
    "implicit ALS",
    "implicit neighbours",
    "RecTools EASE",
    "LightFM",
    "XGBoost",
    "LightGBM",
)
RECIPE: dict[str, dict[str, Any]] = {"movietweetings": {}, "movielens-100k": {}}
"""Changes of the project that `shortlist init` writes, chosen on the validation."""
COLD_K, COLD_USERS = 20, 300


def cases(data: Path) -> list[Case]:
    """One case for each data set: the last fifth of the events is the test."""
    found = []
    for name, least in LIKED.items():
        tables = Tables.read(data / name)
        names = ["value" if column == "rating" else column for column in tables.events.column_names]
        tables = Tables(tables.events.rename_columns(names), tables.items, tables.users)
        moments = [tables.quantile(share) for share in (0.64, 0.8, 1.0)]
        found.append(Case(name, tables, moments[0], moments[1], moments[2] + 1, at_least=least))
    return found


def section(data: Path, validation: bool) -> Section:
    found = Section("movies", ["## Movies", ""])
    for whole in cases(data):
        case = whole.on_validation() if validation else whole
        title = TITLES[whole.name]
        facts = case.peers(*PEERS)
        ours, lists = {}, {}
        for name, patch in (("shortlist", RECIPE[whole.name]), ("shortlist init", {})):
            if name == "shortlist init" and not RECIPE[whole.name]:
                continue
            ours[name], seconds = case.fitted(patch)
            facts[name] = {"seconds": seconds}
            lists[name] = case.slates(ours[name])
        report = case.judge(lists | {name: case.list_of(name) for name in PEERS})
        known = set(pc.unique(case.train.events.column("user_id")).to_pylist())
        found.lines += [
            f"### {title}: films that users will like ({LIKED[whole.name]:g} or more) and have not rated",
            "",
            (
                f"{len(case.users):,} users, of whom {sum(user not in known for user in case.users):,} are new; "
                f"{len(case.wanted):,} liked films, {len(case.train.events):,} training ratings."
            ),
            "",
            *compared(report, facts),
            *cold_films(case, ours["shortlist"]),
        ]
        sentence = f"liked films among ten, of all {len(case.train.items or ()):,}, after one moment in time."  # type: ignore[arg-type]
        found.headlines.append(headline(report, "movies", title, sentence, list(lists)))
    return found


def cold_films(case: Case, recommender: Recommender) -> list[str]:
    """How many liked films are found among those that nobody has rated before the test, when only these are ranked."""
    items = case.train.items
    assert items is not None
    rated = pc.unique(case.train.events.column("item_id"))
    cold = items.filter(pc.invert(pc.is_in(items.column("item_id"), rated))).column("item_id")
    wanted = case.wanted.filter(pc.is_in(case.wanted.column("item_id"), pa.array(cold.to_pylist())))
    with_past = pc.is_in(wanted.column("user_id"), pc.unique(case.train.events.column("user_id")))
    wanted = wanted.filter(with_past)
    users = pc.unique(wanted.column("user_id")).to_pylist()[:COLD_USERS]
    if len(users) < 10:
        return [
            f"Only {len(users)} users with a history liked a film without ratings: too few to measure.",
            "",
        ]
    catalogue, recall = cold.to_pylist(), []
    truth: dict[Any, set[Any]] = {}
    for user, item in zip(
        wanted.column("user_id").to_pylist(), wanted.column("item_id").to_pylist(), strict=True
    ):
        truth.setdefault(user, set()).add(item)
    for user in users:
        ranked = recommender.rank(user, catalogue, now=case.moment * 1000)
        top = {one.item for one in list(ranked)[:COLD_K]}
        recall.append(len(top & truth[user]) / len(truth[user]))
    estimate = bootstrap(np.array(recall), 1000, 0)
    chance = min(COLD_K / len(catalogue), 1.0)
    return [
        (
            f"Films without ratings ({len(catalogue):,} of them, ranked alone, {len(users)} users with a history): recall@{COLD_K} "
            f"{estimate.value:.3f} ({estimate.low:.3f} – {estimate.high:.3f}), at random {chance:.4f}: {estimate.value / chance:.1f} × "
            f"({estimate.low / chance:.1f} – {estimate.high / chance:.1f})."
        ),
        "",
    ]
