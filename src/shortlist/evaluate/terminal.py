"""What `shortlist evaluate --train --test` says in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

from shortlist.evaluate.train_test import RetrieverReport


def data_line(facts: dict[str, Any]) -> str:
    return (
        f"[dim]{facts['train_events']:,} events of {facts['train_users']:,} people on {facts['items']:,} items; "
        f"test: {facts['test_pairs']:,} pairs of {facts['test_users']:,} people[/]"
    )


def result(report: RetrieverReport, test: str) -> Iterator[Table | str]:
    """The metrics, what was chosen and why, what it cost, and what the numbers hide."""
    table = Table(
        title=f"{report.retriever} on {test}", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False
    )
    for title in ("metric", "value", "95 %"):
        table.add_column(title, justify="left" if title == "metric" else "right")
    for name, e in report.metrics.items():
        table.add_row(name, f"{e.value:.4f}", f"{e.low:.4f}-{e.high:.4f}")
    yield table
    if report.choice is not None:
        yield report.choice.sentence()
    yield (
        f"fit {report.fit_seconds:.1f} s · lists for all {report.recommend_seconds:.1f} s · "
        f"one history {report.one_history_ms:.2f} ms · peak {report.peak_memory_mb:,.0f} MB"
    )
    facts = report.facts
    people, items = facts["test_users_unknown_to_train"], facts["test_items_unknown_to_train"]
    if people or items:
        yield (
            f"[dim]{people:,} people of the test have no history and were given popular items; {items:,} of its items "
            "are not in the training table and count as missed[/]"
        )
    if facts["test_pairs_already_in_train"]:
        yield (
            f"[yellow]{facts['test_pairs_already_in_train']:,} pairs of the test are in the training table too: they are "
            "never recommended and count as missed[/]"
        )
