"""Order lines: the number of the order, pieces and prices, guests, further lines of an order, and lines that are no items."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.event_columns import flat
from shortlist.data.guess.columns import normal
from shortlist.data.guess.evidence import REPEATED, SETTLED, Evidence
from shortlist.data.guess.languages import ODD_CODES, SERVICE_FILLERS, SERVICE_PAIRS, SERVICES
from shortlist.data.guess.names import concepts, plain, unknown_words, words
from shortlist.data.numbers import read_numbers

MOST_SERVICES = 60
"""A declaration of rows that are no items lists at most so many values."""
MOST_SERVICE_LINES = 0.6
"""More lines than this share are no services: a line of postage beside each article makes one half."""
FEW_BLANKS = 0.002
"""Fewer blank cells than this share of the rows are faults rather than guests."""
_NUMBERED = r"^[#A-Za-z\-_/]{0,8}\d{2,}[A-Za-z\d\-_/.]*$"


@dataclass
class OrderLines:
    """The columns that make a table one of order lines.

    Attributes
    ----------
    order
        The column with the number of the order.
    quantity, price, total
        Columns of pieces, of the price of one, and of the amount of the line.
    status
        The column with the state of the order.
    """

    order: str | None = None
    quantity: str | None = None
    price: str | None = None
    total: str | None = None
    status: str | None = None
    lines: list[str] = field(default_factory=list)

    def leave_total_out(self) -> None:
        """Leave out an amount that is that of the whole order."""
        self.lines.append(f"Not used: {self.total} (the amount of the whole order).")
        self.total = None

    @property
    def is_one(self) -> bool:
        """Whether the table holds order lines: an order, or pieces or an amount beside it."""
        paid = bool(self.price or self.total)
        if self.order is None:
            return paid and bool(self.quantity or self.status)
        return paid or bool(self.quantity or self.status)


def find_order(evidence: Evidence) -> str | None:
    """Return the column with the number of the order: by its name, or `Name` with values such as #1001."""
    best: tuple[float, str] | None = None
    for name in evidence.table.column_names:
        found = concepts(name)
        score = 0.0
        unknown = len(unknown_words(name))
        if "order" in found and found <= {"order", "id", "name", "bought"} and unknown <= ("id" in found):
            score = (3.0 if "id" in found else 2.0) - 0.5 * unknown
        elif normal(name) in {"name", "number", "nummer", "numero", "reference"} and _are_numbers(
            evidence, name
        ):
            score = 1.0
        better = score > (0.0 if best is None else best[0])
        if better and evidence.is_plain(name) and evidence.distinct(name) > max(2, 0.02 * evidence.rows):
            best = (score, name)
    return None if best is None else best[1]


def order_by_values(evidence: Evidence, user: str, time: str | None, taken: set[str]) -> str | None:
    """Return the column whose values stand on several rows of one user and one moment: the number of the order, whatever its name."""
    if time is None or evidence.rows < REPEATED:
        return None
    names: list[str] = evidence.table.column_names
    for name in names:
        if name in taken or not evidence.is_plain(name) or not _are_numbers(evidence, name):
            continue
        several = 0.02 * evidence.rows < evidence.distinct(name) < 0.98 * evidence.rows
        if several and evidence.settles(name, time) and not evidence.settles(user, name):
            known_user = evidence.settled(name, user)
            if known_user >= SETTLED and not evidence.settles(user, time):
                return name
    return None


def _are_numbers(evidence: Evidence, name: str) -> bool:
    texts = flat(evidence.table.column(name)).cast(pa.string()).drop_null().slice(0, 500)
    return len(texts) > 0 and bool(pc.all(pc.match_substring_regex(texts, _NUMBERED)).as_py())


def find_lines(evidence: Evidence, taken: set[str]) -> OrderLines:
    """Return the columns of an order line; taken: columns with another role."""
    found = OrderLines(find_order(evidence))
    for name in evidence.table.column_names:
        if name in taken or name == found.order or not evidence.is_plain(name):
            continue
        about = concepts(name)
        if "status" in about and found.status is None and _is_status(evidence, name):
            found.status = name
        if about & {
            "id",
            "person",
            "tax",
            "shipping",
            "discount",
            "currency",
            "time",
            "payment",
            "name",
            "status",
            "rating",
        }:
            continue
        if re.search(r"refund|compare|list|avg|average|mean|count_of|min|max", plain(name)):
            continue
        if not _is_number(evidence, name):
            continue
        if "quantity" in about and "price" not in about and _counts(evidence, name):
            found.quantity = found.quantity or name
        elif ("price" in about and "amount" not in about) or about >= {"amount", "unit"}:
            better = "unit" in about and (found.price is None or "unit" not in concepts(found.price))
            found.price = name if found.price is None or better else found.price
        elif "amount" in about:
            better = found.total is None or ("item" in about or "line" in words(name))
            found.total = name if better else found.total
    _settle_total(found, evidence)
    return found


