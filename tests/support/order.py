"""The order in which several workers run the tests: each begins with its share of the files that take longest.

xdist's `worksteal` gives each worker one contiguous part of the list, and a worker that is done takes the last half of what another
one has left. Long files at the end of a part would be run when the others have nothing left to take. Files that share a process which
takes long to start, such as Spark's, stay together, so that one worker starts it and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

LONGEST: dict[tuple[str, ...], int] = {
    ("distributed/test_train.py", "distributed/test_trees.py", "distributed/test_audience.py", "evaluate/on_spark/test_job.py", "engines/test_spark.py"): 185,
    ("e2e/test_page.py", "e2e/test_views.py", "e2e/test_reports.py", "e2e/test_settings.py", "e2e/test_client.py"): 125,
    ("distributed/test_batch.py",): 75,
    ("ingest/test_kafka.py",): 70,
    ("docs/test_docs.py",): 30,
    ("test_recommender.py",): 30,
    ("docs/test_recipes.py",): 25,
    ("simulate/test_closed_loop.py",): 25,
    ("tuning/test_retraining.py",): 25,
    ("serve/test_kills.py",): 20,
    ("serve/test_remote_models.py",): 20,
    ("deploy/test_nginx.py",): 20,
    ("tuning/test_search.py",): 20,
    ("evaluate/test_protocols.py",): 20,
    ("evaluate/test_audit.py",): 20,
    ("docs/test_tutorials.py",): 15,
    ("docs/test_site.py",): 15,
    ("serve/test_any_request.py",): 15,
    ("cli/test_exports.py",): 15,
}  # fmt: skip
"""Files that take longest → seconds, roughly, on two cores. Those of one row share a process or a browser."""


def longest_first(tests: Sequence[T], file_of: Callable[[T], str], workers: int) -> list[T]:
    """Return the tests so that each of `workers` equal parts begins with its share of the longest files.

    Tests of one file stay together as far as the parts allow, since they share fixtures.
    """
    by_file: dict[str, list[T]] = {file: [] for files in LONGEST for file in files}
    others: list[T] = []
    for test in tests:
        by_file.get(file_of(test), others).append(test)
    ordered: list[T] = []
    for worker, files in enumerate(shares(workers)):
        part = [test for file in files for test in by_file[file]]
        end = len(tests) * (worker + 1) // workers - len(ordered) - len(part)
        if worker == workers - 1:
            end = len(others)
        ordered += part + others[: max(end, 0)]
        others = others[max(end, 0) :]
    return ordered


def shares(workers: int) -> list[list[str]]:
    """Divide the longest files among workers: the longest that is left goes to the worker that has the least to do."""
    found: list[list[str]] = [[] for _ in range(workers)]
    seconds = [0] * workers
    for files, took in sorted(LONGEST.items(), key=lambda row: -row[1]):
        least = seconds.index(min(seconds))
        found[least] += files
        seconds[least] += took
    return found
