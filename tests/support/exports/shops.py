"""Order lines of shops: with returns, guests, postage, further lines of an order, and in several languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from support.exports.expected import Export
from support.exports.files import comma, write_csv
from support.exports.taste import DAY, START, Taste

COLOURS = ("Red", "Blue", "Green", "Black", "White", "Amber")
THINGS = ("Mug", "Lamp", "Chair", "Clock", "Basket", "Candle", "Plate", "Tray", "Vase", "Frame")
PLACES = ("Berlin", "Paris", "Madrid", "Rome", "Lisbon", "Oslo", "Vienna", "Ghent")


LINE_ITEMS = {
    "user": "Email",
    "item": "Lineitem sku",
    "timestamp": "Created at",
    "value": "Lineitem price",
    "quantity": "Lineitem quantity",
}


def _titles(items: int) -> list[str]:
    return [f"{COLOURS[k % 6]} {THINGS[k // 6 % 10]}{'' if k < 60 else ' XL'}" for k in range(items)]


def _prices(items: int) -> np.ndarray:
    return np.round(3 + 40 * np.random.default_rng(1).random(items), 2)


def shopify_orders(folder: Path) -> Export:
    """Line items; the cells of an order are blank in its further lines; times with the offset of a zone; some refunds and guests."""
    taste = Taste.of(2400, 3)
    rng, prices, titles = taste.rng, _prices(120), _titles(120)
    first = np.arange(2400) % 2 == 0
    order = np.arange(2400) // 2
    owner, at = taste.user[order * 2], taste.time[order * 2]
    guest = (rng.random(1200) < 0.05)[order]
    refunded = (rng.random(1200) < 0.06)[order]
    quantity = rng.integers(1, 4, size=2400)
    # both lines of an order are of the taste of its customer
    item = np.where(taste.item % 6 == taste.user % 6, taste.item - taste.item % 6 + owner % 6, taste.item)
    same = ~first & (item == np.roll(item, 1))
    item = np.where(same, (item + 6) % 120, item)
    moments = (at + 2 * 3_600_000).astype("datetime64[ms]").astype("datetime64[s]").tolist()
    created = [f"{moment:%Y-%m-%d %H:%M:%S} +0200" for moment in moments]
    total = np.round(np.add.reduceat(quantity * prices[item], np.arange(0, 2400, 2)), 2)[order]
    head: dict[str, list[str] | list[str | None]] = {
        "Email": [None if g else f"p{u}@example.org" for g, u in zip(guest, owner, strict=True)],
        "Financial Status": ["refunded" if r else "paid" for r in refunded],
        "Paid at": created,
        "Fulfillment Status": ["fulfilled"] * 2400,
        "Currency": ["EUR"] * 2400,
        "Total": [f"{t:.2f}" for t in total],
        "Created at": created,
    }
    columns = {
        "Name": [f"#{1001 + o}" for o in order],
        **{
            name: [value if f else None for f, value in zip(first, values, strict=True)]
            for name, values in head.items()
        },
        "Lineitem quantity": quantity.tolist(),
        "Lineitem name": [titles[k] for k in item],
        "Lineitem price": [f"{prices[k]:.2f}" for k in item],
        "Lineitem sku": [f"SKU-{k:04}" for k in item],
        "Billing City": [PLACES[u % 8] if f else None for f, u in zip(first, owner, strict=True)],
        "Phone": [None] * 2400,
        "Vendor": [f"Maker {COLOURS[k % 6]}" for k in item],
    }
    return Export(
        write_csv(folder / "orders_export_1.csv", columns),
        LINE_ITEMS,
        {"purchase": int((~refunded).sum()), "return": int(refunded.sum())},
        (
            "guest-#1001" if guest[0] else f"p{owner[0]}@example.org",
            f"SKU-{item[0]:04}",
            "return" if refunded[0] else "purchase",
            int(at[0]),
        ),
        float((quantity * prices[item]).sum()),
        settings={"guests": "Name"},
        title="Lineitem name",
        attributes={"Vendor": "category", "Lineitem name": "text", "Lineitem price": "number"},
        weights={"purchase": 1, "return": -1},
    )


def online_retail(folder: Path) -> Export:
    """Invoices with cancellations, guests, postage and manual lines; customers as pandas writes them; dates with the day first."""
    taste = Taste.of(4000, 5)
    rng, prices, titles = taste.rng, _prices(120), [title.upper() for title in _titles(120)]
    order = np.arange(4000) // 2
    owner, at = taste.user[order * 2], taste.time[order * 2] // 60_000 * 60_000
    item = np.where(taste.liked, taste.item - taste.item % 6 + owner % 6, taste.item)
    item = np.where((np.arange(4000) % 2 == 1) & (item == np.roll(item, 1)), (item + 6) % 120, item)
    guest = (rng.random(2000) < 0.1)[order]
    back = (rng.random(2000) < 0.06)[order]
    quantity = rng.integers(1, 13, size=4000) * np.where(back, -1, 1)
    moments = at.astype("datetime64[ms]").astype("datetime64[m]").tolist()
    code = [f"{21000 + k}{'AB'[k % 2] if k % 5 == 0 else ''}" for k in item]
    price = np.round(prices[item] * np.where(rng.random(4000) < 0.3, 0.9, 1), 2)
    extra = {
        "POST": ("POSTAGE", 18.0),
        "DOT": ("DOTCOM POSTAGE", 120.5),
        "M": ("Manual", 4.25),
        "D": ("Discount", -5.0),
    }
    odd = np.flatnonzero(rng.random(4000) < 0.03)
    names = list(extra)
    rows = np.sort(np.concatenate([np.arange(4000), odd]))
    is_extra = np.concatenate([[False], rows[1:] == rows[:-1]])
    columns = {
        "Invoice": [f"{'C' if back[r] else ''}{489434 + order[r]}" for r in rows],
        "StockCode": [names[r % 4] if e else code[r] for r, e in zip(rows, is_extra, strict=True)],
        "Description": [
            extra[names[r % 4]][0] if e else titles[item[r]] for r, e in zip(rows, is_extra, strict=True)
        ],
        "Quantity": [1 if e else int(quantity[r]) for r, e in zip(rows, is_extra, strict=True)],
        "InvoiceDate": [f"{moments[r]:%d/%m/%Y %H:%M}" for r in rows],
        "Price": [extra[names[r % 4]][1] if e else price[r] for r, e in zip(rows, is_extra, strict=True)],
        "Customer ID": [None if guest[r] else f"{12346 + owner[r]}.0" for r in rows],
        "Country": [("United Kingdom", "Germany", "France", "EIRE")[owner[r] % 4] for r in rows],
    }
    return Export(
        write_csv(folder / "online_retail_II.csv", columns),
        {
            "user": "Customer ID",
            "item": "StockCode",
            "timestamp": "InvoiceDate",
            "value": "Price",
            "quantity": "Quantity",
        },
        {"purchase": int((~back).sum()), "return": int(back.sum())},
        (
            f"guest-{'C' if back[0] else ''}489434" if guest[0] else str(12346 + owner[0]),
            code[0],
            "return" if back[0] else "purchase",
            int(at[0]),
        ),
        float((quantity * price).sum()),
        settings={"guests": "Invoice", "time_format": "%d/%m/%Y %H:%M", "negative_kind": "return"},
        context={"Country": "category"},
        title="Description",
        attributes={"Description": "text"},
        set_aside=len(odd),
        weights={"purchase": 1, "return": -1},
    )


def german_shop(folder: Path) -> Export:
    """Semicolons, decimal commas, German dates and names in Windows-1252, with an items table whose key has another name."""
    taste = Taste.of(2600, 7)
    prices, titles = _prices(120), _titles(120)
    quantity = taste.rng.integers(1, 5, size=2600)
    columns = {
        "Bestellnummer": [f"B{50000 + k}" for k in range(2600)],
        "Kundennummer": [f"K{u:05}" for u in taste.user],
        "Artikelnummer": [f"{k:05}" for k in taste.item],
        "Bestelldatum": taste.stamps("%d.%m.%Y %H:%M:%S"),
        "Menge": quantity.tolist(),
        "Einzelpreis": comma(prices[taste.item]),
        "Zahlungsart": [
            ("Überweisung", "Lastschrift", "Kreditkarte")[u % 7 % 3]
            for u in taste.rng.integers(21, size=2600)
        ],
    }
    things = {
        "Art.-Nr.": [f"{k:05}" for k in range(120)],
        "Bezeichnung": [f"{title} Größe {k % 3}" for k, title in enumerate(titles)],
        "Warengruppe": [COLOURS[k % 6] for k in range(120)],
        "Listenpreis": comma(prices),
    }
    return Export(
        write_csv(folder / "Bestellungen.csv", columns, ";", "cp1252"),
        {
            "user": "Kundennummer",
            "item": "Artikelnummer",
            "timestamp": "Bestelldatum",
            "value": "Einzelpreis",
            "quantity": "Menge",
        },
        {"purchase": 2600},
        (f"K{taste.user[0]:05}", f"{taste.item[0]:05}", "purchase", int(taste.time[0])),
        float((quantity * prices[taste.item]).sum()),
        items=write_csv(folder / "Artikel.csv", things, ";", "cp1252"),
        settings={"encoding": "cp1252", "time_format": "%d.%m.%Y %H:%M:%S"},
        title="Bezeichnung",
        attributes={"Bezeichnung": "text", "Warengruppe": "category", "Listenpreis": "number"},
        weights={"purchase": 1},
    )


def french_shop(folder: Path) -> Export:
    """French names with accents and signs; amounts with a decimal comma, returns with a negative quantity, postage without a number."""
    taste = Taste.of(2400, 11)
    rng, prices, titles = taste.rng, _prices(120), _titles(120)
    back = rng.random(2400) < 0.06
    quantity = rng.integers(1, 4, size=2400) * np.where(back, -1, 1)
    post = rng.random(2400) < 0.04
    columns = {
        "N° commande": [f"CMD-{7000 + k}" for k in range(2400)],
        "N° client": (4000 + taste.user).tolist(),
        "Réf. produit": ["PORT" if p else f"REF{k:03}" for p, k in zip(post, taste.item, strict=True)],
        "Désignation": ["Frais de port" if p else titles[k] for p, k in zip(post, taste.item, strict=True)],
        "Date de commande": taste.stamps("%d/%m/%Y %H:%M"),
        "Qté": quantity.tolist(),
        "Prix unitaire": comma(np.where(post, 6.9, prices[taste.item])),
        "Devise": ["EUR"] * 2400,
    }
    kept = ~post
    first = int(np.flatnonzero(kept)[0])
    people = {
        "Numéro client": (4000 + np.arange(300)).tolist(),
        "Ville": [PLACES[u % 8] for u in range(300)],
        "Inscrit le": [
            f"{d:%d/%m/%Y}" for d in ((START - DAY * np.arange(300)).astype("datetime64[ms]").tolist())
        ],
    }
    pq.write_table(pa.table(people), folder / "clients.parquet")
    return Export(
        write_csv(folder / "commandes.csv", columns, ";", "utf-8-sig"),
        {
            "user": "N° client",
            "item": "Réf. produit",
            "timestamp": "Date de commande",
            "value": "Prix unitaire",
            "quantity": "Qté",
        },
        {"purchase": int((kept & ~back).sum()), "return": int((kept & back).sum())},
        (
            int(4000 + taste.user[first]),
            f"REF{taste.item[first]:03}",
            "return" if back[first] else "purchase",
            int(taste.time[first] // 60_000 * 60_000),
        ),
        float((quantity * prices[taste.item])[kept].sum()),
        users=folder / "clients.parquet",
        settings={"time_format": "%d/%m/%Y %H:%M", "negative_kind": "return"},
        title="Désignation",
        attributes={"Désignation": "text", "Prix unitaire": "number"},
        user_attributes={"Ville": "category", "Inscrit le": "time"},
        set_aside=int(post.sum()),
        weights={"purchase": 1, "return": -1},
    )
