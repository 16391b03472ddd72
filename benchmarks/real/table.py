"""What a section found, as JSON; the tables of RESULTS.md and the page REAL.md are written from it."""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.report import Report
from shortlist.metrics.significance import Estimate, bootstrap

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
import results  # noqa: E402 - the writer of RESULTS.md is beside this folder

KEPT = HERE.parent / ".real"
PAGE = HERE.parent / "REAL.md"
PICTURE = HERE.parent / "real.svg"
Bounds = tuple[float, float, float]
"""A value, and both ends of its interval."""


@dataclass
class Headline:
    """The line of a section on the page: one number of ours against the best peer.

    Attributes
    ----------
    setting, data, metric
        What is compared, on which data set, by which metric.
    ours, peer
        (value, low, high) of both.
    peer_name
        The best peer.
    difference
        The paired difference (value, low, high); empty where there is none.
    sentence
        What it means, in one sentence.
    """

    setting: str
    data: str
    metric: str
    ours: Bounds
    peer: Bounds
    peer_name: str
    difference: Bounds | tuple[()] = ()
    sentence: str = ""


@dataclass
class Section:
    """The results of one setting: lines of Markdown, and headlines for the page."""

    name: str
    lines: list[str] = field(default_factory=list)
    headlines: list[Headline] = field(default_factory=list)
    seconds: float = 0.0

    def write(self) -> None:
        """Keep the section, and rewrite RESULTS.md and the page from all that are kept."""
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table in Markdown."""
    return [
        f"| {' | '.join(head)} |",
        "|" + " --- |" * len(head),
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
        "",
    ]


def interval(estimate: Any, digits: int = 4) -> str:
    """A number with its interval."""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} – {estimate.high:.{digits}f})"


def compared(
    report: Report, facts: Mapping[str, Mapping[str, Any]], metrics: Sequence[str] = ("recall",)
) -> list[str]:
    """The table of a report: the main metric with its interval, the paired difference of the first, settings and CPU time."""
    k, rows = report.k, []
    for name, found in report.metrics.items():
        difference = report.differences.get(name)
        gap = ""
        if difference is not None:
            share = difference.value / max(found[report.main_metric].value, 1e-12)
            gap = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}), {share:+.0%}"
        about = facts.get(name, {})
        rows.append(
            [
                name,
                interval(found[report.main_metric]),
                *(f"{found[f'{m}@{k}'].value:.4f}" for m in metrics),
                gap,
                settings_of(about),
                f"{about['seconds']:.0f} s" if "seconds" in about else "",
            ]
        )
    first = next(iter(report.metrics))
    head = [
        "",
        f"{report.main_metric} (95 %)",
        *(f"{m}@{k}" for m in metrics),
        f"{first} minus it",
        "settings",
        "CPU",
    ]
    return table(head, rows)


def settings_of(about: Mapping[str, Any]) -> str:
    """The settings that a peer has chosen, and how many were tried."""
    chosen = ", ".join(f"{name} {value}" for name, value in about.get("settings", {}).items())
    trials = about.get("trials", 1)
    return f"{chosen} (of {trials})" if trials > 1 else chosen


def best_peer(report: Report, ours: Sequence[str]) -> str:
    """The name of the recommender with the highest main metric that is not ours."""
    others = {name: m[report.main_metric].value for name, m in report.metrics.items() if name not in ours}
    return max(others, key=lambda name: others[name])


def headline(report: Report, setting: str, data: str, sentence: str, ours: Sequence[str]) -> Headline:
    """The line of the page for a report whose first recommender is ours."""
    first, other = next(iter(report.metrics)), best_peer(report, ours)
    a, b, d = (
        report.metrics[first][report.main_metric],
        report.metrics[other][report.main_metric],
        report.differences[other],
    )
    return Headline(setting, data, report.main_metric, bounds(a), bounds(b), other, bounds(d), sentence)


def against_best(
    found: Mapping[str, NDArray[np.float64]], ours: str, peers: Iterable[str]
) -> tuple[Bounds, Bounds, str, Bounds]:
    """Our mean, that of the best peer, its name, and the paired difference, as the fields of `Headline`; `found` has paired values by name."""
    best = max(peers, key=lambda name: found[name].mean())
    a, b, d = (
        bounds(bootstrap(values, 1_000, 0))
        for values in (found[ours], found[best], found[ours] - found[best])
    )
    return a, b, best, d


def bounds(estimate: Estimate) -> Bounds:
    """The value of an estimate, and both ends of its interval."""
    return estimate.value, estimate.low, estimate.high


# ------------------------------------------------------------------ the pages


def write_all(order: Sequence[str]) -> None:
    """Write the part of RESULTS.md, the page and its picture from the sections that are kept."""
    found = [json.loads(path.read_text()) for name in order if (path := KEPT / f"{name}.json").exists()]
    lines = [
        "# Real logs",
        "",
        "Written by `make benchmark-real`. " + results.machine("shortlist", "xgboost-cpu", "numpy"),
        "",
    ]
    lines += [PROTOCOL, ""]
    for section in found:
        lines += [*section["lines"], f"CPU time of the section: {section['seconds'] / 60:.1f} minutes.", ""]
    results.write("real", lines)
    headlines = [Headline(**line) for section in found for line in section["headlines"]]
    if headlines:
        PICTURE.write_text(picture(headlines), encoding="utf-8")
        PAGE.write_text("\n".join(page(headlines)), encoding="utf-8")


PROTOCOL = (
    "Training is everything before one moment, the test is what followed. Settings of all recommenders are chosen on the period before the "
    "test, and the test is read once. All lists are judged by `shortlist.evaluate(recommendations=…)`: whole catalogue, intervals by "
    "bootstrap over users, paired differences. CPU time includes the choice of settings of the peers. The peers: implicit's ALS and item "
    "neighbours, RecTools' EASE, LightFM, and LambdaMART of XGBoost and LightGBM on candidates of ALS, neighbours, popular items and the own "
    "past, with some thirty features of the same columns."
)


def page(headlines: Sequence[Headline]) -> list[str]:
    """REAL.md: one picture, one table, one sentence a setting."""
    rows = []
    for line in headlines:
        gap = ""
        if line.difference:
            value, low, high = line.difference
            gap = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
        ours, peer = (f"{v[0]:.4f} ({v[1]:.4f} – {v[2]:.4f})" for v in (line.ours, line.peer))
        rows.append([line.setting, line.data, line.metric, ours, f"{line.peer_name}: {peer}", gap])
    head = ["setting", "data", "metric", "Shortlist (95 %)", "best other", "difference"]
    sentences = [f"- **{line.setting}**, {line.data}: {line.sentence}" for line in headlines]
    return [
        "# On real logs",
        "",
        "Written by `make benchmark-real`; all recommenders and their settings are in [RESULTS.md](RESULTS.md).",
        "",
        f"![Shortlist and the best other library on each data set]({PICTURE.name})",
        "",
        *table(head, rows),
        *sentences,
        "",
    ]


def picture(headlines: Sequence[Headline]) -> str:
    """Two bars a data set with their intervals, each pair on a scale of its own."""
    width, left, row, bar = 1040, 380, 58, 16
    parts = []
    for number, line in enumerate(headlines):
        top = number * row + 12
        scale = 340 / max(line.ours[2], line.peer[2], 1e-12)
        parts.append(_text(8, top + 14, f"{line.setting}: {line.data}", "bold"))
        parts.append(_text(8, top + 31, line.metric))
        for place, (name, value, colour) in enumerate(
            (("Shortlist", line.ours, "#2563eb"), (line.peer_name, line.peer, "#94a3b8"))
        ):
            y = top + place * (bar + 4)
            parts.append(
                f'<rect x="{left}" y="{y}" width="{value[0] * scale:.1f}" height="{bar}" rx="2" fill="{colour}"/>'
            )
            ends = f"M{left + value[1] * scale:.1f} {y + bar / 2}H{left + value[2] * scale:.1f}"
            parts.append(f'<path d="{ends}" stroke="#0f172a" stroke-width="1.5"/>')
            parts.append(_text(left + value[2] * scale + 6, y + 12, f"{value[0]:.3f} {name}"))
    height = len(headlines) * row + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12"><rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _text(x: float, y: float, content: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="#0f172a">{html.escape(content)}</text>'
    )
