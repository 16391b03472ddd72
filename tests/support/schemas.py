"""Values for property tests, made from the JSON schemas of request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

HALF = "\ud83e"
ODD_TEXTS = [
    HALF,
    "\0",
    "",
    " ",
    "--5",
    "007",
    "1e400",
    "x" * 600,
    "NaN",
    "../..",
    "2024-13-01",
    "01-Jan-1995",
    "9" * 60,
]
ODD_INTEGERS = [0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400]
ODD_NUMBERS = [0.0, -1.0, 0.5, 1e12, -1e300, 1e308, float("nan"), float("inf"), 1.7e9, 1.7e12, 1e15, 5e17]


class SchemaValues:
    """Makes values that a schema allows: sensible ones of `known` (field → values), and odd ones.

    Parameters
    ----------
    definitions
        The schemas that others refer to, by name.
    known
        Field → values that a client sends; for a field that holds a mapping, the mapping's own fields.
    odd
        The field of `known` that has any value that the schema allows; the others have sensible ones, because a request
        with several faults is refused for the first.
    """

    def __init__(self, definitions: Mapping[str, Any], known: Mapping[str, Any], odd: str = "") -> None:
        self.definitions, self.known, self.odd = definitions, known, odd

    def of(self, schema: Mapping[str, Any], name: str = "") -> st.SearchStrategy[Any]:
        """Return a strategy for a schema; `name` is the field that it describes."""
        if "$ref" in schema:
            return self.of(self.definitions[schema["$ref"].rsplit("/", 1)[1]], name)
        known = self.known.get(name)
        if known is None:
            return self._made(schema, name)
        if not isinstance(known, Mapping):
            return self._made(schema, name) if name == self.odd else st.sampled_from(known)
        entries = {field: st.sampled_from(values) for field, values in known.items()}
        if name != self.odd:
            return st.fixed_dictionaries({}, optional=entries)
        return st.one_of(
            st.fixed_dictionaries({}, optional=dict.fromkeys(known, odd)),
            st.dictionaries(st.one_of(st.sampled_from(list(known)), texts), odd, max_size=3),
        )

    def _made(self, schema: Mapping[str, Any], name: str) -> st.SearchStrategy[Any]:
        if "anyOf" in schema:
            return st.one_of(*(self.of(one) for one in schema["anyOf"]))
        if schema.get("type") == "array":
            most = min(schema.get("maxItems", 4), 4)
            return st.lists(self.of(schema["items"], name), min_size=schema.get("minItems", 0), max_size=most)
        if schema.get("type") == "object" and "properties" in schema:
            fields = {field: self.of(one, field) for field, one in schema["properties"].items()}
            required = {field: fields.pop(field) for field in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=fields)
        return PLAIN[schema.get("type", "")]


texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=12))
integers = st.one_of(st.sampled_from(ODD_INTEGERS), st.integers())
numbers = st.one_of(st.sampled_from(ODD_NUMBERS), st.floats(), integers)
odd = st.recursive(
    st.one_of(st.none(), st.booleans(), texts, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "": odd,
    "object": st.dictionaries(texts, odd, max_size=3),
    "string": texts,
    "integer": integers,
    "number": numbers,
    "boolean": st.booleans(),
    "null": st.none(),
}
