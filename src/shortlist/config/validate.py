"""Validation of settings with errors that name the setting, its place in the file, and a suggestion.

Sections that other rooms own (retrievers, features) stay untyped in `Project`; those rooms validate them with
`Project.parse`, which calls `validate_settings`, so every error of `shortlist.toml` has the same form:

    shortlist.toml, line 31: retrieve.sources.0.factros: there is no such setting; did you mean 'factors'?
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shortlist.errors import ProjectError, suggestion

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")
Place = Callable[[str], str]
"""Setting → where it is written, as the beginning of a sentence ("shortlist.toml, line 12: "), or ""."""


@overload
def validate_settings(
    model: type[Model], values: object, place: Place, field: str = "", context: dict[str, Any] | None = None
) -> Model: ...
@overload
def validate_settings(
    model: TypeAdapter[T],
    values: object,
    place: Place,
    field: str = "",
    context: dict[str, Any] | None = None,
) -> T: ...
def validate_settings(
    model: type[BaseModel] | TypeAdapter[Any],
    values: object,
    place: Place,
    field: str = "",
    context: dict[str, Any] | None = None,
) -> Any:
    """Validate a table of settings.

    Parameters
    ----------
    model
        The settings class, or a `TypeAdapter` of a (discriminated) union of settings classes.
    values
        The table: a dictionary.
    place
        Returns where a setting is written; see `Project.where`.
    field
        Dotted name of the table; the names in errors begin with it.
    context
        Pydantic's validation context.

    Raises
    ------
    ProjectError
        One line per wrong setting. `field` is the dotted name of the first.
    """
    try:
        if isinstance(model, TypeAdapter):
            return model.validate_python(values, context=context)
        return model.model_validate(values, context=context)
    except ValidationError as error:
        schema = _Schema.of(model)
        # a setting that is misspelt is missing, too: the unknown name tells why, and comes first
        details = sorted(error.errors(), key=lambda detail: detail["type"] == "missing")
        problems = _joined([_problem(detail, schema) for detail in details])
    named = [(_join(field, setting), message) for setting, message in problems.items()]
    lines = [f"{place(setting)}{setting + ': ' if setting else ''}{message}" for setting, message in named]
    raise ProjectError("\n".join(lines), field=named[0][0] or None)


KINDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a table of settings"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "string_type": "a text in quotes",
}
"""Type of an error of pydantic → what the setting must be."""
JSON_TYPES = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "dict": "object",
    "list": "array",
}
"""A type as pydantic names it in the place of an error → its name in a JSON schema."""


def _joined(problems: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Setting → message. What a value of several possible types must be, is one message: "must be a number or a text in quotes and is []"."""
    found: dict[str, str] = {}
    for setting, message in problems:
        before = found.get(setting)
        if before is None:
            found[setting] = message
        elif (shown := message.partition(" and is ")[2]) and before.endswith(f" and is {shown}"):
            kind = message.removeprefix("must be ").removesuffix(f" and is {shown}")
            found[setting] = f"{before.removesuffix(f' and is {shown}')} or {kind} and is {shown}"
        else:
            found[setting] = f"{before}, or {message}"
    return found


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _problem(detail: ErrorDetails, schema: _Schema) -> tuple[str, str]:
    """Return the dotted name of the setting, without the tags of unions, and the message."""
    path, schema = schema.descend(detail["loc"][:-1])
    last = detail["loc"][-1:]
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            names = schema.properties()
            hint = suggestion(str(last[0]), names) or f"; settings are: {', '.join(names) or 'none'}"
            return _join(*path, str(last[0])), f"there is no such setting{hint}"
        case "union_tag_invalid" | "union_tag_not_found":
            path, union = schema.descend(last, path)
            known = list(union.tags())
            name = _join(*path, context["discriminator"].strip("'"))
            if "tag" in context:
                return name, unknown(context["tag"], known)
            return name, f"this setting is required; there are: {', '.join(known)}"
    path, _ = schema.descend(last, path)
    match detail["type"]:
        case "missing":
            message = "this setting is required"
        case "literal_error":
            message = f"{detail['msg'].replace('Input should be', 'must be')}{suggestion(str(detail['input']), context['expected'].split(chr(39))[1::2])}"
        case kind if kind in KINDS:
            message = f"must be {KINDS[kind]} and is {_shown(detail['input'])}"
        case "too_short" | "too_long":
            most = detail["type"] == "too_long"
            count = context["max_length" if most else "min_length"]
            message = f"must have at {'most' if most else 'least'} {count} entries and has {context['actual_length']}"
        case _:
            message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    cause = context.get("error")
    return _join(*path, getattr(cause, "field", "")), message


def unknown(name: object, known: Iterable[str]) -> str:
    """Return the message for an unknown name: a suggestion, and the known names."""
    known = list(known)
    hint = suggestion(str(name), known)
    return f"{name!r} is unknown{hint + ' There' if hint else '; there'} are: {', '.join(known)}"


class _Schema:
    """A JSON schema and a position in it: finds the settings of the table that an error is about."""

    def __init__(self, root: dict[str, Any], node: dict[str, Any]) -> None:
        self._root = root
        while "$ref" in node or len(node.get("allOf", ())) == 1:
            node = root["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node["allOf"][0]
        self._node = node

    @classmethod
    def of(cls, model: type[BaseModel] | TypeAdapter[Any]) -> _Schema:
        """Return the schema of a settings class; an empty one if it has types without a JSON schema."""
        try:
            root = model.json_schema() if isinstance(model, TypeAdapter) else model.model_json_schema()
        except PydanticUserError:
            root = {}
        return cls(root, root)

    def properties(self) -> list[str]:
        """Return the names of the settings here."""
        return list(self._node.get("properties", {}))

    def tags(self) -> dict[str, str]:
        """Return the tags of a discriminated union: tag → reference."""
        return dict(self._node.get("discriminator", {}).get("mapping", {}))

    def descend(
        self, location: tuple[int | str, ...], path: tuple[str, ...] = ()
    ) -> tuple[tuple[str, ...], _Schema]:
        """Follow a location of pydantic. Returns the path without the tags of unions, and the schema there."""
        if not location:
            return path, self.without_null()
        part, rest = location[0], location[1:]
        schema = self.without_null()
        tags = schema.tags()
        if part in tags:
            return self._at({"$ref": tags[part]}).descend(rest, path)
        choices = schema.choices()
        if len(choices) > 1 and isinstance(
            part, str
        ):  # the type of a union that was tried, such as dict[str,any]
            kind = JSON_TYPES.get(part.partition("[")[0])
            return self._at(next((one for one in choices if one.get("type") == kind), {})).descend(rest, path)
        return schema.child(part).descend(rest, (*path, str(part)))

    def child(self, part: int | str) -> _Schema:
        """Return the schema of a setting, or of an element of a list."""
        if isinstance(part, int):
            return self._at(self._node.get("items", {}))
        child = self._node.get("properties", {}).get(part, self._node.get("additionalProperties", {}))
        return self._at(child if isinstance(child, dict) else {})

    def without_null(self) -> _Schema:
        """Return the schema of `A` where this one is of `A | None`."""
        choices = self.choices()
        return self._at(choices[0]) if len(choices) == 1 else self

    def choices(self) -> list[dict[str, Any]]:
        """Return the schemas of the types that a value can have, without null; none where there is one type."""
        return [choice for choice in self._node.get("anyOf", ()) if choice.get("type") != "null"]

    def _at(self, node: dict[str, Any]) -> _Schema:
        return _Schema(self._root, node)
