"""The order of the tests: nothing is lost, and every worker begins with long files."""

from __future__ import annotations

import pytest

from support.order import LONGEST, longest_first, shares
from support.paths import ROOT

FILES = [file for files in LONGEST for file in files]


@pytest.mark.parametrize("workers", [2, 3, 16])
def test_every_part_begins_with_its_share_of_the_longest_files(workers: int) -> None:
    tests = [(file, n) for file in sorted([*FILES, *"abcdefghij"]) for n in range(30)]
    ordered = longest_first(tests, lambda test: test[0], workers)
    assert sorted(ordered) == sorted(tests)
    if workers < 16:  # otherwise parts are shorter than the files of one worker
        starts = [ordered[len(tests) * worker // workers][0] for worker in range(workers)]
        assert starts == [files[0] for files in shares(workers)]


def test_the_longest_files_are_divided_by_their_seconds_and_stay_with_those_they_share_a_process_with() -> (
    None
):
    found = shares(3)
    assert sorted(file for files in found for file in files) == sorted(FILES)
    for row in LONGEST:
        assert [row[0] in files for files in found] == [set(row) <= set(files) for files in found]
    took = [sum(s for row, s in LONGEST.items() if row[0] in files) for files in found]
    assert max(took) - min(took) <= min(LONGEST.values())


def test_the_longest_files_exist() -> None:
    assert [file for file in FILES if not (ROOT / "tests" / file).exists()] == []
