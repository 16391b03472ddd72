"""The sources of a project file."""

from __future__ import annotations

import pytest

from shortlist.config.retrieve import RetrieveSettings
from shortlist.errors import ProjectError
from shortlist.retrieve import make_retrievers


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"model": "magic"}, "there are: popular"),
        ({"model": "als", "factors": 0}, r"retrieve\.sources\.0\.factors"),
        ({"model": "als", "factros": 64}, r"factros: there is no such setting; did you mean 'factors'"),
    ],
)
def test_sources_are_checked(source: dict[str, object], words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        make_retrievers(RetrieveSettings(sources=[source]))
