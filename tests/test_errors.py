"""Errors: one base class, suggestions, and the command that installs an optional library."""

from __future__ import annotations

import json

import pytest

from shortlist import errors


def test_all_errors_have_one_base_class() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
    ]
    assert len(classes) >= 9
    assert all(issubclass(cls, errors.ShortlistError) for cls in classes)
    error = errors.ProjectError("message", field="rank.trees")
    assert (str(error), error.message, error.field) == ("message", "message", "rank.trees")


def test_suggestions() -> None:
    assert errors.suggestion("factros", ["factors", "trees"]) == "; did you mean 'factors'?"
    assert errors.suggestion("x", ["factors"]) == ""


def test_an_optional_library() -> None:
    assert errors.import_extra("json", "frames") is json
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'shortlist\[tune\]'"):
        errors.import_extra("no_such_module", "tune")
