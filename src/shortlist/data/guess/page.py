"""Guess what the page shows: prices, currency, pictures, and the look of its first tab."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.guess.events import EventKinds
from shortlist.data.guess.kinds import Stage
from shortlist.data.guess.names import words
from shortlist.data.numbers import is_text

PRICE = frozenset({"price", "preis", "prix", "precio", "prezzo", "preco", "prijs", "msrp", "rrp", "uvp"})
"""Words in the names of columns that hold prices, without accents."""
_OTHER_PRICE = "old was previous original former purchase buying cost wholesale einkauf einkaufs range level tier change drop discount per"
OTHER_PRICE = frozenset(_OTHER_PRICE.split())
"""Words that make it another price, or none."""
CURRENCY = frozenset({"currency", "waehrung", "wahrung", "devise", "moneda", "valuta", "moeda", "divisa"})
_PICTURE = (
    "image images img picture pictures pic photo photos thumbnail thumbnails thumb thumbs poster cover artwork bild bilder foto fotos "
    "imagen immagine imagem afbeelding"
)
PICTURE = frozenset(_PICTURE.split())
WEB_PAGE = frozenset(
    ["url", "uri", "link", "href", "permalink", "homepage", "webpage", "website", "lien", "enlace"]
)
"""Words in the names of columns that hold addresses of the items' pages."""
CODES = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "zł": "PLN"}
CURRENCIES = frozenset(CODES.values()) | {
    "USD",
    "CHF",
    "CNY",
    "CAD",
    "AUD",
    "SEK",
    "NOK",
    "DKK",
    "CZK",
    "BRL",
    "MXN",
    "HUF",
    "RON",
}
CODE = r"^[A-Za-z]{3}$"
ADDRESS = r"^(?:https?:)?//[^\s/]+/|^/[^\s/]"
WEB_ADDRESS = r"^https?://[^\s/]+"
FILE = r"(?i)\.(?:jpe?g|png|webp|gif|avif|svg)(?:[?#]\S*)?$"
ADDRESSES, NAMED_ADDRESSES = 0.9, 0.5
"""A column holds addresses where this share of its texts are addresses; less is enough where its name says so, too."""
MOST_HOSTS = 5
"""So many hosts of pictures are written into a project at most."""
MOST_WORDS, LEAST_WORDS = 200, 2
"""A category has rows of its own if it has so many values."""


def is_picture(name: str, texts: pa.Array) -> bool:
    """Return whether a column of texts holds addresses of pictures: by file endings, or by its name."""
    addressed = _share(texts, ADDRESS)
    if PICTURE.intersection(words(name)):
        return addressed >= NAMED_ADDRESSES
    return addressed >= ADDRESSES and _share(texts, FILE) >= ADDRESSES


def is_web_page(name: str, texts: pa.Array) -> bool:
    """Return whether a column of texts holds web addresses of items: by its name and its values.

    Some may be bad (`n/a`, an address without its scheme): the page shows those titles without a link.
    """
    return bool(WEB_PAGE.intersection(words(name))) and _share(texts, WEB_ADDRESS) >= NAMED_ADDRESSES


def _share(texts: pa.Array, pattern: str) -> float:
    """Return the share of the texts that match a pattern; empty ones are unknown values and do not count."""
    found = pc.match_substring_regex(texts, pattern).filter(pc.match_substring_regex(texts, r"\S"))
    return float(pc.mean(found.cast(pa.float64())).as_py() or 0.0)


@dataclass(frozen=True)
class PageGuess:
    """The guessed settings `view` and `page`, those that differ from the defaults, and a note."""

    settings: dict[str, Any]
    note: str


