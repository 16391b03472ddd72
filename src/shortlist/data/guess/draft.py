"""Guess `[data]`: which column of a log is what, and what its rows have to go through to be events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.project import parse_project
from shortlist.config.rows import FilledDown
from shortlist.config.short_repr import ShortRepr
from shortlist.data.check import Check
from shortlist.data.event_columns import flat
from shortlist.data.guess.choices import Choices
from shortlist.data.guess.columns import ValueColumn, value_meaning
from shortlist.data.guess.context import guess_context
from shortlist.data.guess.date_formats import find_format
from shortlist.data.guess.events import EventKinds, negative_kind
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.names import concepts
from shortlist.data.guess.of_items import items_of_log
from shortlist.data.guess.orders import FEW_BLANKS, blank_further_lines, find_order, find_services
from shortlist.data.guess.repeats import Repeats, repeats_of
from shortlist.data.guess.roles import Roles, guess_roles
from shortlist.data.guess.scores import SURE, score_item
from shortlist.data.guess.value import Meaning
from shortlist.data.guess.visitors import find_visitor, ids_of_nobody
from shortlist.data.guess.wide import WideLog, find_slate, find_wide, rules_of_flag, rules_of_status
from shortlist.data.numbers import is_numeric, is_text, row_values
from shortlist.data.prepare import prepare_events
from shortlist.data.prepare.nested import is_list_of_structs, unnest, with_fields
from shortlist.data.prepare.rows import fill_down
from shortlist.data.row_marks import ROW

GUESTS = (
    "The ids of users are whole numbers. To train also on visitors without such an id, who send texts (guest-7f3a), "
    'add user_ids = "text" to this section.'
)
"""The note on a log whose users have whole numbers as ids."""
PURCHASE = "purchase"
_WHOLE = r"^\s*\d+\.0\s*$"


@dataclass(repr=False)
class LogDraft(ShortRepr):
    """The guess about a log.

    Attributes
    ----------
    events
        The events, with blank cells filled, and without rows that have no ids.
    roles
        The roles of the columns.
    data
        The settings of `[data]`.
    about
        Section → what is said about it.
    items
        Settings of `[items]` from columns of the log, with reasons; None: there is a table, or nothing describes items.
    """

    events: pa.Table
    roles: Roles
    data: dict[str, Any]
    about: dict[str, list[str]] = field(default_factory=dict)
    items: tuple[dict[str, Any], list[str]] | None = None

    @property
    def evidence(self) -> Evidence:
        """The evidence from the values."""
        assert self.roles.evidence is not None
        return self.roles.evidence

    def say(self, section: str, *lines: str) -> None:
        """Add reasons to a section."""
        self.about.setdefault(section, []).extend(lines)

    def notes(self) -> dict[str, str]:
        """Return what is said about each section."""
        sections = {**self.about, "data.columns": [*self.roles.lines, *self.about.get("data.columns", [])]}
        return {section: "\n".join(lines) for section, lines in sections.items()}

    def kinds(self) -> tuple[EventKinds, Repeats]:
        """Return the kinds of the events that the rows make, and whether people come back for the same items."""
        # the cells of `events` are filled, and its lists are rows
        data = {**self.data, "context": {}, "fill_down": None, "unnest": None}
        project, events = prepare_events(parse_project({"data": data}), self.events, "events", Check())
        columns = project.data.columns
        value = self.roles.value
        if columns.value or columns.quantity:
            value = _value_of(events, str(columns.value or columns.quantity), columns.quantity, self)
        kinds = EventKinds.of(events, columns.model_dump(), value, project.data.default_kind)
        if columns.kind:
            wanted = pa.array([kind.name for kind in kinds.wanted])
            events = events.filter(pc.is_in(events.column(columns.kind).cast(pa.string()), wanted))
        return kinds, repeats_of(events, columns.user, columns.item, columns.timestamp)


def _value_of(events: pa.Table, name: str, quantity: str | None, log: LogDraft) -> ValueColumn | None:
    numbers = row_values(events, name, quantity)
    if numbers is None:
        return None
    if log.roles.value is not None:
        return ValueColumn(name, log.roles.value.meaning, numbers, log.roles.value.wanted)
    source = next((rule["value"] for rule in log.data.get("derive", []) if rule.get("value")), name)
    return ValueColumn(name, value_meaning(source) or Meaning.GENERIC, numbers)


def draft_log(events: pa.Table, tables: Mapping[str, pa.Table], choices: Choices) -> LogDraft:
    """Guess `[data]` for events and the tables beside them."""
    events, nested = _flattened(events)
    events, filled = _filled(events, choices)
    items, users = tables.get("items"), tables.get("users")
    roles = guess_roles(events, choices, items, users)
    told = _with_ids(events, roles)
    if told is not events:
        events, roles = told, guess_roles(told, choices, items, users)
    log = LogDraft(events, roles, {"events": "events", **({"unnest": nested} if nested else {})})
    if nested:
        log.say(
            "data",
            f"Each element of {nested} is a row, and its fields are columns such as {nested}.… (unnest).",
        )
    _derive(log)
    _guests(log)
    _whole_ids(log)
    if "items" not in tables:
        orders = {*filter(None, [roles.order, roles.lines_of_orders.status])}
        log.items = items_of_log(
            log.evidence, str(roles.columns["item"]), _taken(log) | orders, choices.title
        )
    _services(log, choices)
    _time_format(log, choices)
    log.data["columns"] = {role: column for role, column in roles.columns.items() if column}
    described = set() if log.items is None else {log.items[0].get("title"), *log.items[0]["attributes"]}
    log.data["context"] = guess_context(events, roles, _taken(log), described)
    negative = negative_kind(roles.value) if not log.data.get("derive") else None
    if negative is not None and roles.value is not None:
        log.data["negative_kind"] = negative
        log.say(
            "data.columns",
            f"Events with {roles.value.name} below 0 get the kind {negative} (data.negative_kind).",
        )
    _fill(log, filled)
    _position(log)
    _currencies(log)
    return log


def _flattened(events: pa.Table) -> tuple[pa.Table, str | None]:
    """Make columns of the fields of structs, and rows of the elements of a list that holds the items, if one does."""
    events = _fields_only(events)
    evidence = Evidence(events)
    if any(score_item(name, evidence) >= SURE for name in events.column_names):
        return events, None
    for column in events.schema:
        if is_list_of_structs(column.type):
            names = [f"{column.name}.{one.name}" for one in column.type.value_type]
            if any(concepts(name) >= {"item", "id"} for name in names):
                rows = unnest(events, column.name, "events", Check()).drop_columns([ROW])
                return _fields_only(rows), column.name
    return events, None


def _fields_only(events: pa.Table) -> pa.Table:
    """Replace structs by their fields."""
    structs = [column.name for column in events.schema if pa.types.is_struct(column.type)]
    return with_fields(events).drop_columns(structs)


def _filled(events: pa.Table, choices: Choices) -> tuple[pa.Table, FilledDown | None]:
    """Fill the cells that are blank in the further lines of an order."""
    evidence = Evidence(events)
    order = choices.order or find_order(evidence)
    blank = [] if order is None else blank_further_lines(evidence, order)
    if not blank:
        return events, None
    settings = FilledDown(columns=blank, by=order)
    return fill_down(events, settings, "events", Check()), settings


def _fill(log: LogDraft, filled: FilledDown | None) -> None:
    """Declare the columns that are filled and used."""
    if filled is None:
        return
    used = {*log.roles.used, *log.data["context"], *(rule.get("when") for rule in log.data.get("derive", []))}
    used |= {rule["column"] for rule in log.data.get("exclude", [])}
    if log.items is not None:
        used |= {log.items[0].get("title"), *log.items[0]["attributes"]}
    columns = [name for name in filled.columns if name in used]
    if columns:
        log.data["fill_down"] = {"by": filled.by, "columns": columns}
        log.say("data.fill_down", f"These are blank in the further lines of an order ({filled.by}).")


def _with_ids(events: pa.Table, roles: Roles) -> pa.Table:
    """Leave out rows without a user or an item, such as a line of totals: their values say nothing about the others."""
    user, item = (events.column(str(roles.columns[role])) for role in ("user", "item"))
    assert roles.evidence is not None
    guests = roles.order or find_visitor(roles.evidence, str(roles.columns["user"]))
    both = item.is_valid() if guests else pc.and_(user.is_valid(), item.is_valid())
    count = pc.sum(both).as_py() or 0
    return events.filter(both) if 0 < count < events.num_rows else events


def _taken(log: LogDraft) -> set[str]:
    """The columns that have a part in making events."""
    taken = {*log.roles.used, *(rule["column"] for rule in log.data.get("exclude", []))}
    for rule in log.data.get("derive", []):
        taken |= {rule[name] for name in ("when", "value", "slate", "position") if rule.get(name)}
    # a price that the items always have describes them, too
    return taken - {log.roles.columns.get("value") if log.roles.columns.get("quantity") else None}


def _derive(log: LogDraft) -> None:
    """Propose rules for wide logs and for states of orders, and the kind of a log of purchases."""
    roles, columns = log.roles, log.roles.columns
    if columns["kind"] is not None:
        return
    flags = [one for one in roles.candidates if one.meaning is Meaning.OUTCOME]
    values = [one for one in roles.candidates if one.meaning is not Meaning.OUTCOME]
    position = columns["position"]
    slate = columns["slate"]
    if position is not None and slate is None and log.evidence.is_plain(position):
        slate = find_slate(log.evidence, position, roles.used)
    found = find_wide(log.evidence, flags, values, position, slate)
    if found is not None:
        columns.update(value=None, quantity=None, position=None, slate=None)
        roles.drop_value()
        log.data["first_position"] = found.first_position
    elif roles.lines_of_orders.is_one and roles.lines_of_orders.status is not None:
        found = rules_of_status(log.evidence, roles.lines_of_orders.status)
    elif roles.lines_of_orders.is_one:
        found = next(
            (rules for one in flags if (rules := rules_of_flag(log.evidence, one)) is not None), None
        )
    if found is not None:
        _take_rules(log, found)
    if not log.data.get("derive") and _is_purchase(roles):
        log.data["default_kind"] = PURCHASE
        log.say("data", f"Each row is a line of an order, so an event is of kind {PURCHASE} (default_kind).")
    if not log.data.get("first_position"):
        log.data.pop("first_position", None)


def _take_rules(log: LogDraft, found: WideLog) -> None:
    used = {str(rule.get("when")) for rule in found.rules}
    log.roles.drop_lines(lambda line: any(line.startswith(f"{name}: 1 says") for name in used))
    if found.rules:
        log.data["derive"] = found.rules
        log.say("data.derive", *found.lines)
    else:
        log.say("data.exclude", *found.lines)
    if found.exclude:
        log.data["exclude"] = found.exclude


def _is_purchase(roles: Roles) -> bool:
    """Return whether the rows are purchases: order lines, or things that have a time of purchase."""
    time = roles.columns["timestamp"]
    rated = roles.value is not None and roles.value.meaning not in {Meaning.MONEY, Meaning.COUNT}
    bought = time is not None and bool(concepts(time) & {"bought", "order"})
    return not rated and (roles.lines_of_orders.is_one or bought)


def _guests(log: LogDraft) -> None:
    """Propose that rows without a user belong to guests: one for each order, or for each visitor."""
    roles, evidence = log.roles, log.evidence
    user = str(roles.columns["user"])
    numbers = is_numeric(evidence.type_of(user)) or _are_whole(log.events, user)
    nobody = [] if roles.order is None else ids_of_nobody(evidence, user, roles.order)
    missing = 1 - evidence.present(user)
    known_by = roles.order or (find_visitor(evidence, user) if missing > FEW_BLANKS else None)
    if known_by is not None and (missing > FEW_BLANKS or nobody):
        log.data["guests"] = known_by
        what = "orders" if known_by == roles.order else "visitors"
        blank = f"{round(missing * evidence.rows):,} rows have no {user}" if missing > FEW_BLANKS else ""
        zero = f"the {user} {', '.join(nobody)} has many orders and stands for no user" if nobody else ""
        log.say(
            "data",
            f"{' and '.join(filter(None, [blank, zero]))}: each of their {what} ({known_by}) is a guest, guest-… (guests).",
        )
        if nobody:
            log.data["guest_ids"] = nobody
        if numbers:
            log.data["user_ids"] = "text"
    elif is_numeric(evidence.type_of(user)):
        log.say("data", GUESTS)


def _are_whole(events: pa.Table, name: str) -> bool:
    column = flat(events.column(name))
    if not is_text(column.type):
        return False
    present = column.filter(pc.not_equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), ""))
    return len(present) > 0 and bool(pc.all(pc.match_substring_regex(present, _WHOLE)).as_py())


def _whole_ids(log: LogDraft) -> None:
    """Propose to read ids that another program has written with a fraction as whole numbers."""
    names = [str(log.roles.columns[role]) for role in ("user", "item")]
    found = [name for name in names if _are_whole(log.events, name)]
    if found:
        log.data["whole_ids"] = found
        log.say(
            "data",
            f"{', '.join(found)}: ids such as 17850.0, as pandas writes a column in which some are missing, are read as 17850.",
        )


def _services(log: LogDraft, choices: Choices) -> None:
    """Propose to leave lines of postage, taxes, vouchers and discounts out."""
    if not log.roles.lines_of_orders.is_one or log.roles.columns["kind"] is not None:
        return
    title = choices.title or (log.items[0].get("title") if log.items is not None else None)
    found = find_services(log.events, str(log.roles.columns["item"]), title)
    if found is not None:
        rule = {"column": found.column, "values": found.values, "reason": "no item"}
        log.data.setdefault("exclude", []).append(rule)
        log.say(
            "data.exclude",
            f"{found.rows:,} lines are no items, by their codes and titles (postage, taxes, vouchers, discounts): {', '.join(found.values[:10])}.",
        )


def _time_format(log: LogDraft, choices: Choices) -> None:
    """Declare how text dates are written."""
    name = log.roles.columns["timestamp"]
    if choices.time_format is not None:
        log.data["time_format"] = choices.time_format
    elif name is not None and is_text(log.events.schema.field(name).type):
        found = find_format(flat(log.events.column(name)), name)
        if found is not None:
            log.data["time_format"] = found.form
            log.say("data.columns", found.why)
        elif log.evidence.times(name) is None:
            log.say(
                "data.columns",
                f"{name}: the dates can be read in more than one way or in none; add time_format to [data], for example "
                'time_format = "%d/%m/%Y" or "%m/%d/%Y" (--time-format). Until then, shortlist check refuses them.',
            )


def _currencies(log: LogDraft) -> None:
    """Say where amounts are in several currencies."""
    value = log.roles.value
    if value is None or value.meaning is not Meaning.MONEY:
        return
    for name in log.events.column_names:
        if (
            "currency" in concepts(name)
            and log.evidence.is_plain(name)
            and 2 <= log.evidence.distinct(name) <= 200
        ):
            log.say(
                "data.columns",
                f"{value.name} is in {log.evidence.distinct(name)} currencies ({name}), and amounts are taken as they are: where an objective of kind "
                "amount is wanted, convert them with a query.",
            )


def _position(log: LogDraft) -> None:
    name = log.roles.columns["position"]
    if name is None or not is_numeric(log.events.schema.field(name).type):
        return
    if pc.min(log.events.column(name)).as_py() == 1:
        log.data["first_position"] = 1
        log.say("data.columns", f"{name} counts from 1 (data.first_position).")
