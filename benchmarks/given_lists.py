"""Hotels that searches listed, with the prices of that moment (RecSys Challenge 2019, a sample): the log and the project.

The folder holds `events.parquet` and `impressions.parquet`: actions of a day, and for each click on an offer all hotels of its list with
position and price. Features are point-in-time: they know every earlier action of the session, as a server does. `real/lists.py` measures them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
