"""Given lists on a real log: hotels that a search listed, with the prices of that moment (RecSys Challenge 2019, a sample).

    python benchmarks/given_lists.py FOLDER [--test]

FOLDER holds `events.parquet` and `impressions.parquet`: actions of a day, and for each click on an offer all hotels of its list with position
and price. Measured is the mean reciprocal rank of the clicked hotel, on the last 15 % of the lists (`--test`) or on the 15 % before them
(default), where the settings below were chosen. Features are point-in-time: they know every earlier action of the session, as a server does.
The baseline is LambdaMART of XGBoost with the same features, without those of Shortlist's sources.
"""

from __future__ import annotations

import argparse
import itertools
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xgboost as xgb
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.split import stage_cuts
from shortlist.metrics.significance import bootstrap
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.recommender import Recommender

CONTEXT = ("platform", "device", "sort", "filters")
KINDS = ("click", "image", "info", "rating", "deals", "search")
NAMES = {
    "clickout item": "click",
    "search for item": "search",
    **{f"interaction item {k}": k for k in KINDS[1:5]},
}


def within(of: str, how: str = "rank", to: str = "median", event: str | None = None) -> dict[str, Any]:
    """A feature of kind `within_list`."""
    chosen = {} if event is None else {"event": event}
    return {
        "name": f"{of} {how} {to} {event or ''}".strip(),
        "kind": "within_list",
        "of": of,
        "how": how,
        "to": to,
        **chosen,
    }


def features() -> list[dict[str, Any]]:
    """What is known of a hotel, of the user with it, and of its list."""
    found: list[dict[str, Any]] = [{"name": name, "kind": "given", "of": name} for name in ("price", "place")]
    for kind in KINDS:
        found += [
            {"name": f"own_{kind}", "kind": "count", "by": "user*item", "event": kind},
            {"name": f"own_{kind}_last", "kind": "recency", "by": "user*item", "event": kind},
            {"name": f"item_{kind}", "kind": "count", "by": "item", "event": kind},
        ]
    for name, by in (("", "item"), ("_platform", "item*context.platform"), ("_sort", "item*context.sort")):
        found.append({"name": f"rate{name}", "kind": "rate", "by": by, "event": "click", "per": "impression"})
    for name, by in (("item", "item"), ("own", "user*item"), ("user", "user")):
        found.append({"name": f"{name}_seen", "kind": "count", "by": by, "event": "impression"})
    for kind in ("click", "image"):
        found.append({"name": f"user_{kind}", "kind": "count", "by": "user", "event": kind})
    found.append({"name": "own_seen_last", "kind": "recency", "by": "user*item", "event": "impression"})
    found.append({"name": "user_last", "kind": "recency", "by": "user", "event": "click"})
    found += [{"name": column, "kind": "attribute", "of": f"context.{column}"} for column in CONTEXT]
    found.append({"name": "hour", "kind": "moment", "of": "hour"})
    found += [within("price"), *(within("price", "ratio", to) for to in ("median", "min", "max", "latest"))]
    found += [within("place", "difference", to) for to in ("latest", "max")]
    found += [within("price", "ratio", "latest", "click")]
    found += [within("place", "difference", "latest", kind) for kind in ("click", "image")]
    ranked = (
        "item_click",
        "rate",
        "rate_platform",
        "item_image",
        "item_seen",
        "own_image",
        "own_image_last",
        "own_click_last",
    )
    found += [within(name) for name in (*ranked, "own_info_last")]
    found += [within(name, "difference", "max") for name in ("rate", "own_image", "own_click")]
    return [*found, within("own_image_last", "difference", "min")]


SETTINGS: dict[str, Any] = {
    "name": "hotels of a search",
    "data": {
        "columns": {name: name for name in ("timestamp", "kind", "slate", "position")},
        "given": ["price", "place"],
        "context": dict.fromkeys(CONTEXT, "category"),
        "duplicates": "keep",
    },
    "objectives": {"click": {"events": ["click"], "window": "1s"}},
    "retrieve": {"sources": [{"model": "popular"}], "candidates": 20},
    "rank": {
        "examples": "impressions",
        "trees": 400,
        "depth": 6,
        "learning_rate": 0.03,
        "heads": "joint",
        "without_list": 0.0,
    },
    "evaluate": {"ranker_window": 0.75, "validation": 0.1},
    "features": features(),
}


