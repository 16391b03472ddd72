"""Changes to users or items: title and attributes of one entity, coded like the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute, encode
from shortlist.data.dataset import Entities
from shortlist.data.times import NO_TIME
from shortlist.errors import DataError, RequestError


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
            items.attributes[name] = old.changed(code, one_value(old, given.get(name), f"attributes.{name}"))
    return code


def one_value(like: Attribute, value: Any, where: str) -> Attribute:
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