def _is_number(evidence: Evidence, name: str) -> bool:
    column = evidence.table.column(name)
    if column.null_count == len(column) or pa.types.is_boolean(column.type):
        return False
    reading = read_numbers(column)
    return reading is not None and reading.mostly_numbers


def _counts(evidence: Evidence, name: str) -> bool:
    """Return whether numbers are mostly whole."""
    reading = read_numbers(evidence.table.column(name))
    assert reading is not None
    known = reading.numbers[np.isfinite(reading.numbers)]
    return bool((known == np.round(known)).mean() > 0.9)


def _is_status(evidence: Evidence, name: str) -> bool:
    return 2 <= evidence.distinct(name) <= 20 and evidence.present(name) > 0.1


def _settle_total(found: OrderLines, evidence: Evidence) -> None:
    """Keep an amount only if it is that of the line: quantity × price, and not that of the whole order."""
    if found.total is None or found.order is None:
        return
    if evidence.present(found.total) < 0.9 * evidence.present(found.order) or evidence.settles(
        found.order, found.total
    ):
        found.leave_total_out()


def blank_further_lines(evidence: Evidence, order: str) -> list[str]:
    """Return the columns whose cells are blank in the further lines of an order, and only there."""
    order_codes = evidence.codes(order)
    if not len(order_codes):
        return []
    first = np.zeros(len(order_codes), bool)
    first[np.unique(order_codes, return_index=True)[1]] = True
    further = ~first & (order_codes >= 0)
    if further.sum() < 2:
        return []
    blank: list[str] = []
    for name in evidence.table.column_names:
        if name == order or not evidence.is_plain(name):
            continue
        has = evidence.codes(name) >= 0
        if has[first].mean() > 0.02 and not has[further].any():
            blank.append(name)
    # one such column can be a note; the head of an order has several
    return blank if len(blank) >= 2 else []


@dataclass(frozen=True)
class ServiceLines:
    """Lines that are no items: the column that tells them, its values, and their number."""

    column: str
    values: list[str]
    rows: int


def find_services(events: pa.Table, item: str, title: str | None) -> ServiceLines | None:
    """Return the lines of postage, taxes, vouchers and discounts: by the title or the code of the item."""
    codes = flat(events.column(item)).cast(pa.string())
    columns = {"code": codes}
    if title is not None and title != item:
        columns["title"] = flat(events.column(title)).cast(pa.string())
    pairs = pa.table(columns).group_by(list(columns)).aggregate([([], "count_all")])
    names = pairs.column("title").to_pylist() if "title" in columns else [None] * pairs.num_rows
    rows = list(
        zip(pairs.column("code").to_pylist(), names, pairs.column("count_all").to_pylist(), strict=True)
    )
    others = [(code, count) for code, _, count in rows if code and not is_service(code)]
    with_digits = sum(count for code, count in others if re.search(r"\d", code)) > 0.9 * sum(
        count for _, count in others
    )
    total: dict[str, int] = {}
    services: dict[str, int] = {}
    for code, name, count in rows:
        if code is None:
            continue
        total[code] = total.get(code, 0) + count
        odd = with_digits and not re.search(r"\d{2}", code)
        if (
            is_service(name or "")
            or ((odd or title is None) and is_service(code))
            or (odd and plain(code) in ODD_CODES)
        ):
            services[code] = services.get(code, 0) + count
    values = [code for code, count in services.items() if count >= 0.5 * total[code]]
    if (
        not values
        or sum(total[code] for code in values) > MOST_SERVICE_LINES * len(codes)
        or len(values) > MOST_SERVICES
    ):
        return None
    values.sort(key=lambda code: (-total[code], code))
    return ServiceLines(item, values, sum(total[code] for code in values))


def is_service(title: str) -> bool:
    """Return whether a title consists of words of postage, taxes, vouchers and the like.

    Examples
    --------
    >>> [is_service(title) for title in ("Frais de port", "DOTCOM POSTAGE", "Gutschein 20 EUR", "Shipping box", "Gift bag")]
    [True, True, True, False, False]
    """
    found = [word for word in re.findall(r"[^\W_]+", plain(title)) if not re.fullmatch(r"\d+\w{0,3}", word)]
    if not found:
        return False
    strong = [word for word in found if word in SERVICES or any(part in SERVICES for part in words(word))]
    rest = [word for word in found if word not in strong and word not in SERVICE_FILLERS]
    return not rest and (bool(strong) or any(pair <= set(found) for pair in SERVICE_PAIRS))
