"""Evaluations as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from shortlist.evaluate.metric_info import metric_info
from shortlist.evaluate.report import Report
from shortlist.evaluate.train_test import RetrieverReport

SHORT_NAMES = {
    "hit_rate": "hits",
    "novelty": "novel",
    "diversity": "div",
    "coverage": "cov",
    "popularity_lift": "lift",
}
USUAL = ("graded_ndcg", "recall", "mrr", "hit_rate", "novelty", "popularity_lift", "diversity", "coverage")
WITH_ONE_TRUE_VALUE = ("graded_ndcg", "recall", "hit_rate", "popularity_lift", "diversity", "coverage")
WITH_TRUE_VALUES = ("recall", "popularity_lift", "diversity", "coverage")


def evaluation_table(report: Report) -> Table:
    """Make a table with a row for each recommender; the best value of each column is bold."""
    table = Table(
        title=Text(
            f"{report.name}{' (simulated)' if report.simulated else ''}: "
            f"{report.facts['people']:,} people, slates of {report.k}"
        ),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption=Text(f"{_test_period(report)}95 % intervals by bootstrap"),
    )
    others = [name for name in report.metrics[report.subject] if name != report.main_metric]
    names = [report.main_metric, *_columns(others)]
    table.add_column("", no_wrap=True)
    table.add_column(Text(report.main_metric.partition("@")[0]), justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    for name in names[1:]:
        table.add_column(Text(_short_name(name)), justify="right", no_wrap=True)
    best = {
        name: max(metrics[name].value for metrics in report.metrics.values())
        for name in names
        if metric_info(name).better == "up"
    }
    for recommender, metrics in report.metrics.items():
        cells = []
        for name in names:
            value = metrics[name].value
            text = f"{value:.1f}" if name.startswith("novelty") or abs(value) >= 10 else _short(value)
            cells.append(Text(text, "bold" if best.get(name) == value else ""))
        main = metrics[report.main_metric]
        cells.insert(1, Text(f"{_short(main.low)}-{_short(main.high)}"))
        table.add_row(Text(recommender, "bold" if recommender == report.subject else ""), *cells)
    return table


def retriever_tables(report: RetrieverReport, test: str) -> Iterator[Table | Text]:
    """Yield the metrics, the choice of `auto`, times and memory, and warnings of a retriever on a test table."""
    table = Table(
        title=Text(f"{report.retriever} on {test}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    for title in ("metric", "value", "95 %"):
        table.add_column(title, justify="left" if title == "metric" else "right")
    for name, e in report.metrics.items():
        table.add_row(Text(name), f"{e.value:.4f}", f"{e.low:.4f}-{e.high:.4f}")
    yield table
    if report.choice is not None:
        yield Text(report.choice.sentence())
    yield Text(
        f"fit {report.fit_seconds:.1f} s · lists for all {report.recommend_seconds:.1f} s · "
        f"one history {report.one_history_ms:.2f} ms · peak {report.peak_memory_mb:,.0f} MB"
    )
    facts = report.facts
    people, items = facts["test_users_unknown_to_train"], facts["test_items_unknown_to_train"]
    if people or items:
        yield Text(
            f"{people:,} people of the test have no history and get popular items; {items:,} items of the test "
            "are not in the training table and count as misses",
            "dim",
        )
    if facts["test_pairs_already_in_train"]:
        yield Text(
            f"{facts['test_pairs_already_in_train']:,} pairs of the test are in the training table too: they "
            "are never recommended and count as misses",
            "yellow",
        )


def tables_summary(facts: dict[str, Any]) -> Text:
    """Return a line about the sizes of a training table and a test table, and one about rows that are not used."""
    aside = ", ".join(f"{count:,} {reason}" for reason, count in facts["train_set_aside"].items())
    return Text(
        f"{facts['train_events']:,} events of {facts['train_users']:,} people on {facts['items']:,} items; "
        f"test: {facts['test_pairs']:,} pairs of {facts['test_users']:,} people"
        + (f"\nset aside in the training table: {aside}" if aside else ""),
        "dim",
    )


def _test_period(report: Report) -> str:
    return f"test from {report.facts['test_from']} on; " if "test_from" in report.facts else ""


def _columns(names: list[str]) -> list[str]:
    """The metrics that fit the width; the page has all of them."""
    true = [name for name in names if name.startswith("true_")]
    usual = USUAL if not true else WITH_ONE_TRUE_VALUE if len(true) == 1 else WITH_TRUE_VALUES
    return [name for name in names if name.partition("@")[0] in usual] + true[:2]


def _short_name(name: str) -> str:
    plain = name.partition("@")[0]
    if plain.startswith("true_"):
        return f"TRUE {plain[5:]}"
    return SHORT_NAMES.get(plain, plain)


def _short(value: float) -> str:
    """Format a share with three digits and without the zero in front: ".039"."""
    if value != value:
        return "-"
    return f"{value:.3f}".replace("0.", ".", 1)[:4] if value < 1 else f"{value:.2f}"
