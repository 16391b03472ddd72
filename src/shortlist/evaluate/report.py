"""The result of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shortlist.cascade.rerank_cost import RerankCost
from shortlist.evaluate.comparison import ComparisonResult
from shortlist.evaluate.leaks import Leak
from shortlist.evaluate.metric_info import metric_info
from shortlist.evaluate.reliability import Reliability
from shortlist.evaluate.shown.judgement import ShownResult
from shortlist.evaluate.slices import Slice
from shortlist.evaluate.verdict import verdict_of
from shortlist.metrics.significance import Comparison, Estimate, verdict
from shortlist.report.document import Document, TableBlock, TableCell, TableRow, estimate_cell
from shortlist.report.render import render_fragment

ARROWS = {"up": " ↑", "down": " ↓", "neither": ""}
"""The direction in which a metric is better."""


@dataclass
class Report:
    """Metrics of several recommenders on the same requests, with intervals, comparisons and warnings.

    Attributes
    ----------
    name : str
        The name of the project or of the evaluation.
    simulated : bool
        Whether the data come from a simulated world.
    k : int
        The length of the slates.
    facts : dict
        The conditions of the evaluation: numbers of people and items, protocol, times.
    metrics : dict of str to dict of str to Estimate
        `metrics[recommender][metric]`, with 95 % bootstrap intervals over people.
    differences : dict of str to Estimate
        `differences[other]`: `subject` minus the other recommender in the main metric.
    importance : dict
        `importance[objective][feature]`: the share of the gain of the ranker's trees.
    calibration : dict of str to Reliability
        Predictions against outcomes, for each objective.
    top_objective : str
        The objective with the greatest weight.
    subject : str
        The recommender that the others are compared with.
    main_metric : str
        The metric of the comparisons; default: `ndcg@k`.
    comparisons : list of Comparison
        `subject` against each other recommender, corrected for their number.
    weighed : list of Comparison
        The same in `utility_ndcg@k`, if the project weighs more than its relevant items.
    shown : ShownResult, optional
        `subject` against its baselines by the slates that were shown in the test, if any were logged.
    slices : list of Slice
        The main metric within groups of people and of items.
    warnings : list of str
        Where the numbers may mislead.
    leaks : list of Leak
        Information from the test that was available in training.
    cuts : dict of str to list of float
        The main metric of each recommender in each test period, with the protocol `rolling`.
    rerank_costs : list of RerankCost
        The cost of each part of the re-ranking in predicted utility.
    """

    name: str
    simulated: bool
    k: int
    facts: dict[str, Any]
    metrics: dict[str, dict[str, Estimate]]
    differences: dict[str, Estimate]
    importance: dict[str, dict[str, float]] = field(default_factory=dict)
    calibration: dict[str, Reliability] = field(default_factory=dict)
    top_objective: str = ""
    subject: str = "shortlist"
    main_metric: str = ""
    comparisons: list[Comparison] = field(default_factory=list)
    weighed: list[Comparison] = field(default_factory=list)
    shown: ShownResult | None = None
    slices: list[Slice] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    cuts: dict[str, list[float]] = field(default_factory=dict)
    rerank_costs: list[RerankCost] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.main_metric = self.main_metric or f"ndcg@{self.k}"

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

    @property
    def cautions(self) -> list[str]:
        """The warnings, by their name in the JSON."""
        return self.warnings

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
