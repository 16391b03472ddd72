"""Warnings: where the main metric may mislead.

- **Simpson's paradox** (Simpson 1951): the overall winner loses in most slices of people, so that the mix of people
  decides and not the ranking.
- **Popularity alone**: the gain vanishes once the most popular items do not count as relevant.
- **Disagreement**: another metric significantly prefers another recommender.
- **Not better than popular**: a list that is the same for everybody does as well.
- **Unstable over time**: with several test periods, the winner changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortlist.evaluate.metric_info import metric_info
from shortlist.evaluate.policies import POPULAR_OF_WINDOW
from shortlist.evaluate.slices import Slice
from shortlist.metrics.significance import PairedMetrics, verdict

POPULAR = {"popular": "popular items", POPULAR_OF_WINDOW: "items that were popular in the last seven days"}
"""The baselines of popular items, and what their lists contain."""
BASELINES = {*POPULAR, "recent", "random"}
NOT_BETTER_THAN_POPULAR = "is not significantly better than a list of"


def find_warnings(
    measured: PairedMetrics,
    slices: Sequence[Slice],
    metrics: Sequence[str],
    main: str,
    subject: str,
    by_cut: Mapping[str, Sequence[float]] | None = None,
) -> list[str]:
    """Return a sentence for each reason to doubt the main metric.

    Parameters
    ----------
    measured : PairedMetrics
        The metrics of each recommender for the same people.
    slices : sequence of Slice
        The main metric within groups.
    metrics : sequence of str
        The names of the metrics over all people and items.
    main : str
        The main metric.
    subject : str
        The recommender that the others are compared with.
    by_cut : mapping of str to sequence of float, optional
        The main metric of each recommender in each test period.
    """
    names = measured.names
    if len(names) < 2:
        return []
    first = max(names, key=lambda name: measured.mean(name, main))
    found = _simpson(measured, slices, subject, main)
    found += _popularity_alone(measured, slices, subject, main)
    found += _disagreement(measured, first, metrics, main)
    for popular in [name for name in POPULAR if name in names and name != subject]:
        comparison = measured.compare([(subject, popular)], main)[0]
        if comparison.verdict != "better":
            found.append(
                f"{subject} {NOT_BETTER_THAN_POPULAR} {POPULAR[popular]} that is the same for everybody. {comparison.sentence()}"
            )
    if by_cut:
        periods = len(by_cut[subject])
        winners = {_winner(by_cut, period) for period in range(periods)}
        if len(winners) > 1:
            found.append(
                f"The winner depends on the test period: {', '.join(sorted(winners))} each win some of {periods} "
                f"periods on {main}."
            )
    return found


def _winner(by_cut: Mapping[str, Sequence[float]], period: int) -> str:
    values = {name: line[period] for name, line in by_cut.items()}
    return max(values, key=values.__getitem__)


def _simpson(measured: PairedMetrics, slices: Sequence[Slice], subject: str, main: str) -> list[str]:
    """Recommenders that win overall and lose in most slices of a dimension of people, in one of them significantly."""
    found = []
    for dimension in dict.fromkeys(part.dimension for part in slices if part.of == "people"):
        parts = [part for part in slices if part.dimension == dimension]
        for other in measured.names:
            if other == subject or len(parts) < 2:
                continue
            overall = measured.difference(subject, other, main)
            if verdict(overall) == "can't tell":
                continue
            winner, loser = (subject, other) if overall.value > 0 else (other, subject)
            reverse = "worse" if winner == subject else "better"
            lost = [part for part in parts if (part.ahead[other].value > 0) != (overall.value > 0)]
            if len(lost) * 2 > len(parts) and any(verdict(part.ahead[other]) == reverse for part in lost):
                found.append(
                    f"{winner} is ahead of {loser} on {main} overall ({measured.mean(winner, main):.4f} against "
                    f"{measured.mean(loser, main):.4f}) and behind in {len(lost)} of {len(parts)} slices by {dimension} "
                    f"({', '.join(part.name for part in lost)}): the mix of people decides, not the ranking (Simpson's "
                    "paradox). Compare within the slices."
                )
    return found


def _popularity_alone(measured: PairedMetrics, slices: Sequence[Slice], subject: str, main: str) -> list[str]:
    parts = [part for part in slices if part.dimension == "popularity" and part.of == "items"]
    head = [part for part in parts if part.name.startswith("head")]
    rest = [part for part in parts if not part.name.startswith("head")]
    if not head or not rest:
        return []
    found = []
    for other in measured.names:
        if other == subject or other in BASELINES - set(POPULAR):
            continue
        overall = measured.compare([(subject, other)], main)[0].simultaneous
        if verdict(overall) == "can't tell":
            continue
        a, b = (subject, other) if overall.low > 0 else (other, subject)
        sign = 1 if a == subject else -1
        in_head = sign * head[0].ahead[other].value
        elsewhere = {part.name.split(" ")[0]: sign * part.ahead[other].value for part in rest}
        if in_head > 0 and max(elsewhere.values()) <= 0:
            values = ", ".join(f"{value:+.4f} on the {name}" for name, value in elsewhere.items())
            found.append(
                f"The gain of {a} over {b} comes from popularity alone: it is {in_head:+.4f} {main} on the most popular "
                f"items, and {values}. More of the popular items are found, and no more of the others."
            )
    return found


def _disagreement(measured: PairedMetrics, first: str, metrics: Sequence[str], main: str) -> list[str]:
    """Accuracy metrics and true values that significantly prefer another recommender than the main metric does."""
    found = []
    for metric in metrics:
        if metric == main or metric_info(metric).better != "up" or metric.startswith("coverage"):
            continue
        means = {name: measured.mean(name, metric) for name in measured.names}
        second = max(means, key=means.__getitem__)
        if second == first:
            continue
        by_main, by_other = (measured.difference(first, second, m) for m in (main, metric))
        if verdict(by_main) == "better" and verdict(by_other) == "worse":
            found.append(
                f"{main} prefers {first}, {metric} prefers {second}, and both differences are significant "
                f"({by_main.value:+.4f} and {by_other.value:+.4f}). {main} does not show "
                f"{metric_info(main).blind_spot}; {metric} does not show {metric_info(metric).blind_spot}. Decide which "
                "of the two matters."
            )
    return found
