"""The order in which several workers run the tests: each begins with some of the files that take longest.

xdist's `worksteal` gives each worker one contiguous part of the list, and a worker that is done takes the last half of what another
one has left. Long files at the end of a part would be run when the others have nothing left to take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

LONGEST = (
    "docs/test_recipes.py",
    "docs/test_docs.py",
    "e2e/test_page.py",
    "e2e/test_views.py",
    "tuning/test_retraining.py",
    "simulate/test_closed_loop.py",
    "test_recommender.py",
    "evaluate/test_protocols.py",
    "tuning/test_search.py",
    "serve/test_remote_models.py",
    "docs/test_site.py",
    "e2e/test_reports.py",
    "engines/test_spark.py",
    "evaluate/test_audit.py",
    "serve/test_kills.py",
)
"""The files that take longest."""


def longest_first(tests: Sequence[T], file_of: Callable[[T], str], workers: int) -> list[T]:
    """Return the tests so that each of `workers` equal parts begins with its share of the longest files.

    Tests of one file stay together as far as the parts allow, since they share fixtures.
    """
    by_file: dict[str, list[T]] = {file: [] for file in LONGEST}
    others: list[T] = []
    for test in tests:
        by_file.get(file_of(test), others).append(test)
    ordered: list[T] = []
    for worker in range(workers):
        part = [test for file in LONGEST[worker::workers] for test in by_file[file]]
        end = len(tests) * (worker + 1) // workers - len(ordered) - len(part)
        if worker == workers - 1:
            end = len(others)
        ordered += part + others[: max(end, 0)]
        others = others[max(end, 0) :]
    return ordered
