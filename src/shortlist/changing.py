"""The catalogue while it serves: items that are added, changed or retired, without a training.

Everything that was learnt stays as it is and is lengthened where it must be. A new item has no history, so models of who took what
cannot propose it: its description can (the `content` source), and exploration (`rerank/explore.py`). A changed attribute counts at once
where it is read as it is: filters, stock, features, diversity; what a model has made of it (a word's direction) is as old as the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute, encode
from shortlist.data.dataset import Entities
from shortlist.data.times import NO_TIME
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
        _one(known, value, f"{where}attributes.{name}")
    ids = recommender.dataset.items.ids
    own = ids.own(item)
    if isinstance(own, bool) or not isinstance(own, int if pa.types.is_integer(ids.values.type) else str):
        raise RequestError(
            f"{where}item: {item!r} cannot be an id here: the others are of type {ids.values.type}",
            field=f"{where}item",
        )


def change_item(recommender: Recommender, item: Any, change: dict[str, Any]) -> None:
    """Make a change that was checked. change: `title`, `attributes` (name → value; null: unknown), `retired`. An item that is not
    there yet is added."""
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


def change_entity(items: Entities, item: Any, change: dict[str, Any]) -> int:
    """Title and attributes of one item, in place; a new one is added at the end. Its code."""
    code, given = items.ids.code(item), change.get("attributes", {})
    new = code < 0
    if new:
        code = items.ids.append(item)
        items.titles.append(str(change.get("title") or item))
    elif change.get("title"):
        items.titles[code] = str(change["title"])
    for name, old in list(items.attributes.items()):
        if new or name in given:
            items.attributes[name] = old.changed(code, _one(old, given.get(name), f"attributes.{name}"))
    return code


def _one(like: Attribute, value: Any, where: str) -> Attribute:
    """One value as an attribute of one row, coded with the vocabulary of `like`."""
    if value is None:
        return like.take(np.array([-1]))
    try:
        if like.kind == "list" and not isinstance(value, list):
            raise DataError(f"a list is expected and not {value!r}")
        if like.kind == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise DataError(f"a number is expected and not {value!r}")
        if like.kind in {"category", "text"}:
            value = str(value)
        if like.kind == "list":
            value = [str(v) for v in value]
        one = encode(like.name, like.kind, pa.array([value]), like.vocabulary or None)
        if like.kind == "embedding" and one.values.shape[1] != like.values.shape[1]:
            raise DataError(f"{like.values.shape[1]} numbers are expected and not {one.values.shape[1]}")
        if like.kind == "time" and one.times[0] == NO_TIME:
            raise DataError(f"a time is expected and not {value!r}")
        return one
    except (DataError, pa.ArrowException, ValueError, TypeError) as error:
        said = error.message if isinstance(error, DataError) else str(error)
        raise RequestError(f"{where}: {said}", field=where) from None
