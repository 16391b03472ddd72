"""What the page shows, guessed from the tables: prices, currency, pictures, rows, the first tab."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shortlist.data.guess.page import is_picture
from shortlist.data.guess.project import guess

PHOTOS = [f"https://img{k % 2}.example.com/p/{k}.jpg?w=300" for k in range(12)]
ORDERS = {"customer_id": ["a", "b"] * 6, "sku": list(range(12)), "currency": ["eur"] * 12}


def guessed(items: dict[str, Any], events: dict[str, Any] | None = None) -> tuple[dict[str, Any], str, str]:
    """The settings of `[page]` without rows, the first tab, and the note."""
    found = guess(pa.table(events or ORDERS), pa.table({"sku": list(range(12)), **items}))
    settings = found.project.model_dump(exclude_unset=True)
    page = {name: value for name, value in settings.get("page", {}).items() if name != "rows"}
    return page, settings.get("view", "slate"), found.notes.get("page", "")


@pytest.mark.parametrize(
    ("column", "price"),
    [
        ("price", True),
        ("Unit price", True),
        ("listPrice", True),
        ("Preis", True),
        ("prix_ttc", True),
        ("old_price", False),
        ("purchase_price", False),
        ("price_range", False),
        ("rating", False),
    ],
)
def test_prices(column: str, price: bool) -> None:
    page, view, note = guessed({column: [1.5 * k for k in range(12)]})
    assert page == ({"price": column, "currency": "EUR"} if price else {})
    assert view == ("shop" if price else "slate")
    assert ("in EUR" in note) == price


def test_the_currency_is_a_column_a_sign_or_unknown() -> None:
    prices = [1.5 * k for k in range(12)]
    own = {"price": prices, "currency": ["EUR", "USD", "GBP"] * 4}
    assert guessed(own)[0] == {"price": "price", "currency": "currency"}
    plain = {"customer_id": ["a", "b"] * 6, "sku": list(range(12))}
    assert guessed({"Price (USD)": prices}, plain)[0] == {"price": "Price (USD)", "currency": "USD"}
    assert guessed({"Preis €": prices}, plain)[0] == {"price": "Preis €", "currency": "EUR"}
    page, _, note = guessed({"price": prices}, plain)
    assert page == {"price": "price"}
    assert 'add currency = "EUR"' in note


def test_pictures_and_their_hosts() -> None:
    page, _, note = guessed({"image_url": PHOTOS})
    hosts = ["https://img0.example.com", "https://img1.example.com"]
    assert page == {"image": "image_url", "image_hosts": hosts}
    assert "hosts named here only" in note
    many = [f"https://h{k}.example.com/{k}.png" for k in range(12)]
    page, _, note = guessed({"photo": many})
    assert page == {"image": "photo"}
    assert "12 hosts" in note


def test_addresses_of_items() -> None:
    pages = [f"https://shop.example/p/{k}" for k in range(12)]
    page, _, note = guessed({"url": pages})
    assert page == {"link": "url"}
    assert "Titles lead to the addresses of url" in note
    both = guessed({"url": pages, "photo": PHOTOS})[0]
    assert (both["link"], both["image"]) == ("url", "photo")
    assert "link" not in guessed({"note": pages})[0], "the name says nothing of a page"
    assert "link" not in guessed({"url": ["page one", "page two"] * 6})[0]


def test_addresses_of_which_some_are_bad() -> None:
    """They stay links, and are no category whose words would be learnt; the page shows those titles without a link."""
    bad = [
        f"https://shop.example/p/{k}" if k % 3 else ("n/a", "", "www.shop.example")[k // 3 % 3]
        for k in range(12)
    ]
    assert guessed({"url": bad})[0] == {"link": "url"}
    assert guessed({"homepage": [page or None for page in bad]})[0] == {"link": "homepage"}
    assert "link" not in guessed({"url": ["n/a"] * 7 + bad[7:]})[0], "most are no addresses"
    some = [photo if k % 4 else "no picture" for k, photo in enumerate(PHOTOS)]
    assert guessed({"image_url": some})[0]["image"] == "image_url"
    assert "image" not in guessed({"note": some})[0], "neither the name nor all values speak of pictures"


@pytest.mark.parametrize(
    ("name", "values", "picture"),
    [
        ("photo", PHOTOS, True),
        ("url", PHOTOS, True),
        ("image", ["https://cdn.example/1", "https://cdn.example/2"], True),
        ("picture", ["/img/1", None], True),
        ("url", ["https://shop.example/p/1", "https://shop.example/p/2"], False),
        ("image", ["red", "blue"], False),
        ("image", [None], False),
    ],
)
def test_addresses_of_pictures(name: str, values: list[str | None], picture: bool) -> None:
    assert is_picture(name, pa.array(values, pa.string())) == picture


@pytest.mark.parametrize(
    ("kind", "items", "view"),
    [
        ("purchase", {}, "shop"),
        ("install", {}, "shelf"),
        ("play", {}, "rows"),
        ("watch", {"channel": ["a", "b"] * 6}, "feed"),
        ("click", {}, "slate"),
    ],
)
def test_the_first_tab_follows_what_users_do(kind: str, items: dict[str, Any], view: str) -> None:
    events = {"customer_id": ["a", "b"] * 6, "sku": list(range(12)), "kind": [kind] * 12}
    assert guessed(items, events)[1] == view


def test_rows_of_the_first_category() -> None:
    items = {"sku": list(range(12)), "brand": ["x", "y"] * 6, "price": [1.5] * 12}
    rows = guess(pa.table(ORDERS), pa.table(items)).project.page.rows
    assert [(row.kind, row.of) for row in rows] == [
        ("picks", None),
        ("because", None),
        ("attribute", "brand"),
        ("trending", None),
    ]
