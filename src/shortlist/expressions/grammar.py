"""From the text of an expression to its syntax tree, by an LALR(1) grammar.

The parser reads each token once and keeps a stack of its own, so that time grows with the length of a text only, and
neither brackets nor `not` can exhaust the interpreter's stack. `lark` is imported, and the tables of the grammar are
made, when the first expression of a process is parsed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shortlist.errors import RequestError
from shortlist.expressions.tree import (
    ExpressionText,
    Name,
    Node,
    Number,
    OperatorNode,
    Text,
    Values,
    unquoted,
)

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.tree import Meta

MAX_LENGTH = 4_000
"""Longest expression, in characters."""
MAX_DEPTH = 32
"""Most levels of operators within each other."""
MAX_TESTS = 64
"""Most comparisons of one expression; `contains` counts as eight, since it reads texts."""

GRAMMAR = r"""
start: either
?either: both (_OR both)*
?both: negation (_AND negation)*
?negation: _NOT negation -> negated
    | test
?test: sum
    | sum COMPARED sum -> compared
    | sum _IN sum -> within
    | sum _NOT _IN sum -> without
    | sum _CONTAINS sum -> containing
?sum: product
    | sum (PLUS | MINUS) product -> calculated
?product: factor
    | product SCALED factor -> calculated
?factor: MINUS factor -> negative
    | atom
?atom: NUMBER -> number
    | STRING -> text
    | name
    | NAME "(" either ("," either)* ")" -> call
    | "[" [value ("," value)* [","]] "]" -> values
    | "(" either ")" -> group
name: (NAME | QUOTED) ["." (NAME | QUOTED)]
value: NUMBER -> number
    | MINUS NUMBER -> number
    | STRING -> text

_AND.2: /and\b/i
_OR.2: /or\b/i
_NOT.2: /not\b/i
_IN.2: /in\b/i
_CONTAINS.2: /contains\b/i
COMPARED: "<=" | ">=" | "!=" | "==" | "=" | "<" | ">"
PLUS: "+"
MINUS: "-"
SCALED: "*" | "/"
NUMBER: /\d+(\.\d+)?(e[+-]?\d+)?(km|mi|[smhdw])?\b/i
STRING: /"(\\.|[^"\\])*"/ | /'(\\.|[^'\\])*'/
NAME: /[^\W\d]\w*/
QUOTED: /`[^`\n]+`/
%ignore /\s+/
"""
_CALLS = {"exists": 1, "distance": 4}
"""Function → number of its arguments."""
_TESTS = dict.fromkeys(("<", "<=", ">", ">=", "=", "!=", "in", "exists"), 1) | {"contains": 8}
_OPERATORS = {"_AND": "and", "_OR": "or", "_IN": "in", "COMPARED": "a comparison such as <"}


@lru_cache(maxsize=1)
def _parser() -> Lark:
    import lark

    return lark.Lark(GRAMMAR, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def parse(text: str, field: str) -> Node:
    """Parse an expression.

    Parameters
    ----------
    text
        The expression, at most 4,000 characters.
    field
        The field of the request or the setting that it is written in, for errors.

    Returns
    -------
    The syntax tree. The same text is parsed once for as long as it is among the last 256 of the process.

    Raises
    ------
    RequestError
        The text is no expression, or it is too long or too deep. The message names the field and the column.
    """
    source = ExpressionText(field, text)
    if len(text) > MAX_LENGTH:
        raise RequestError(
            f"{field}: an expression has at most {MAX_LENGTH:,} characters, and this has {len(text):,}",
            field=field,
        )
    if not text.strip():
        raise RequestError(f'{field}: the expression is empty; write for example "price < 20"', field=field)
    return _parsed(source)


@lru_cache(maxsize=256)
def _parsed(source: ExpressionText) -> Node:
    import lark

    try:
        tree = _parser().parse(source.text)
    except lark.exceptions.UnexpectedCharacters as error:
        raise _bad_character(source, int(error.pos_in_stream or 0)) from None
    except lark.exceptions.UnexpectedToken as error:
        at = len(source.text.rstrip()) if error.token.type == "$END" else int(error.token.start_pos or 0)
        found = "the expression ends" if error.token.type == "$END" else f"unexpected {str(error.token)!r}"
        raise source.error(at, f"{found}; expected {_expected(error.accepts or error.expected)}") from None
    return _Builder(source).build(tree)


def _bad_character(source: ExpressionText, at: int) -> RequestError:
    text = source.text
    if text[at] in "\"'`":
        return source.error(at, f"the text that begins with {text[at]} has no end")
    if text[at].isdigit():
        return source.error(
            at,
            "no number; a unit is one of s, m, h, d, w (durations) or km, mi (distances), and other texts stand in quotes",
        )
    return source.error(at, f"unexpected {text[at]!r}; texts stand in quotes, names with other signs in `…`")


