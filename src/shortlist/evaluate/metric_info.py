"""Descriptions of the metrics: what each measures, and what it does not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricInfo:
    """The description of a metric for readers of a report.

    Attributes
    ----------
    name : str
        The name without `@k`.
    better : {"up", "down", "neither"}
        Which direction is better; "neither" if a larger value is not better by itself.
    question : str
        The question that the metric answers.
    blind_spot : str
        What the metric does not show; it continues the words "does not show".
    """

    name: str
    better: Literal["up", "down", "neither"]
    question: str
    blind_spot: str


METRICS = {
    info.name: info
    for info in (
        MetricInfo("ndcg", "up", "Are relevant items near the top?", "whether a missed item was ever seen"),
        MetricInfo("graded_ndcg", "up", "Are the best items near the top?", "how much one grade is worth"),
        MetricInfo(
            "utility_ndcg",
            "up",
            "Is what brought the most utility, as the project weighs it, near the top?",
            "what an item that was never shown would have brought",
        ),
        MetricInfo("recall", "up", "Which share of the relevant items is on the slate?", "their positions"),
        MetricInfo(
            "debiased_recall",
            "up",
            "Recall in which rare items count more (Steck 2011).",
            "whether people want rare items",
        ),
        MetricInfo(
            "precision",
            "up",
            "Which share of the slate is relevant?",
            "that few relevant items limit the value",
        ),
        MetricInfo(
            "hit_rate",
            "up",
            "Is any relevant item on the slate?",
            "the number of hits and their positions",
        ),
        MetricInfo("map", "up", "Average precision over the hits.", "that one item can change it a lot"),
        MetricInfo("mrr", "up", "How early is the first hit?", "hits after the first"),
        MetricInfo("novelty", "neither", "How unknown are the items, in bits?", "whether people want them"),
        MetricInfo(
            "surprise",
            "neither",
            "How different are the items from the history?",
            "whether the difference is welcome",
        ),
        MetricInfo(
            "diversity",
            "neither",
            "How different are the items of a slate from each other?",
            "whether people want variety",
        ),
        MetricInfo(
            "miscalibration",
            "down",
            "How far are genre shares from those of the history?",
            "quality within a genre",
        ),
        MetricInfo(
            "coverage",
            "up",
            "Which share of the catalogue is shown at all?",
            "how often each item is shown",
        ),
        MetricInfo(
            "gini",
            "down",
            "How unequal is the exposure of items?",
            "whether much-shown items deserve it",
        ),
        MetricInfo(
            "provider_gini",
            "down",
            "How unequal is the exposure of providers?",
            "how many items each provider offers",
        ),
        MetricInfo(
            "popularity_lift",
            "neither",
            "How much more popular are the items than the history?",
            "people with uncommon tastes",
        ),
        MetricInfo(
            "freshness",
            "neither",
            "Which share of the positions goes to new items?",
            "the quality of the new items",
        ),
        MetricInfo(
            "true",
            "up",
            "The true value of a shown item, known only in a simulated world.",
            "anything beyond the simulated world",
        ),
    )
}


def metric_info(metric: str) -> MetricInfo:
    """Return the description of a metric such as `ndcg@10` or `true_seconds@10`."""
    plain = metric.partition("@")[0]
    return METRICS["true" if plain.startswith("true_") else plain]
