"""A language of conditions on items, for filters, rules, boosts and rows of a page.

    price < 20 and not (genres in ["Horror", "War"]) and released > now - 30d

`parse` makes a syntax tree of a text (`grammar.py`, `tree.py`); `check_condition` and `check_number` give it types by
the attributes of a project (`check.py`, `typed.py`). `shortlist.rerank.conditions` evaluates the result over a catalogue.
Nothing here reads data, so a project file is checked before any table is read.
"""

from shortlist.expressions.check import check_condition, check_number
from shortlist.expressions.grammar import MAX_DEPTH, MAX_LENGTH, MAX_TESTS, parse
from shortlist.expressions.schema import Schema

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "MAX_TESTS", "Schema", "check_condition", "check_number", "parse"]
