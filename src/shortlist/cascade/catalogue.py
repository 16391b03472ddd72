"""The catalogue while it serves: items that are added, changed or retired, without a training.

Everything that was learnt stays as it is and is lengthened where it must be. A new item has no history, so models of who took what
cannot propose it: its description can (the `content` source), and exploration (`rerank/explore.py`). A changed attribute counts at once
where it is read as it is: filters, stock, features, diversity; what a model has made of it (a word's direction) is as old as the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from shortlist.data.entities import change_entity, one_value
from shortlist.errors import DataError, RequestError
from shortlist.features.keys import ROOM

if TYPE_CHECKING:
    from shortlist.recommender import Recommender


def check_change(recommender: Recommender, item: Any, change: dict[str, Any], where: str = "") -> None:
    """Raises `RequestError` naming the field where a change cannot be made."""
    for name, value in change.get("attributes", {}).items():
        known = recommender.dataset.items.attributes.get(name)
        if known is None:
            there = ", ".join(recommender.dataset.items.attributes) or "none"
            raise RequestError(
                f"{where}attributes: items have no {name!r}; there are: {there}",
                field=f"{where}attributes.{name}",
            )
        one_value(known, value, f"{where}attributes.{name}")
    ids = recommender.dataset.items.ids
    own = ids.own(item)
    if isinstance(own, bool) or not isinstance(own, int if pa.types.is_integer(ids.values.type) else str):
        raise RequestError(
            f"{where}item: {item!r} cannot be an id here: the others are of type {ids.values.type}",
            field=f"{where}item",
        )


def change_item(recommender: Recommender, item: Any, change: dict[str, Any]) -> None:
    """Make a change that was checked. change: `title`, `attributes` (name → value; null: unknown), `retired`. An item that is not
    there yet is added.
    """
    items = recommender.dataset.items
    given = change.get("attributes", {})
    new = items.ids.code(item) < 0
    if new and len(recommender.retired) - recommender.trained_items >= ROOM:
        raise DataError(f"{ROOM:,} items were added since training; train again to add more", field="item")
    code = change_entity(items, item, change)
    if new:
        recommender.retired = np.append(recommender.retired, False)
    if change.get("retired") is not None:
        recommender.retired[code] = bool(change["retired"])
    if new or given:
        recommender.features.refresh(code)
    if new:
        for retriever in recommender.retrievers.values():
            retriever.add_items(recommender.dataset)
        born = recommender.arrange.born
        by = recommender.project.rerank.freshness_by
        time = items.attributes[by].times[code] if by else recommender.now()
        recommender.arrange.born = np.append(born, np.int64(time))
        if recommender.newcomers is not None:
            recommender.newcomers.grow(len(items))
        if recommender.arrange.factors is not None:
            recommender.arrange.factors = recommender.factors()
    elif recommender.project.rerank.freshness_by in given:
        recommender.arrange.born = items.attributes[str(recommender.project.rerank.freshness_by)].times
    recommender.permitted = None
    recommender.arrange.masks.clear()
