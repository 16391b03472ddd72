"""An item as the page shows it."""

from __future__ import annotations

from typing import Any

from shortlist.cascade.catalogue import Catalogue

TAGS = 4
"""Tags of one item at most."""


def describe(catalogue: Catalogue, code: int) -> dict[str, Any]:
    """Id, title, tags (values of the first two categories or lists), facts (numbers and categories), price, picture and link of an item.

    What is unknown is left out of the facts, and null elsewhere.
    """
    items, page = catalogue.items, catalogue.project.page
    hidden = {page.currency_attribute, page.image, page.link}
    coded = [n for n, a in items.attributes.items() if a.kind in {"category", "list"} and n not in hidden]
    tags: list[str] = []
    for name in coded[:2]:
        value, names = items.attributes[name].show(code), catalogue.category_names[name]
        words = value if isinstance(value, list) else [value] if value else []
        tags += [names.short(word) for word in words]
    facts = {
        name: plain(value)
        for name, a in items.attributes.items()
        if a.kind in {"number", "category"} and (value := a.show(code)) is not None
    }
    return {
        "item": items.ids.id(code),
        "title": items.titles[code],
        "tags": list(dict.fromkeys(tags))[:TAGS],
        "facts": facts,
        "price": facts.get(page.price) if page.price else None,
        "currency": facts.get(page.currency_attribute) if page.currency_attribute else page.currency,
        "image": items.attributes[page.image].show(code) if page.image in items.attributes else None,
        "link": items.attributes[page.link].show(code) if page.link in items.attributes else None,
    }


def plain(value: Any) -> Any:
    """Return a value without the digits that single precision does not hold: 12.99 for 12.989999771118164."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
