"""Objectives that cannot be trained are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from shortlist.config.project import parse_project
from shortlist.errors import ProjectError


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        ({"a": {"events": ["e"], "given": "b"}}, "must be another objective of kind probability"),
        (
            {"a": {"events": ["e"], "given": "b"}, "b": {"events": ["e"], "given": "a"}},
            "circular dependency: a → b → a",
        ),
        (
            {"a": {"events": ["e"]}, "b": {"events": ["e"], "kind": "amount", "given": "a"}},
            "given requires kind = 'probability'",
        ),
        ({"a": {"events": ["e"], "loss": "tweedie"}}, "is not for a probability"),
        ({"a": {"events": ["e"], "weight": 0}}, "every objective has weight 0"),
    ],
)
def test_impossible_objectives(objectives: dict[str, Any], message: str) -> None:
    with pytest.raises(ProjectError) as error:
        parse_project({"objectives": objectives})
    assert message in str(error.value)
