"""Write benchmarks/RESULTS.md: each benchmark replaces its own section."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

PATH = Path(__file__).parent / "RESULTS.md"
HEAD = "# Results\n\nEach section is written by the command that it names. Times are wall times of whole processes on a shared machine, and medians if several runs are stated.\n"


def write(part: str, lines: list[str]) -> None:
    """Replace one section of RESULTS.md, or append it."""
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else HEAD
    if "<!-- " not in text:
        text = HEAD
    block = f"<!-- {part} -->\n" + "\n".join(lines).strip() + f"\n<!-- end of {part} -->\n"
    pattern = re.compile(f"<!-- {part} -->.*?<!-- end of {part} -->\n", re.DOTALL)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}"
    PATH.write_text(text, encoding="utf-8")


def rows(part: str) -> list[str]:
    """Return the rows of the table of a section that is there, without its head."""
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else ""
    found = re.search(f"<!-- {part} -->(.*?)<!-- end of {part} -->", text, re.DOTALL)
    return [line for line in (found[1] if found else "").splitlines() if line.startswith("| ")][2:]


def machine(*names: str) -> str:
    """Describe the machine, Python, and the versions of packages."""
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in names)
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {versions}."
