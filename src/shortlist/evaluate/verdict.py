"""The result of an evaluation in sentences: what the project asks for first, then what the log alone would say.

A project weighs objectives, and a log shows what one engine chose to show. So the verdict leads with the utility as the project
weighs it: by what was shown where slates were logged, else by the NDCG whose gains are utilities. The NDCG of the relevant
items comes after it, with what it leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.evaluate.evaluation_result import EvaluationResult
from shortlist.evaluate.shown.judgement import Way
from shortlist.metrics.significance import Comparison

LEADS = {"better": "better than", "worse": "worse than", "can't tell": "not significantly different from"}
FOLLOWS = {"better": "higher than", "worse": "lower than", "can't tell": "not significantly different from"}
"""For a metric that does not decide."""
BY_WAY: dict[Way, tuple[str, dict[str, str]]] = {
    "chance": (
        "estimated from the chances with which the slates of the log were drawn, the slates of {} bring",
        {"better": "more than", "worse": "less than", "can't tell": "as much, as far as can be told, as"},
    ),
    "order": (
        "among the items that were shown, the order of {} brings",
        {"better": "more than", "worse": "less than", "can't tell": "as much, as far as can be told, as"},
    ),
}


def verdict_of(report: EvaluationResult) -> str:
    """State whether the subject of a report is better, worse or undecided; for a simulated world also the true values."""
    doubt = _doubt(report)
    if not report.comparisons:
        main = report.metrics[report.subject][report.main_metric]
        return (
            f"{doubt}{report.subject} reaches {report.main_metric} {main.value:.4f} ({main.low:.4f} to {main.high:.4f}). "
            "There is no recommender to compare it with: add a baseline."
        )
    lead = _by_shown(report) or _by_utility(report)
    words = FOLLOWS if lead and (report.shown or report.weighed) else LEADS
    return (
        f"{doubt}{lead}{_result(report.subject, report.comparisons, report.main_metric, words)}{_not_weighed(report)}"
        f"{_people_needed(report.comparisons)}{_spread(report)}{_true_values(report)}{_exposure(report)}"
    )


def _doubt(report: EvaluationResult) -> str:
    """Say that there are leaks, before the verdict; they are described beside it."""
    if not report.leaks:
        return ""
    first, more = report.leaks[0], len(report.leaks) - 1
    others = f", and {more} more" if more else ""
    return f"Do not trust these numbers yet: a leak was found ({first.name}: {first.where}{others}). "


def _result(subject: str, comparisons: Sequence[Comparison], metric: str, words: dict[str, str]) -> str:
    """The outcome of a family of comparisons, as one sentence."""
    by_result: dict[str, list[str]] = {}
    for comparison in comparisons:
        by_result.setdefault(comparison.verdict, []).append(comparison.b)
    parts = [f"{words[result]} {', '.join(by_result[result])}" for result in words if result in by_result]
    intervals = "simultaneous intervals of the differences" if len(comparisons) > 1 else "interval"
    return (
        f"On {metric}, {subject} is {'; '.join(parts)} (95 % {intervals}, {comparisons[0].people:,} people)."
    )


def _weights(report: EvaluationResult) -> str:
    weighed = report.facts.get("weighed")
    if not weighed:
        return f"The project asks for {report.facts['relevant']}. "
    return f"The project weighs {', '.join(f'{name} {weight:g}' for name, weight in weighed.items())}. "


def _by_shown(report: EvaluationResult) -> str:
    """The comparison that decides where slates were logged; empty otherwise."""
    shown = report.shown
    if shown is None:
        return ""
    found: dict[tuple[Way, str], list[str]] = {}
    for one in shown.order.comparisons:
        judgement, decisive = shown.decides(one.b)
        unit = max(abs(judgement.values[one.b]), 1e-12)
        share = f"{one.b} ({decisive.difference.value / unit:+.0%})"
        found.setdefault((judgement.way, decisive.verdict), []).append(share)
    sentences = []
    for way, (begin, words) in BY_WAY.items():
        parts = [
            f"{word} {', '.join(found[way, result])}"
            for result, word in words.items()
            if (way, result) in found
        ]
        if parts:
            sentences.append(f"{begin.format(report.subject)} {'; '.join(parts)}")
    slates, people = shown.order.slates, shown.order.people
    return f"{_weights(report)}By that utility, {'; '.join(sentences)} ({slates:,} slates of {people:,} people). "


def _by_utility(report: EvaluationResult) -> str:
    """The weighed outcomes of the project, which come before relevance; empty if both are the same."""
    if not report.facts.get("weighed"):
        return ""
    if not report.weighed:
        return f"{_weights(report)}This evaluation has no metric of that, and judges {report.facts['relevant']} alone. "
    return f"{_weights(report)}{_result(report.subject, report.weighed, f'utility_ndcg@{report.k}', LEADS)} "


def _not_weighed(report: EvaluationResult) -> str:
    if not report.facts.get("weighed") or not (report.shown or report.weighed):
        return ""
    return f" This metric counts {report.facts['relevant']} alone, which is not what is weighed."


def _exposure(report: EvaluationResult) -> str:
    if not report.facts.get("logged_slates"):
        return ""
    return (
        " People could only take what the engine of this log had shown them, so metrics of what they took favour recommenders "
        "that show the same items; an experiment, or exploration with logged propensities, decides."
    )


def _people_needed(comparisons: Sequence[Comparison]) -> str:
    undecided = [c for c in comparisons if c.verdict == "can't tell" and c.people_needed]
    if not undecided:
        return ""
    nearest = min(undecided, key=lambda c: c.people_needed or 0)
    needed = nearest.people_needed or 0
    people = f"{round(needed, -max(len(str(needed)) - 2, 0)):,}"
    return f" A difference from {nearest.b} of this size needs about {people} people."


def _spread(report: EvaluationResult) -> str:
    if not report.cuts:
        return ""
    values = report.cuts[report.subject]
    return f" Over {len(values)} test periods it ranges from {min(values):.4f} to {max(values):.4f}."


def _true_values(report: EvaluationResult) -> str:
    """For a simulated world: the true value of a shown item, and whether the log shows the same order."""
    metric = f"true_{report.top_objective}@{report.k}"
    if metric not in report.metrics[report.subject] or len(report.metrics) < 2:
        return ""
    own = report.metrics[report.subject][metric].value
    others = [name for name in report.metrics if name != report.subject]
    best = max(others, key=lambda name: report.metrics[name][metric].value)
    best_value = report.metrics[best][metric].value
    text = (
        f" The true value, known only in a simulated world: an item it shows brings {own:.3g} "
        f"{report.top_objective}, {own / best_value - 1:+.0%} compared with {best}, the best of the others "
        f"({best_value:.3g})."
    )
    first_in_log = max(report.metrics, key=lambda name: report.metrics[name][report.main_metric].value)
    if own > best_value and first_in_log != report.subject:
        text += (
            f" By the log alone, {first_in_log} would have been chosen: the log holds only items that an "
            "older engine had shown."
        )
    return text
