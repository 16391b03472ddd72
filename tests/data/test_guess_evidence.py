"""What the guess takes from values alone: numbers of orders, many lines of postage, reasons that tell the result of an event."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from shortlist.data.guess.columns import is_outcome, value_meaning
from shortlist.data.guess.orders import is_service
from shortlist.data.guess.project import guess_project
from shortlist.data.guess.value import Meaning


def order_lines() -> pa.Table:
    """200 orders of one or two articles, each with a line of postage; `increment` numbers the orders; one in ten has no user."""
    rows: list[tuple[int, str, str, str, str, int, float]] = []
    for order in range(200):
        user = "" if order % 10 == 0 else f"u{order % 17}"
        moment = (datetime(2025, 3, 1) + timedelta(hours=5 * order)).isoformat()
        for line in range(1 + order % 2):
            number = (order * 7 + line * 3) % 30
            rows.append((100_000 + order, user, moment, f"SKU-{number:03d}", f"Lamp {number}", 1, 9.5))
        rows.append((100_000 + order, user, moment, "shipping", "Shipping & Handling", 1, 4.9))
    names = ("increment", "customer_email", "created_at", "sku", "name", "qty", "price")
    return pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


def test_a_number_on_all_lines_of_one_user_and_moment_is_that_of_the_order() -> None:
    project = guess_project(order_lines())
    assert project.data.guests == "increment"
    assert "increment" not in project.data.context
    # without amounts the rows are no order lines
    plain = guess_project(order_lines().drop_columns(["qty", "price"]))
    assert plain.data.guests is None


def test_postage_may_be_every_second_line() -> None:
    rules = guess_project(order_lines()).data.exclude
    assert [(rule.column, list(rule.values)) for rule in rules] == [("sku", ["shipping"])]


def test_a_column_that_tells_the_result_is_no_context() -> None:
    n = 400
    skipped = [row % 3 == 0 for row in range(n)]
    events = pa.table(
        {
            "user_id": [f"u{row % 23}" for row in range(n)],
            "item_id": [f"i{row * 7 % 31}" for row in range(n)],
            "timestamp": [1_750_000_000 + 60 * row for row in range(n)],
            "skipped": skipped,
            "reason_end": [
                "fwdbtn" if no else ("trackdone", "remote")[row % 2] for row, no in enumerate(skipped)
            ],
            "platform": [("ios", "android")[row % 2] for row in range(n)],
        }
    )
    assert dict(guess_project(events).data.context) == {"platform": "category"}


def bookings() -> pa.Table:
    """600 bookings of 20 hotels, each of which has its stars; `depth` and `Total (USD)` differ from row to row."""
    n = 600
    hotel = [row * 7 % 20 for row in range(n)]
    return pa.table(
        {
            "Guest": [f"g-{row * 11 % 53}" for row in range(n)],
            "HotelCode": [f"H{at:03d}" for at in hotel],
            "Wording": [f"Haus {chr(65 + at)}" for at in hotel],
            "Booked On": [1_750_000_000 + 3600 * row for row in range(n)],
            "Total (USD)": [80.0 + row * 13 % 400 for row in range(n)],
            "Stars": [1 + at % 5 for at in hotel],
            "depth": [f"{row * 17 % 101} %" for row in range(n)],
            "device": [("phone", "tablet", "desktop")[row % 3] for row in range(n)],
        }
    )


def test_stars_that_each_hotel_has_are_no_rating() -> None:
    project = guess_project(bookings())
    assert project.data.columns.value == "Total (USD)"
    assert project.items is not None
    assert project.items.attributes["Stars"] == "number"
    assert project.items.title == "Wording"


def test_measurements_are_no_context() -> None:
    assert dict(guess_project(bookings()).data.context) == {"device": "category"}


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("Total (USD)", Meaning.MONEY),
        ("Score (1-10)", Meaning.RATING),
        ("Verweildauer (Sek.)", Meaning.TIME),
        ("temps_lecture_sec", Meaning.TIME),
        ("tempo_leitura", Meaning.TIME),
        ("Fecha y tiempo", None),
    ],
)
def test_units_and_other_languages_in_names_of_values(name: str, meaning: Meaning | None) -> None:
    assert value_meaning(name) is meaning


def test_outcomes_with_accents() -> None:
    assert all(is_outcome(name) for name in ("cliqué", "aimé", "acheté", "geklickt"))
    assert is_service("FRETE")
