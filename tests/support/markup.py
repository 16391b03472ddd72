"""A strict check of HTML: tags are closed in order; attributes are quoted, known and unique; class names are plain."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link"}
ATTRIBUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*\Z")
CLASS_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")
QUOTED = re.compile(r'<[a-zA-Z][a-zA-Z0-9]*(\s+[a-zA-Z][a-zA-Z0-9-]*="[^"<>]*")*\s*/?>\Z')


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        written = self.get_starttag_text() or ""
        assert QUOTED.match(written), f'attributes must be name="value": {written}'
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names), f"an attribute occurs twice: {written}"
        for name, value in attributes:
            assert ATTRIBUTE.match(name), f"not an attribute name: {name!r} in {written}"
            if name == "class":
                for part in (value or "").split(" "):
                    assert CLASS_NAME.match(part), f"not a class name: {part!r} in {written}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"


def check_markup(markup: str) -> None:
    """Raise `AssertionError` if the markup is not well-formed."""
    checker = _Checker()
    checker.feed(markup)
    checker.close()
    assert not checker.open, f"never closed: {checker.open}"
