"""Write a project file that explains itself.

Python reads TOML and does not write it; the few shapes a project has are written here, with comments that say what
happens in the reader's terms.
"""

from __future__ import annotations

import json
import re
from typing import Any

COMMENTS = {
    "data": "Where the tables are: .parquet, .csv, .tsv, .inter, a MovieLens folder, or a SQL query.\n# Relative names are relative to this file. `shortlist check` says what it finds in them.",
    "data.columns": "What the columns of the events are called. Only user and item are required.",
    "data.context": "Event columns that describe the moment; a request may send them too.",
    "items": "The items table. Kinds of attributes: number, category, list, text, time, embedding.",
    "users": "The users table.",
    "objectives": "What is wanted after an item is shown. probability: will it happen? amount: how much of it?\n# grade: how good, if it happens? Weights can be changed in each request, without training.",
    "features": "What the ranker sees of each candidate. The same declaration is SQL in training and counters when serving.\n# docs/features.md has an example of every kind.",
    "retrieve": "From the whole catalogue to some hundred candidates, from several sources at once.",
    "utility": "How objectives become one number: sum or product, and what a slate must keep to.",
    "rank": "Boosted trees with a head per objective, calibrated.",
    "rerank": "From candidates to a slate: diversity, freshness, how much of one provider.",
    "page": "A page of rows, from top to bottom: which kinds of rows, and how many of each at most.",
    "evaluate": "How the log is cut in time: past | ranker window | validation | test.",
}


def find_line(text: str, field: str) -> int | None:
    """The line, from 1, on which a setting such as `features.2.window` or `objectives.play.events` stands in TOML text;
    the line of its table, or of the nearest that holds it, where it has none of its own.
    """
    wanted = [part for part in field.split(".") if part]
    best, depth = None, 0
    table: list[str] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        match = re.match(r"\[(\[?)\s*([^\[\]]+?)\s*\]", stripped)
        if match:
            names = [part.strip().strip("\"'") for part in match.group(2).split(".")]
            path = ".".join(names)
            if match.group(1):
                counts[path] = counts.get(path, -1) + 1
            table = []
            for name in names:
                table.append(name)
                if ".".join(part for part in table if not part.isdigit()) in counts:
                    table.append(str(counts[".".join(part for part in table if not part.isdigit())]))
            here = table
        else:
            key = re.match(r"([\w.\-\"']+)\s*=", stripped)
            if not key:
                continue
            here = table + [part.strip("\"'") for part in key.group(1).split(".")]
        common = 0
        while common < min(len(here), len(wanted)) and here[common] == wanted[common]:
            common += 1
        if common == len(here) and common > depth:
            best, depth = number, common
        elif best is None and wanted and common == len(wanted):
            best = number  # the first of what belongs to it
    return best


def write_toml(settings: dict[str, Any], title: str) -> str:
    """TOML text of project settings, sections in the order of the data's way."""
    lines = [f"# {title}", "# Every setting left out has a default; see docs/project-file.md.", ""]
    lines += [
        f"{key} = {_value(value)}" for key, value in settings.items() if not isinstance(value, (dict, list))
    ]
    sections = [key for key, value in settings.items() if isinstance(value, (dict, list))]
    for key in [k for k in COMMENTS if k in sections] + [k for k in sections if k not in COMMENTS]:
        if settings[key]:
            _section(lines, key, settings[key])
    return "\n".join(lines) + "\n"


def _section(lines: list[str], name: str, value: Any) -> None:
    comment = COMMENTS.get(name)
    if isinstance(value, list):
        lines += ["", f"# {comment}"] if comment else [""]
        for entry in value:
            lines += [f"[[{name}]]", *(f"{_key(k)} = {_value(v)}" for k, v in entry.items()), ""]
        return
    plain = {k: v for k, v in value.items() if not isinstance(v, dict) and not _tables(v)}
    if comment:
        lines += ["", f"# {comment}"]
    if plain or not value:
        lines += [
            *([] if comment else [""]),
            f"[{name}]",
            *(f"{_key(k)} = {_value(v)}" for k, v in plain.items()),
        ]
    for key, inner in value.items():
        if key not in plain:
            _section(lines, f"{name}.{_key(key)}", inner)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    return json.dumps(str(value), ensure_ascii=False)
