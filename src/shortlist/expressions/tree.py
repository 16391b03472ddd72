"""The syntax tree of an expression, before names and types are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from shortlist.errors import RequestError


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: the text from `start` to `end`, counted in characters from 0."""

    start: int
    end: int

    @property
    def depth(self) -> int:
        """Number of levels of the tree below and including this node."""
        return 1


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number with its unit, for example `10km`: `written` is the number as text, `unit` is empty without one."""

    written: str
    unit: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A text in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name: of an item's attribute (`scope` is empty), or of a scope, as in `user.country`."""

    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class Values(Node):
    """A list of texts and numbers in brackets."""

    values: tuple[Text | Number, ...]


@dataclass(frozen=True, slots=True)
class OperatorNode(Node):
    """An operator or function with its operands, for example `<` with two, or `and` with two or more."""

    operator: str
    parts: tuple[Node, ...]
    levels: int

    @property
    def depth(self) -> int:
        """Number of levels of the tree below and including this node."""
        return self.levels


@dataclass(frozen=True, slots=True)
class ExpressionText:
    """Where an expression is written, for errors: the field of the request or setting, and the text."""

    field: str
    text: str

    def error(self, at: int, message: str) -> RequestError:
        """Return the error of one place of the text, given in characters from 0."""
        before = self.text[:at]
        line = f"line {before.count(chr(10)) + 1}, " if "\n" in self.text else ""
        column = at - (before.rfind("\n") + 1) + 1
        return RequestError(f"{self.field}, {line}column {column}: {message}", field=self.field)


@lru_cache(maxsize=4096)
def unquoted(text: str) -> str:
    """Return the content of a text in quotes; a backslash stands before a quote or a backslash of the content."""
    parts: list[str] = []
    at, end = 1, len(text) - 1
    while at < end:
        at += text[at] == "\\"
        parts.append(text[at])
        at += 1
    return "".join(parts)