def _expected(accepts: Iterable[str]) -> str:
    """The symbols that may stand at a place, in words."""
    tokens = set(accepts)
    if "NAME" in tokens or "STRING" in tokens:
        return "a name, a number or a text in quotes"
    signs = {"RPAR": "')'", "RSQB": "']'", "COMMA": "','"}
    words = [sign for name, sign in signs.items() if name in tokens]
    words += [sign for name, sign in _OPERATORS.items() if name in tokens]
    return ", ".join(words) or "the end"


class _Builder:
    """Makes nodes of a tree of lark, from its leaves upwards and without recursion."""

    def __init__(self, source: ExpressionText) -> None:
        self.source = source
        self.tests = 0

    def build(self, tree: Tree[Token]) -> Node:
        """Make the node of a whole tree."""
        made: dict[int, Node] = {}
        for subtree in tree.iter_subtrees():  # children come before their parents
            make = getattr(self, f"_{subtree.data}")
            children = [made.get(id(child), child) for child in subtree.children]
            made[id(subtree)] = make(subtree.meta, children)
        return made[id(tree)]

    def _operation(self, meta: Meta, operator: str, parts: Iterable[Node]) -> OperatorNode:
        parts = tuple(parts)
        levels = 1 + max(part.depth for part in parts)
        if levels > MAX_DEPTH:
            raise self.source.error(
                meta.start_pos, f"more than {MAX_DEPTH} levels of operators within each other"
            )
        self.tests += _TESTS.get(operator, 0)
        if self.tests > MAX_TESTS:
            raise self.source.error(
                meta.start_pos,
                f'more than {MAX_TESTS} comparisons (contains counts as eight); several values of one attribute are one list: brand in ["A", "B"]',
            )
        return OperatorNode(meta.start_pos, meta.end_pos, operator, parts, levels)

    def _start(self, _meta: Meta, children: list[Node]) -> Node:
        return children[0]

    def _group(self, _meta: Meta, children: list[Node]) -> Node:
        return children[0]

    def _either(self, meta: Meta, children: list[Node]) -> Node:
        return self._operation(meta, "or", children)

    def _both(self, meta: Meta, children: list[Node]) -> Node:
        return self._operation(meta, "and", children)

    def _negated(self, meta: Meta, children: list[Node]) -> Node:
        return self._operation(meta, "not", children)

    def _compared(self, meta: Meta, children: list[Any]) -> Node:
        left, sign, right = children
        operator = "=" if sign == "==" else str(sign)
        return self._operation(meta, operator, (left, right))

    def _within(self, meta: Meta, children: list[Node]) -> Node:
        return self._operation(meta, "in", children)

    def _without(self, meta: Meta, children: list[Node]) -> Node:
        return self._operation(meta, "not", [self._operation(meta, "in", children)])

    def _containing(self, meta: Meta, children: list[Node]) -> Node:
        return self._operation(meta, "contains", children)

    def _calculated(self, meta: Meta, children: list[Any]) -> Node:
        left, sign, right = children
        return self._operation(meta, str(sign), (left, right))

    def _negative(self, meta: Meta, children: list[Any]) -> Node:
        return self._operation(meta, "negative", [children[1]])

    def _number(self, meta: Meta, children: list[Token]) -> Node:
        written = "".join(map(str, children)).lower()
        number = written.rstrip("kmishdw")
        return Number(meta.start_pos, meta.end_pos, number, written[len(number) :])

    def _text(self, meta: Meta, children: list[Token]) -> Node:
        return Text(meta.start_pos, meta.end_pos, unquoted(str(children[0])))

    def _values(self, meta: Meta, children: list[Number | Text]) -> Node:
        return Values(meta.start_pos, meta.end_pos, tuple(children))

    def _name(self, meta: Meta, children: list[Token]) -> Node:
        names = [str(child).strip("`") for child in children]
        scope, name = names if len(names) == 2 else ("", names[0])
        return Name(meta.start_pos, meta.end_pos, scope, name)

    def _call(self, meta: Meta, children: list[Any]) -> Node:
        name, *arguments = children
        function = str(name).lower()
        count = _CALLS.get(function)
        if count is None:
            raise self.source.error(
                meta.start_pos,
                f"there is no function {str(name)!r}; there are: exists(name), distance(lat, lon, lat, lon)",
            )
        if len(arguments) != count:
            raise self.source.error(
                meta.start_pos, f"{function} takes {count} values in brackets and has {len(arguments)}"
            )
        return self._operation(meta, function, arguments)
