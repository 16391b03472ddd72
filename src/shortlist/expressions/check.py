"""Names and types of an expression, checked against the attributes of a project."""

from __future__ import annotations

from datetime import UTC, datetime

from shortlist.errors import RequestError, suggestion
from shortlist.expressions.schema import Schema
from shortlist.expressions.tree import ExpressionText, Name, Node, Number, OperatorNode, Text, Values
from shortlist.expressions.typed import (
    NOTHING,
    WORD_KINDS,
    Amount,
    AmountIn,
    Both,
    Calculated,
    Compared,
    Condition,
    Contains,
    Dimension,
    Distance,
    Either,
    Field,
    Known,
    Negated,
    Now,
    Part,
    Quantity,
    Scope,
    SharesWord,
    Uses,
    Words,
)
from shortlist.expressions.units import DISTANCES, DURATIONS

_EXAMPLES = {"number": "20", "time": '"2026-01-31" or now - 30d', "duration": "30d", "distance": "10km"}


def check_condition(tree: Node, source: ExpressionText, schema: Schema) -> Condition:
    """Return a syntax tree as a condition on items.

    Parameters
    ----------
    tree
        What `parse` returned.
    source
        Where the expression is written.
    schema
        The names that it can use.

    Raises
    ------
    RequestError
        A name does not exist, or values of two kinds are combined. The message names the field and the column, and
        the nearest name.
    """
    return _Checker(source, schema).condition(tree)


def check_number(tree: Node, source: ExpressionText, schema: Schema) -> Quantity:
    """Return a syntax tree as a number. Raises `RequestError` as `check_condition` does."""
    checker = _Checker(source, schema)
    quantity = checker.quantity(tree)
    if (found := dimension(quantity)) != "number":
        raise source.error(tree.start, f"this is a {found}, and a number is needed")
    return quantity


def dimension(quantity: Quantity) -> Dimension:
    """Return what a quantity measures."""
    match quantity:
        case Now() | Field(kind="time"):
            return "time"
        case Amount() | Calculated():
            return quantity.dimension
        case Distance():
            return "distance"
        case _:
            return "number"


