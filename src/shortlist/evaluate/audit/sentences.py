"""The verdict of an audit in three sentences: which metric to use, which to avoid, and how certain that is."""

from __future__ import annotations

from shortlist.evaluate.audit.agreement import Agreement
from shortlist.evaluate.audit.result import AuditResult

MAX_REGRET = 0.1
"""A pick that loses more than this share of the best outcome is a wrong winner."""
STRONG = 0.7
"""A metric with a higher rank correlation orders the policies nearly as the truth does."""


def sentences(audit: AuditResult) -> list[str]:
    """Return the verdict as three sentences."""
    return [_metric_to_use(audit), _metrics_to_avoid(audit), _certainty(audit)]


def best_policy(audit: AuditResult) -> str:
    """Return the policy with the highest true outcome."""
    outcomes = audit.truth.known()
    return max(outcomes, key=lambda name: outcomes[name].value)


def trusted_metric(audit: AuditResult) -> Agreement | None:
    """Return the metric to use: the least expected regret among those whose order is better than chance."""
    return min(
        (a for a in audit.agreements if a.is_significant), key=lambda a: a.expected_regret, default=None
    )


def misleading_metrics(audit: AuditResult) -> list[Agreement]:
    """Return the metrics that pick a wrong winner, in the sample and on average, by decreasing regret.

    Metrics without a good direction are left out, because nobody chooses by them.
    """
    directed = {score.metric for score in audit.scores if score.better != "neither"}
    trusted = trusted_metric(audit)
    limit = MAX_REGRET + (trusted.expected_regret if trusted is not None else 0.0)
    found = [
        a
        for a in audit.agreements
        if a.metric in directed and a.regret > MAX_REGRET and a.expected_regret > limit
    ]
    return sorted(found, key=lambda a: -a.regret)


def _metric_to_use(audit: AuditResult) -> str:
    chosen, best = trusted_metric(audit), best_policy(audit)
    if chosen is None or chosen.correlation is None:
        nearest = audit.agreements[0]
        hint = (
            ""
            if nearest.correlation is None
            else f"; the nearest is {nearest.metric} ({_correlation(nearest)})"
        )
        return f"Choose by none of these metrics: no metric orders these policies significantly better than chance{hint}."
    loss = "the best of them" if chosen.pick == best else f"{chosen.regret:.0%} below the best, {best}"
    loss += f" (expected regret {chosen.expected_regret:.0%})"
    if chosen.correlation.value >= STRONG:
        return (
            f"Choose by {chosen.metric}: it orders these {chosen.policies} policies nearly as their true outcome does "
            f"(rank correlation {_correlation(chosen)}) and would have picked {chosen.pick}, {loss}."
        )
    return (
        f"Choose by {chosen.metric}, with care: it agrees only in part with the true outcome of these {chosen.policies} policies "
        f"(rank correlation {_correlation(chosen)}); it would have picked {chosen.pick}, {loss}."
    )


def _metrics_to_avoid(audit: AuditResult) -> str:
    misleading, best = misleading_metrics(audit), best_policy(audit)
    if not misleading:
        return f"No other metric is clearly misleading: none would have cost more than {MAX_REGRET:.0%}."
    first = next((a for a in misleading if a.metric.startswith("ndcg@")), misleading[0])
    others = [a.metric for a in misleading if a is not first]
    text = (
        f"Do not choose by {first.metric}: it would have picked {first.pick}, whose true outcome is "
        f"{first.regret:.0%} below that of {best}"
    )
    if others:
        text += f"; wrong winners (over {MAX_REGRET:.0%} worse) also by {_listed(others, 4)}"
    fooled = sorted({str(a.pick) for a in misleading if a.pick in audit.bad})
    if fooled:
        text += f"; some of them pick a policy that is bad on purpose ({', '.join(fooled)})"
    return f"{text}."


def _certainty(audit: AuditResult) -> str:
    chosen = trusted_metric(audit)
    if chosen is None or chosen.correlation is None:
        count = len(audit.descriptions)
        text = f"Certainty: with {count} policies the intervals are wide; more policies or users would narrow them"
    else:
        low = chosen.correlation.low
        near = [
            a.metric
            for a in audit.agreements
            if a is not chosen and a.correlation is not None and a.correlation.high >= low
        ]
        text = (
            f"Certainty: with {chosen.policies} policies, the interval of {chosen.metric} overlaps those of {_listed(near, 3)}"
            if near
            else f"Certainty: no other metric's interval reaches that of {chosen.metric}"
        )
    unknown = sum(a.correlation is None for a in audit.agreements)
    if unknown:
        text += f"; {unknown} of {len(audit.agreements)} metrics gave too few values to be judged"
    return f"{text}."


def _listed(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _correlation(a: Agreement) -> str:
    rho = a.correlation
    return "" if rho is None else f"{rho.value:.2f}, {rho.low:.2f} to {rho.high:.2f}"
