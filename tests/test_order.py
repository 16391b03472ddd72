"""The order of the tests: nothing is lost, and every worker begins with long files."""

from __future__ import annotations

import pytest

from support.order import LONGEST, longest_first
from support.paths import ROOT


@pytest.mark.parametrize("workers", [2, 3, 16])
def test_every_part_begins_with_its_share_of_the_longest_files(workers: int) -> None:
    tests = [(file, n) for file in sorted([*LONGEST, *"abcdefghij"]) for n in range(30)]
    ordered = longest_first(tests, lambda test: test[0], workers)
    assert sorted(ordered) == sorted(tests)
    starts = [ordered[len(tests) * worker // workers][0] for worker in range(min(workers, 3))]
    assert starts == list(LONGEST[: len(starts)]) or workers > len(LONGEST)


def test_the_longest_files_exist() -> None:
    assert [file for file in LONGEST if not (ROOT / "tests" / file).exists()] == []