def read(folder: Path) -> pa.Table:
    """Actions on hotels and impressions of the lists, each list in the situation of its click."""
    events = pq.read_table(folder / "events.parquet").to_pandas()
    lists = pq.read_table(folder / "impressions.parquet").to_pandas()
    events["sort"] = events["reference"].where(events["kind"] == "change of sort order")
    events["sort"] = events.groupby("session_id")["sort"].ffill()
    events["filters"] = events["current_filters"]
    of_list = ["session_id", "step"]
    clicks = events[events["kind"] == "clickout item"][[*of_list, *CONTEXT]].drop_duplicates(of_list)
    lists = lists.merge(clicks, on=of_list, how="left")
    lists["kind"], lists["place"] = "impression", lists["position"]
    acted = events[events["item_id"].notna()].copy()
    acted["kind"] = acted["kind"].map(NAMES)
    columns = ["user_id", "item_id", "timestamp", "kind", *CONTEXT]
    shown = ["slate", "position", "place", "price"]
    tables = [
        pa.Table.from_pandas(lists[[*columns, *shown]], preserve_index=False),
        pa.Table.from_pandas(acted[columns], preserve_index=False),
    ]
    ids = [table.set_column(1, "item_id", pc.cast(table.column("item_id"), pa.int64())) for table in tables]
    joined = pa.concat_tables(ids, promote_options="permissive")
    return joined.sort_by([("timestamp", "ascending")])


def reciprocal_ranks(examples: TrainingSet, score: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 ÷ place of the first clicked hotel of each list that has one."""
    edges = np.flatnonzero(np.concatenate([[True], np.diff(examples.request) != 0, [True]]))
    found = []
    for low, high in itertools.pairwise(edges):
        clicked = examples.labels["click"][low:high][np.argsort(-score[low:high], kind="stable")] > 0
        if clicked.any():
            found.append(1 / (1 + int(np.argmax(clicked))))
    return np.array(found)


def lambdamart(recommender: Recommender, dataset: Dataset, examples: TrainingSet) -> NDArray[np.float32]:
    """Scores of LambdaMART, trained on the lists that Shortlist's ranker is trained and calibrated on."""
    model = recommender.model
    cuts = stage_cuts(dataset.log, model.project.evaluate)
    window, settings = Window(cuts.ranker, cuts.end, cuts.ranker), ExampleSettings.of(model.project)
    past = make_training_set(dataset, model.retrievers, model.features, window, settings)
    own = [at for at, name in enumerate(past.names) if not name.startswith("popular_")]
    trees = xgb.XGBRanker(objective="rank:ndcg", n_estimators=300, max_depth=4, learning_rate=0.05, n_jobs=1)
    lists = np.unique(past.request, return_inverse=True)[1]
    trees.fit(past.matrix[:, own], (past.labels["click"] > 0).astype(int), qid=lists)
    scores: NDArray[np.float32] = trees.predict(examples.matrix[:, own])
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description="Given lists on a real log.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--test", action="store_true", help="the last 15 %% of the lists instead of those before"
    )
    given = parser.parse_args()
    project = parse_project(SETTINGS)
    dataset = Dataset.from_frames(read(given.folder), None, None, project)
    times = np.unique(dataset.log.time[dataset.log.is_kind(["impression"])])
    cuts = [int(np.quantile(times, share)) for share in (0.7, 0.85)] + [int(dataset.log.time[-1]) + 1]
    low, high = cuts[1:] if given.test else cuts[:2]
    known = dataset.before(low)
    recommender = Recommender(project).fit(known)
    model = recommender.model
    window, settings = Window(low, high, low), ExampleSettings.of(project)
    examples = make_training_set(dataset.before(high), model.retrievers, model.features, window, settings)
    shown = reciprocal_ranks(examples, -examples.matrix[:, examples.names.index("place")])
    ours = reciprocal_ranks(examples, model.ranker.predict(examples.matrix)[:, 0])
    peer = reciprocal_ranks(examples, lambdamart(recommender, known, examples))
    print(f"{len(ours):,} lists, {'test' if given.test else 'validation'}; MRR of the clicked hotel (95 %)")
    for name, values in (
        ("order shown", shown),
        ("LambdaMART, same features", peer),
        ("Shortlist", ours),
        ("difference", ours - peer),
    ):
        found = bootstrap(values, 1_000, 0)
        print(f"{name:27} {found.value:.4f} ({found.low:.4f} to {found.high:.4f})")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_utime:.0f} s of CPU")


if __name__ == "__main__":
    main()
