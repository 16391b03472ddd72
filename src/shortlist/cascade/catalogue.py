"""The catalogue while it serves: items that are added, changed or retired, without a training.

Everything that was learnt stays as it is and is lengthened where it must be. A new item has no history, so models of who took what
cannot propose it: its description can (the `content` source), and exploration (`rerank/cold_start.py`). A changed attribute counts at once
where it is read as it is: filters, stock, features, diversity; what a model has made of it (a word's direction) is as old as the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shortlist.data.entities import Entities, EntityChange
from shortlist.errors import DataError
from shortlist.features.keys import SPARE_ITEMS

if TYPE_CHECKING:
    from shortlist.recommender import Recommender


def check_change(recommender: Recommender, item: Any, change: dict[str, Any], where: str = "") -> None:
    """Raises `RequestError` naming the field where a change cannot be made."""
    recommender.dataset.items.check_change(_change(item, change), where)


def _change(item: Any, change: dict[str, Any]) -> EntityChange:
    return EntityChange(item, change.get("title"), change.get("attributes") or {})


def change_item(recommender: Recommender, item: Any, change: dict[str, Any]) -> None:
    """Make a change that was checked. change: `title`, `attributes` (name → value; null: unknown), `retired`. An item that is not
    there yet is added.
    """
    items = recommender.dataset.items
    given = change.get("attributes", {})
    new = items.ids.code(item) < 0
    if new and len(recommender.retired) - recommender.trained_items >= SPARE_ITEMS:
        raise DataError(f"{SPARE_ITEMS:,} items were added since training; train again to add more", field="item")
    _put(items, items.with_changes([_change(item, change)]))
    code = items.ids.code(item)
    if new:
        recommender.retired = np.append(recommender.retired, False)
    if change.get("retired") is not None:
        recommender.retired[code] = bool(change["retired"])
    if new or given:
        recommender.item_features.update([code], items)
    if new:
        for name, retriever in recommender.retrievers.items():
            recommender.retrievers[name] = retriever.with_items(recommender.dataset.items)
        born = recommender.arrange.first_seen
        by = recommender.project.rerank.freshness_by
        time = items.attributes[by].times[code] if by else recommender.now()
        recommender.arrange = recommender.arrange.with_catalogue(
            items, np.append(born, np.int64(time)), recommender.arrange.factors
        )
        if recommender.newcomers is not None:
            recommender.newcomers.grow(len(items))
    else:
        born = recommender.arrange.first_seen
        if recommender.project.rerank.freshness_by in given:
            born = items.attributes[str(recommender.project.rerank.freshness_by)].times
        recommender.arrange = recommender.arrange.with_catalogue(items, born, recommender.arrange.factors)
    recommender.permitted = None


def _put(items: Entities, changed: Entities) -> None:
    """Lay a changed catalogue over the one that others hold a reference to, until they are handed the new one."""
    object.__setattr__(items, "ids", changed.ids)
    object.__setattr__(items, "titles", changed.titles)
    items.attributes.update(changed.attributes)
