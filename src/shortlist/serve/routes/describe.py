"""An item as the page shows it."""

from __future__ import annotations

from typing import Any

from shortlist.data.entities import Entities

TAGS = 4
"""Tags of one item at most."""


def describe(items: Entities, code: int) -> dict[str, Any]:
    """Id, title, tags (values of the first two categories or lists) and facts (numbers and categories) of an item."""
    coded = [a for a in items.attributes.values() if a.kind in {"category", "list"}]
    tags: list[str] = []
    for attribute in coded[:2]:
        value = attribute.show(code)
        tags += value if isinstance(value, list) else [value] if value else []
    facts = {
        name: value
        for name, a in items.attributes.items()
        if a.kind in {"number", "category"} and (value := a.show(code)) is not None
    }
    return {"item": items.ids.id(code), "title": items.titles[code], "tags": tags[:TAGS], "facts": facts}
