"""Names of columns in several languages and ways to write, and what values say where names do not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.guess.choices import Choices, Question
from shortlist.data.guess.names import words
from shortlist.data.guess.orders import is_service
from shortlist.data.guess.project import guess, guess_project
from shortlist.errors import DataError

N = 120


@pytest.mark.parametrize(
    ("user", "item", "time"),
    [
        ("Customer ID", "SKU", "Order date"),
        ("customer-id", "productCode", "purchased_at"),
        ("CustomerID", "StockCode", "InvoiceDate"),
        ("Kunden-Nr.", "Artikelnr.", "Bestelldatum"),
        ("Kundennummer", "Artikel-Nr", "Rechnungsdatum"),
        ("N° client", "Référence produit", "Date d'achat"),
        ("Código cliente", "Ref. artículo", "Fecha de compra"),
        ("ID Cliente", "Codice prodotto", "Data ordine"),
        ("Cód. cliente", "Código do produto", "Data do pedido"),
        ("Klantnummer", "Artikelnummer", "Besteldatum"),
        ("memberNo", "film_id", "watchedOn"),
        ("Email", "Lineitem name", "Created at"),
    ],
)
def test_languages(user: str, item: str, time: str) -> None:
    table = pa.table(
        {
            "x": list(range(N)),
            time: [f"2025-03-{k % 28 + 1:02} 10:{k % 60:02}:00" for k in range(N)],
            item: [f"p{k % 11}" for k in range(N)],
            user: [f"c{k % 17}" for k in range(N)],
        }
    )
    columns = guess_project(table).data.columns
    assert (columns.user, columns.item, columns.timestamp) == (user, item, time)


def test_words_of_a_name() -> None:
    assert words("orderItemSKU") == ("order", "item", "sku")
    assert words("Stückpreis (€)") == ("stueck", "preis")
    assert words("N° de pedido") == ("nr", "de", "pedido")


@pytest.mark.parametrize(
    ("title", "service"),
    [
        ("POSTAGE", True),
        ("Versandkosten DHL", True),
        ("Gift card 50 EUR", True),
        ("Remise de 10 %", True),
        ("MwSt. 19%", True),
        ("Gastos de envío", True),
        ("Shipping crate, pine", False),
        ("Red Mug", False),
        ("Gift wrap", False),
        ("Tax planner 2025", False),
        ("", False),
    ],
)
def test_lines_that_are_no_items(title: str, service: bool) -> None:
    assert is_service(title) is service


def orders(**columns: list[Any]) -> pa.Table:
    made: dict[str, list[Any]] = {
        "customer": [f"c{k % 17}" for k in range(N)],
        "sku": [f"p{k % 11:02}" for k in range(N)],
        "order_date": [f"{k % 28 + 1:02}/03/2025" for k in range(N)],
        "order_id": [1000 + k for k in range(N)],
        "price": [2.5 + k % 11 for k in range(N)],
        "qty": [1 + k % 3 for k in range(N)],
    }
    return pa.table({**made, **columns})


def test_numbers_of_orders_and_payments_are_no_context() -> None:
    table = orders(
        payment_method=["card", "cash"] * (N // 2), store=["north", "south", "west"] * (N // 3), vat=[0.5] * N
    )
    assert dict(guess_project(table).data.context) == {"store": "category"}


def test_a_price_of_each_item_is_its_attribute_and_the_value_is_the_amount_of_the_line() -> None:
    project = guess_project(orders())
    assert (project.data.columns.value, project.data.columns.quantity) == ("price", "qty")
    assert project.items is not None
    assert project.items.attributes == {"price": "number"}
    assert list(project.objectives) == ["purchase", "revenue"]


def test_states_of_orders_are_returns_or_no_orders() -> None:
    project = guess_project(orders(status=["completed", "refunded", "failed", "processing"] * (N // 4)))
    rules = {rule.kind: rule.values for rule in project.data.derive}
    assert rules == {"purchase": ["completed", "processing"], "return": ["refunded"]}
    assert [(rule.column, rule.values) for rule in project.data.exclude] == [("status", ["failed"])]
    assert project.objectives["return"].weight < 0


@pytest.mark.parametrize(
    ("dates", "form"),
    [
        ([f"{k % 28 + 1:02}.03.2025 08:00" for k in range(N)], "%d.%m.%Y %H:%M"),
        ([f"03/{k % 28 + 1:02}/2025" for k in range(N)], "%m/%d/%Y"),
        ([f"{d:02}/{m:02}/2025" for m in range(1, 13) for d in range(3, 13)], "%d/%m/%Y"),  # sorted one way
        ([f"2025-03-{k % 28 + 1:02}" for k in range(N)], None),
        ([f"{k % 12 + 1:02}/{k % 11 + 1:02}/2025" for k in range(N)], None),  # nothing decides
    ],
)
def test_the_format_of_dates(dates: list[str], form: str | None) -> None:
    assert guess_project(orders(order_date=dates)).data.time_format == form


def test_keys_join_the_items_table_whatever_they_are_called() -> None:
    events = pa.table(
        {
            "who": [k % 17 for k in range(N)],
            "what": [f"p{k % 11}" for k in range(N)],
            "member": [f"m{k % 17}" for k in range(N)],
        }
    )
    items = pa.table({"Ding": [f"p{k}" for k in range(20)], "Label": [f"Thing {k}" for k in range(20)]})
    project = guess_project(events, items)
    assert project.items is not None
    assert (project.data.columns.item, project.items.id, project.items.title) == ("what", "Ding", "Label")


def test_columns_can_be_given() -> None:
    table = pa.table(
        {"a": ["u1"] * N, "b": ["i1"] * N, "c": list(range(N)), "d": ["x", "y"] * (N // 2), "e": [2.5] * N}
    )
    choices = Choices({"user": "a", "item": "b", "timestamp": "c", "kind": "d", "value": "e"}, title="b")
    columns = guess(table, choices=choices).project.data.columns
    assert (columns.user, columns.item, columns.timestamp, columns.kind, columns.value) == (
        "a",
        "b",
        "c",
        "d",
        "e",
    )
    with pytest.raises(
        DataError, match=r"--user: the events have no column 'costumer'; did you mean 'customer'\?"
    ):
        guess(orders(), choices=Choices({"user": "costumer"}))


def test_it_asks_where_two_columns_come_into_question() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> str:
        asked.append(question)
        return "member_id"

    table = pa.table(
        {
            "customer_id": [f"c{k % 17}" for k in range(N)],
            "member_id": [f"m{k % 13}" for k in range(N)],
            "sku": [f"p{k % 11}" for k in range(N)],
        }
    )
    found = guess(table, choices=Choices(ask=ask))
    assert [(question.role, question.candidates[:2]) for question in asked] == [
        ("user", ["customer_id", "member_id"])
    ]
    assert found.project.data.columns.user == "member_id"
    quiet = guess(table)
    assert quiet.project.data.columns.user == "customer_id"
    assert (
        "customer_id is taken as the user; it could also be member_id (--user)."
        in quiet.notes["data.columns"]
    )


def wide(**columns: list[Any]) -> pa.Table:
    made: dict[str, list[Any]] = {
        "user": [f"u{k % 17}" for k in range(N)],
        "item": [f"p{k % 11}" for k in range(N)],
        "shown_at": [1_750_000_000 + k for k in range(N)],
    }
    return pa.table({**made, **columns})


@pytest.mark.parametrize(
    ("columns", "kinds"),
    [
        ({"clicked": [0, 1] * 60, "watch_seconds": [0.0, 9.5] * 60}, ["impression", "click", "watch"]),
        (
            {"viewed": [1] * N, "added_to_cart": [0, 1] * 60, "purchased": [0, 0, 0, 1] * 30},
            ["view", "add_to_cart", "purchase"],
        ),
        (
            {"clicked_at": [None, 1_750_009_000] * 60, "liked": [False, True] * 60},
            ["impression", "like", "click"],
        ),
        ({"liked": [0, 1] * 60}, []),
    ],
)
def test_wide_logs(columns: dict[str, list[Any]], kinds: list[str]) -> None:
    assert [rule.kind for rule in guess_project(wide(**columns)).data.derive] == kinds


@pytest.mark.parametrize(
    "kinds", [["Ansicht", "Warenkorb", "Kauf"], ["vue", "panier", "achat"], ["vista", "carrito", "compra"]]
)
def test_kinds_in_other_languages(kinds: list[str]) -> None:
    table = wide(Ereignis=kinds * (N // 3))
    project = guess_project(table)
    assert project.data.columns.kind == "Ereignis"
    assert {name: one.weight for name, one in project.objectives.items()} == {
        kinds[2]: 1.0,
        kinds[1]: 0.5,
        kinds[0]: 0.1,
    }


def test_dates_and_times_of_day_in_two_columns() -> None:
    table = orders(
        order_date=[f"2025-03-{k % 28 + 1:02}" for k in range(N)], Uhrzeit=[f"{k % 24}:15" for k in range(N)]
    )
    columns = guess_project(table).data.columns
    assert (columns.timestamp, columns.clock) == ("order_date", "Uhrzeit")


def test_customer_0_is_a_guest() -> None:
    data = guess_project(orders(customer=[0 if k % 4 == 0 else k % 17 + 1 for k in range(N)])).data
    assert (data.guests, data.guest_ids, data.user_ids) == ("order_id", ["0"], "text")


def test_a_flag_of_cancelled_orders_makes_returns() -> None:
    rules = guess_project(orders(is_cancelled=[False, False, False, True] * (N // 4))).data.derive
    assert {rule.kind: rule.values for rule in rules} == {"purchase": ["false"], "return": ["true"]}


def test_columns_whose_names_say_nothing_are_the_likeliest() -> None:
    table = pa.table(
        {"x1": [f"a{k % 17}" for k in range(N)], "feature": [f"f {k % 13}" for k in range(N)], "n": [1.5] * N}
    )
    guessed = guess(table)
    assert (guessed.project.data.columns.user, guessed.project.data.columns.item) == ("x1", "feature")
    assert "x1 is taken as the user; it could also be feature (--user)." in guessed.notes["data.columns"]


def test_items_in_lists_of_structs() -> None:
    rows = [
        {
            "user_pseudo_id": f"u{k % 17}",
            "event_timestamp": 1_750_000_000_000_000 + k,
            "event_name": ["view_item", "purchase", "page_view"][k % 3],
            "device": {"category": ["mobile", "desktop"][k % 2]},
            "items": []
            if k % 3 == 2
            else [
                {
                    "item_id": f"p{k % 11}",
                    "item_name": f"Mug {k % 11}",
                    "price": 2.5 + k % 11,
                    "quantity": 1 + k % 2,
                }
            ],
        }
        for k in range(3 * N)
    ]
    project = guess_project(rows)
    columns = project.data.columns
    assert (project.data.unnest, columns.item, columns.value, columns.quantity) == (
        "items",
        "items.item_id",
        "items.price",
        "items.quantity",
    )
    assert dict(project.data.context) == {"device.category": "category"}
    assert project.items is not None
    assert project.items.title == "items.item_name"
    dataset = Dataset.from_frames(rows, project=project)
    assert (dataset.check.kept, dataset.check.set_aside) == (2 * N, {"without items": N})
