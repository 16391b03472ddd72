"""What an evaluation measured: metrics of several recommenders, comparisons, warnings and leaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shortlist.cascade.rerank_cost import RerankCost
from shortlist.evaluate.leaks import Leak
from shortlist.evaluate.reliability import Reliability
from shortlist.evaluate.shown.judgement import ShownResult
from shortlist.evaluate.slices import Slice
from shortlist.metrics.significance import Comparison, Estimate


@dataclass(repr=False)
class EvaluationResult:
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
