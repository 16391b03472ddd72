"""Where a number misleads: what a careful colleague would say on reading the report.

- **Simpson**: who wins overall loses in most slices of people (Simpson 1951). The mix of people decided, not the ranking.
- **popularity alone**: the gain is gone once the most popular items do not count as relevant.
- **disagreement**: another metric prefers another recommender, and both differences are clear.
- **no better than popular**: what everybody gets would do as well.
- **luck of the cut**: with several cuts in time, the winner changes.
"""

from __future__ import annotations

from shortlist.evaluate.measures import metric_info
from shortlist.evaluate.slices import Slice
from shortlist.metrics.significance import PairedMetrics, verdict

BASELINES = {"popular", "recent", "random"}


def find_warnings(
    measured: PairedMetrics,
    slices: list[Slice],
    metrics: list[str],
    main: str,
    own: str,
    by_cut: dict[str, list[float]] | None = None,
) -> list[str]:
    """What to know before believing the main metric. metrics: those measured over all; by_cut: the main metric of each
    recommender in each cut in time.
    """
    names = measured.names
    if len(names) < 2:
        return []
    mean = {n: measured.mean(n, main) for n in names}
    found = _simpson(measured, slices, own, main)
    found += _popularity_alone(measured, slices, own, main)
    found += _disagree(measured, max(names, key=lambda n: mean[n]), metrics, main)
    if "popular" in names and own != "popular":
        against = measured.compare([(own, "popular")], main)[0]
        if against.verdict != "better":
            found.append(
                f"{own} is not clearly better than showing everybody what is popular. {against.sentence()}"
            )
    if by_cut:
        winners = {max(by_cut, key=lambda n: by_cut[n][at]) for at in range(len(by_cut[own]))}
        if len(winners) > 1:
            found.append(
                f"The winner depends on when the log is cut: {', '.join(sorted(winners))} each win some of {len(by_cut[own])} cuts on {main}."
            )
    return found


def _simpson(measured: PairedMetrics, slices: list[Slice], own: str, main: str) -> list[str]:
    """For each dimension of people: who is clearly ahead overall, and behind in most slices, in some of them clearly."""
    found = []
    for dimension in dict.fromkeys(s.dimension for s in slices if s.of == "people"):
        parts = [s for s in slices if s.dimension == dimension]
        for other in measured.names:
            if other == own or len(parts) < 2:
                continue
            overall = measured.difference(own, other, main)
            if verdict(overall) == "can't tell":
                continue
            winner, loser = (own, other) if overall.value > 0 else (other, own)
            against = "worse" if winner == own else "better"
            lost = [s for s in parts if (s.ahead[other].value > 0) != (overall.value > 0)]
            if len(lost) * 2 > len(parts) and any(verdict(s.ahead[other]) == against for s in lost):
                found.append(
                    f"{winner} is ahead of {loser} on {main} overall ({measured.mean(winner, main):.4f} against "
                    f"{measured.mean(loser, main):.4f}) and behind in {len(lost)} of {len(parts)} slices by {dimension} "
                    f"({', '.join(s.name for s in lost)}): the mix of people decides here, not the ranking (Simpson's "
                    "paradox). Compare within the slices."
                )
    return found


def _popularity_alone(measured: PairedMetrics, slices: list[Slice], own: str, main: str) -> list[str]:
    parts = [s for s in slices if s.dimension == "popularity" and s.of == "items"]
    head = [s for s in parts if s.name.startswith("head")]
    rest = [s for s in parts if not s.name.startswith("head")]
    if not head or not rest:
        return []
    found = []
    for other in measured.names:
        if other == own:
            continue
        overall = measured.compare([(own, other)], main)[0]
        a, b = (own, other) if overall.verdict == "better" else (other, own)
        if overall.verdict == "can't tell" or other in BASELINES - {"popular"}:
            continue
        sign = 1 if a == own else -1
        in_head = sign * head[0].ahead[other].value
        elsewhere = [sign * s.ahead[other].value for s in rest]
        if in_head > 0 and max(elsewhere) <= 0:
            found.append(
                f"The gain of {a} over {b} comes from popularity alone: it is {in_head:+.4f} {main} on the most popular items, and "
                f"{', '.join(f'{v:+.4f} on the {s.name.split(chr(32))[0]}' for v, s in zip(elsewhere, rest, strict=True))}. "
                "What everybody takes anyway is found more often; nothing else is."
            )
    return found


def _disagree(measured: PairedMetrics, first: str, metrics: list[str], main: str) -> list[str]:
    """Metrics of accuracy, and a world's truth, that clearly prefer another than the main one does."""
    found = []
    for metric in metrics:
        if metric == main or metric_info(metric).better != "up" or metric.startswith("coverage"):
            continue
        second = max(measured.names, key=lambda n: measured.mean(n, metric))
        if second == first:
            continue
        by_main, by_other = (
            measured.difference(first, second, main),
            measured.difference(first, second, metric),
        )
        if verdict(by_main) == "better" and verdict(by_other) == "worse":
            found.append(
                f"{main} prefers {first}, {metric} prefers {second}, and both differences are clear "
                f"({by_main.value:+.4f} and {by_other.value:+.4f}). {main} hides {metric_info(main).blind_spot}; "
                f"{metric} hides {metric_info(metric).blind_spot}. Decide which one is wanted."
            )
    return found
