"""The result of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.evaluate.comparison import ComparisonResult
from shortlist.evaluate.evaluation_result import EvaluationResult
from shortlist.evaluate.metric_info import metric_info
from shortlist.evaluate.verdict import verdict_of
from shortlist.metrics.significance import Estimate, verdict
from shortlist.report.document import Document, TableBlock, TableCell, TableRow, estimate_cell
from shortlist.report.render import render_fragment

ARROWS = {"up": " ↑", "down": " ↓", "neither": ""}
"""The direction in which a metric is better."""


@dataclass(repr=False)
class Report(EvaluationResult):
    """The result of an evaluation, in sentences, as a table and as JSON. The attributes are those of `EvaluationResult`."""

    def __repr__(self) -> str:
        main = self.metrics[self.subject][self.main_metric].value
        return (
            f"Report({self.name!r}: {self.subject} {self.main_metric} {main:.4f}, {len(self.metrics)} recommenders, "
            f"{self.facts.get('people', 0):,} people, {len(self.warnings)} warnings, {len(self.leaks)} leaks)"
        )

    def _repr_html_(self) -> str:
        table = metrics_table(self.metrics, self.subject, self.main_metric)
        return render_fragment(Document(self.name, [self.verdict()], [table], self.simulated))

    @classmethod
    def from_comparison(cls, result: ComparisonResult, subject: str, **facts: Any) -> Report:
        """Make a report from a comparison and further attributes."""
        cuts = result.by_cut if len(next(iter(result.by_cut.values()))) > 1 else {}
        return cls(
            metrics=result.metrics,
            differences=result.differences,
            subject=subject,
            comparisons=result.comparisons,
            weighed=result.weighed,
            slices=result.slices,
            warnings=result.warnings,
            cuts=cuts,
            **facts,
        )

    def verdict(self) -> str:
        """State the result in sentences: better, worse or undecided; for a simulated world also the true values."""
        return verdict_of(self)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        differences = {
            other: {**estimate.to_json(), "verdict": verdict(estimate)}
            for other, estimate in self.differences.items()
        }
        costs = {"rerank_prices": [cost.to_json() for cost in self.rerank_costs]} if self.rerank_costs else {}
        return {
            "name": self.name,
            "simulated": self.simulated,
            "facts": self.facts,
            "verdict": self.verdict(),
            "leaks": [leak.to_json() for leak in self.leaks],
            "cautions": self.warnings,
            "recommenders": {
                name: {metric: estimate.to_json() for metric, estimate in metrics.items()}
                for name, metrics in self.metrics.items()
            },
            "differences": {self.main_metric: differences},
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "weighed": [comparison.to_json() for comparison in self.weighed],
            "shown": None if self.shown is None else self.shown.to_json(),
            "slices": [part.to_json() for part in self.slices],
            "cuts": self.cuts,
            "importance": self.importance,
            "calibration": {name: r.to_json() for name, r in self.calibration.items()},
            **costs,
        }


def metrics_table(
    metrics: Mapping[str, Mapping[str, Estimate]], subject: str, main_metric: str
) -> TableBlock:
    """Make a table with a row for each metric and a column for each recommender."""
    rows = []
    for name in metrics[subject]:
        info = metric_info(name)
        cells = [
            estimate_cell(values[name], recommender == subject) for recommender, values in metrics.items()
        ]
        heading = TableCell(f"{name}{ARROWS[info.better]}", tooltip=info.question)
        rows.append(TableRow(heading, cells, highlighted=name == main_metric))
    return TableBlock(["", *metrics], rows, subject)