def guess_page(
    items: pa.Table | None, attributes: Mapping[str, str], events: pa.Table, kinds: EventKinds
) -> PageGuess:
    """Guess prices, currency, pictures, rows, and the look of the first tab.

    Parameters
    ----------
    items
        The items table, if there is one.
    attributes
        Its attributes: name → kind.
    events
        The events table; a currency may stand there.
    kinds
        The kinds of its events.
    """
    page: dict[str, Any] = {}
    lines: list[str] = []
    price = _price(attributes)
    if price is not None:
        page["price"] = price
        currency = _currency(price, attributes, [t for t in (items, events) if t is not None])
        if currency is None:
            lines.append(
                f'Prices are those of {price}; no column says their currency: add currency = "EUR" (or another code).'
            )
        else:
            page["currency"] = currency
            lines.append(f"Prices are those of {price}, in {currency}.")
    links = [name for name, kind in attributes.items() if kind == "link" and items is not None]
    pictures = [name for name in links if items is not None and is_picture(name, items.column(name))]
    pages = [name for name in links if name not in pictures]
    if pages:
        page["link"] = pages[0]
        lines.append(f"Titles lead to the addresses of {pages[0]}.")
    image = pictures[0] if pictures else None
    if image is not None and items is not None:
        page["image"] = image
        hosts = _hosts(items.column(image))
        if 0 < len(hosts) <= MOST_HOSTS:
            page["image_hosts"] = hosts
            lines.append(
                f"Pictures are those of {image}; the page may load them from the hosts named here only."
            )
        elif hosts:
            lines.append(
                f"Pictures are those of {image}, from {len(hosts)} hosts: name those to load from in image_hosts."
            )
    rows = _rows(items, attributes)
    if rows and (page or kinds.wanted[0].named):
        page["rows"] = rows
    view = _view(kinds, attributes, priced=price is not None)
    settings = {**({"page": page} if page else {}), **({"view": view} if view != "slate" else {})}
    return PageGuess(settings, " ".join(lines))


def _price(attributes: Mapping[str, str]) -> str | None:
    """Return the number attribute with the price that people pay."""
    found = [
        name
        for name, kind in attributes.items()
        if kind == "number" and PRICE.intersection(words(name)) and not OTHER_PRICE.intersection(words(name))
    ]
    return min(found, key=lambda name: len(words(name))) if found else None


def _currency(price: str, attributes: Mapping[str, str], tables: list[pa.Table]) -> str | None:
    """Return the currency: a code that all rows have or that the name of the price says, or the attribute that holds it."""
    for table in tables:
        for name in table.column_names:
            column = table.column(name)
            if not CURRENCY.intersection(words(name)) or not is_text(column.type):
                continue
            codes = [str(code).strip().upper() for code in pc.unique(column.drop_null()).to_pylist()]
            if len(set(codes)) == 1 and re.match(CODE, codes[0]):
                return codes[0]
            if attributes.get(name) == "category" and table is tables[0]:
                return str(name)
    signs = [code for sign, code in CODES.items() if sign in price]
    if signs:
        return signs[0]
    ends = re.search(r"(?:^|[\W_])([A-Za-z]{3})\W*$", price)
    known = ends[1].upper() if ends else ""
    return known if known in CURRENCIES else None


def _hosts(column: pa.ChunkedArray) -> list[str]:
    """Return the origins of addresses, in alphabetical order."""
    found = pc.extract_regex(column.drop_null().cast(pa.string()), r"^(?P<origin>https?://[A-Za-z0-9.:-]+)")
    return sorted(pc.unique(pc.struct_field(found.drop_null(), "origin")).to_pylist())


def _rows(items: pa.Table | None, attributes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a page, with rows of the first category or list that has neither too few nor too many values."""
    for name, kind in attributes.items():
        if items is None or kind not in {"category", "list"} or CURRENCY.intersection(words(name)):
            continue
        column = items.column(name)
        flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
        if LEAST_WORDS <= pc.count_distinct(flat).as_py() <= MOST_WORDS:
            return [
                {"kind": "picks"},
                {"kind": "because", "most": 2},
                {"kind": "attribute", "of": name, "most": 2},
                {"kind": "trending"},
            ]
    return []


def _view(kinds: EventKinds, attributes: Mapping[str, str], priced: bool) -> str:
    """Return the look of the page's first tab, by what users do."""
    main = kinds.wanted[0]
    name = main.name.lower()
    if re.search(r"install|download", name):
        return "shelf"
    if main.meaning.stage in {Stage.BUY, Stage.CART} or (priced and not main.named):
        return "shop"
    if main.meaning.stage is Stage.USE and re.search(r"watch|play|listen|stream", name):
        return (
            "feed" if any(re.search(r"channel|creator|uploader", n.lower()) for n in attributes) else "rows"
        )
    return "slate"