class _Checker:
    def __init__(self, source: ExpressionText, schema: Schema) -> None:
        self.source, self.schema = source, schema

    def _error(self, node: Node, message: str) -> RequestError:
        return self.source.error(node.start, message)

    def _written(self, node: Node) -> str:
        text = self.source.text[node.start : node.end]
        return text if len(text) <= 40 else f"{text[:39]}…"

    # ---------------------------------------------------------------- conditions

    def condition(self, node: Node) -> Condition:
        """Return a node as a condition."""
        if not isinstance(node, OperatorNode):
            raise self._error(
                node, f"{self._written(node)} is a value; a condition compares it, as in price < 20"
            )
        match node.operator:
            case "and" | "or":
                parts = tuple(self.condition(part) for part in node.parts)
                make = Both if node.operator == "and" else Either
                return make(parts, uses=_uses(*parts))
            case "not":
                part = self.condition(node.parts[0])
                return Negated(part, uses=part.uses)
            case "exists":
                return self._known(node.parts[0])
            case "in":
                return self._within(*node.parts)
            case "contains":
                return self._contains(*node.parts)
            case "=" | "!=" | "<" | "<=" | ">" | ">=":
                return self._compared(node, *node.parts)
            case _:
                raise self._error(node, f"{self._written(node)} is a number; a condition compares it")

    def _known(self, node: Node) -> Condition:
        if not isinstance(node, Name):
            raise self._error(node, "exists takes the name of an attribute, as in exists(price)")
        name = self._field(node)
        return Known(name, uses=name.uses)

    def _compared(self, node: OperatorNode, left: Node, right: Node) -> Condition:
        equal = node.operator in {"=", "!="}
        if self._is_words(left, right) or self._is_words(right, left):
            if not equal:
                raise self._error(node, f"{self._kinds(left, right)} have no order; write =, != or in")
            for one, other in ((left, right), (right, left)):
                if isinstance(one, Values) or self._kind(one) == "list":
                    raise self._error(
                        one, f"{self._written(one)} has several values; write {self._list_hint(one, other)}"
                    )
            found: Condition = self._overlap(node, self._words(left), self._words(right))
        else:
            before, after = self.quantity(left, right), self.quantity(right, left)
            self._same_dimension(right, before, after)
            operator = "=" if equal else node.operator
            found = Compared(operator, before, after, uses=_uses(before, after))
        return Negated(found, uses=found.uses) if node.operator == "!=" else found

    def _list_hint(self, one: Node, other: Node) -> str:
        if isinstance(one, Values):
            return f"{self._written(other)} in {self._written(one)}"
        return f"{self._written(one)} contains {self._written(other)}"

    def _within(self, left: Node, right: Node) -> Condition:
        if isinstance(right, Values) and not self._is_words(left, right):
            quantity = self.quantity(left, right.values[0] if right.values else None)
            amounts = []
            for value in right.values:
                amount = self.quantity(value, left)
                self._same_dimension(value, quantity, amount)
                assert isinstance(amount, Amount)
                amounts.append(amount.value)
            return AmountIn(quantity, tuple(amounts), uses=quantity.uses)
        if isinstance(right, Values) or (isinstance(right, Name) and self._is_words(right, left)):
            return self._overlap(left, self._words(left), self._words(right))
        raise self._error(right, 'after in stands a list, as in brand in ["A", "B"] or brand in user.brands')

    def _contains(self, left: Node, right: Node) -> Condition:
        kind = self._kind(left)
        if kind == "list":
            return self._overlap(left, self._words(left), self._words(right))
        if kind not in {"text", "link", "category"} or not isinstance(left, Name):
            raise self._error(
                left, f"contains follows a text, category or list, and {self._written(left)} is none"
            )
        if not isinstance(right, Text) or not right.value:
            raise self._error(right, 'after contains stands a text in quotes, as in title contains "star"')
        name = self._field(left)
        return Contains(name, right.value, uses=name.uses)

    def _overlap(self, node: Node, left: Field | Words, right: Field | Words) -> Condition:
        """Two sets of words, if they can be compared: words of texts, and lists of two attributes of the item, cannot."""
        fields = [one for one in (left, right) if isinstance(one, Field)]
        own = [one for one in fields if not one.scope]
        kinds = {one.kind for one in fields}
        if "id" in kinds and len({"text", "link"} & kinds | ({"list", "category"} & {o.kind for o in own})):
            raise self._error(node, "an id is compared with ids")
        if len(own) == 2 and (kinds & {"text", "link"} or [one.kind for one in own] == ["list", "list"]):
            raise self._error(
                node, f"two attributes of one item of kind {own[0].kind} and {own[1].kind} cannot be compared"
            )
        return SharesWord(left, right, uses=_uses(left, right))

    # ---------------------------------------------------------------- values

    def _kind(self, node: Node | None) -> str:
        """Return the kind of a value: that of an attribute, `word` for a text in quotes, or `quantity`."""
        if isinstance(node, Name):
            return "time" if _is_now(node) else self._field(node).kind
        if isinstance(node, Text):
            return "word"
        if isinstance(node, Values):
            return self._kind(node.values[0]) if node.values else "word"
        return "quantity"

    def _is_words(self, node: Node, other: Node) -> bool:
        """Whether a value and what it is compared with are texts or ids. A text beside a time is a time."""
        kind = self._kind(node)
        if kind == "word":
            return self._kind(other) not in {"time", "number"} and not isinstance(other, OperatorNode)
        return kind in WORD_KINDS or kind == "link"

    def _kinds(self, *nodes: Node) -> str:
        names = {
            "word": "texts",
            "category": "categories",
            "list": "lists",
            "text": "texts",
            "id": "ids",
            "link": "links",
        }
        return " and ".join(dict.fromkeys(names[k] for k in map(self._kind, nodes) if k in names))

    def _words(self, node: Node) -> Field | Words:
        if isinstance(node, Name):
            found = self._field(node)
            if found.kind in WORD_KINDS or found.kind == "link":
                return found
            raise self._error(
                node, f"{self._written(node)} is a {found.kind}, and a text or category is needed"
            )
        values = node.values if isinstance(node, Values) else (node,)
        words = []
        for value in values:
            if isinstance(value, Text):
                words.append(value.value)
            elif isinstance(value, Number) and not value.unit:
                words.append(value.written)
            else:
                raise self._error(value, f"{self._written(value)} is no text; texts stand in quotes")
        return Words(tuple(dict.fromkeys(words)))

    def _field(self, node: Name) -> Field:
        names = self.schema.names(node.scope)
        if names is None:
            raise self._error(
                node, f"there is no {node.scope!r}; names before a dot are user, viewed, context and history"
            )
        if node.name not in names:
            whose = {
                "": "items",
                "viewed": "items",
                "user": "users",
                "context": "the context",
                "history": "items",
            }
            attribute = "category, list or id" if node.scope == "history" else "attribute"
            of_all = self.schema.items if node.scope in {"", "viewed"} else {}
            if node.name in of_all:
                raise self._error(
                    node, f"an attribute of kind {of_all[node.name]} cannot be used in an expression"
                )
            has = "has" if node.scope == "context" else "have"
            raise self._error(
                node,
                f"{whose[node.scope]} {has} no {attribute} {node.name!r}{suggestion(node.name, names)}; "
                f"there are: {', '.join(names) or 'none'}",
            )
        kind = "list" if node.scope == "history" and names[node.name] != "id" else names[node.name]
        scope: Scope = node.scope  # type: ignore[assignment]  # a scope that `names` knows
        return Field(scope, node.name, kind, uses=frozenset({(scope, node.name)}) if scope else NOTHING)

    def quantity(self, node: Node, beside: Node | None = None) -> Quantity:
        """Return a node as a quantity. A text in quotes is a time where a time stands beside it."""
        match node:
            case Number():
                return _amount(node)
            case Text():
                return self._time(node, beside)
            case Name():
                return self._named_quantity(node)
            case OperatorNode(operator="distance"):
                return self._distance(node)
            case OperatorNode(operator="negative"):
                return self._negative(node)
            case OperatorNode(operator="+" | "-" | "*" | "/"):
                return self._calculated(node)
            case OperatorNode():
                raise self._error(node, f"{self._written(node)} is a condition, and a value is needed here")
            case _:
                raise self._error(node, "a list stands after in only")

    def _named_quantity(self, node: Name) -> Quantity:
        if _is_now(node):
            return Now(uses=frozenset({("now", "")}))
        found = self._field(node)
        if found.kind not in {"number", "time"}:
            raise self._error(
                node, f"{self._written(node)} is a {found.kind}, and a number or time is needed"
            )
        return found

    def _time(self, node: Text, beside: Node | None) -> Amount:
        if beside is None or self._kind(beside) not in {"time", "quantity"}:
            raise self._error(node, f"{self._written(node)} is a text, and a number is needed")
        try:
            moment = datetime.fromisoformat(node.value)
        except ValueError:
            raise self._error(
                node, f'{self._written(node)} is no time; write for example "2026-01-31"'
            ) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return Amount(float(round(moment.timestamp() * 1000)), "time")

    def _distance(self, node: OperatorNode) -> Distance:
        places = []
        for part in node.parts:
            place = self.quantity(part)
            if dimension(place) != "number":
                raise self._error(
                    part, "distance takes latitudes and longitudes in degrees: distance(lat, lon, 52.5, 13.4)"
                )
            places.append(place)
        lat, lon, other_lat, other_lon = places
        return Distance((lat, lon, other_lat, other_lon), uses=_uses(*places))

    def _negative(self, node: OperatorNode) -> Quantity:
        part = self.quantity(node.parts[0])
        if isinstance(part, Amount) and part.dimension != "time":
            return Amount(-part.value, part.dimension)
        if (found := dimension(part)) == "time":
            raise self._error(node, "a time has no negative")
        return Calculated("*", Amount(-1.0, "number"), part, found, uses=part.uses)

    def _calculated(self, node: OperatorNode) -> Quantity:
        left, right = (self.quantity(part) for part in node.parts)
        found = _result(node.operator, dimension(left), dimension(right))
        if found is None:
            raise self._error(
                node,
                f"a {dimension(left)} and a {dimension(right)} cannot be combined by {node.operator}: {self._written(node)}",
            )
        return Calculated(node.operator, left, right, found, uses=_uses(left, right))

    def _same_dimension(self, node: Node, left: Quantity, right: Quantity) -> None:
        one, other = dimension(left), dimension(right)
        if one != other:
            raise self._error(
                node,
                f"a {one} is compared with a {one}, for example {_EXAMPLES[one]}, and {self._written(node)} is a {other}",
            )


def _is_now(node: Name) -> bool:
    return not node.scope and node.name.lower() == "now"


def _amount(node: Number) -> Amount:
    number = float(node.written)
    if node.unit in DURATIONS:
        return Amount(number * DURATIONS[node.unit], "duration")
    if node.unit in DISTANCES:
        return Amount(number * DISTANCES[node.unit], "distance")
    return Amount(number, "number")


def _result(operator: str, left: Dimension, right: Dimension) -> Dimension | None:
    """Return what the result of a calculation measures, None where the two cannot be combined."""
    if operator in {"+", "-"} and left == right:
        return left if left != "time" else "duration" if operator == "-" else None
    if {left, right} == {"time", "duration"}:
        return "time" if operator == "+" or (operator == "-" and left == "time") else None
    if operator == "*" and "time" not in {left, right} and "number" in {left, right}:
        return left if right == "number" else right
    if operator == "/" and left != "time":
        return left if right == "number" else "number" if left == right else None
    return None


def _uses(*parts: Part) -> Uses:
    return frozenset[tuple[str, str]]().union(*(part.uses for part in parts))
