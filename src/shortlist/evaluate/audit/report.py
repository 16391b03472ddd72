"""What an audit says: three sentences for whoever decides, then tables and plots for whoever doubts."""

from __future__ import annotations

import html

from rich import box
from rich.table import Table

from shortlist.evaluate.audit.agree import Agreement, Score
from shortlist.evaluate.audit.world import Audit
from shortlist.metrics.significance import Estimate
from shortlist.report.html import bars, cell, facts_list, lines, page, rows_of, scatter, warnings

COSTS = 0.1
"""A pick that costs more than this share of what the best would bring is a wrong winner."""


def sentences(audit: Audit) -> list[str]:
    """Which metric to use here, which would have picked the wrong winner, and how sure that is."""
    return [_use(audit), _avoid(audit), _sure(audit)]


def _best(audit: Audit) -> str:
    known = {n: e.value for n, e in audit.truth.values.items() if e is not None}
    return max(known, key=known.__getitem__)


def trusted(audit: Audit) -> Agreement | None:
    """The metric to use: of those whose order is surely better than chance, the one by which choosing costs least on average."""
    return min((a for a in audit.agreements if a.apart), key=lambda a: a.risk, default=None)


def _use(audit: Audit) -> str:
    chosen, best = trusted(audit), _best(audit)
    if chosen is None or chosen.rho is None:
        near = audit.agreements[0]
        so = "" if near.rho is None else f"; the nearest is {near.metric} ({_rho(near)})"
        return f"Choose by none of these metrics: no one of them surely orders these policies better than chance would{so}."
    picks = "the best of them" if chosen.pick == best else f"{chosen.regret:.0%} below the best, {best}"
    picks += f" (choosing by it costs {chosen.risk:.0%} on average)"
    return (
        f"Choose by {chosen.metric}: it orders these {chosen.policies} policies nearly as what they truly bring does "
        f"(rank correlation {_rho(chosen)}) and would have picked {chosen.pick}, {picks}."
        if chosen.rho.value >= 0.7
        else f"Choose by {chosen.metric}, with care: it agrees with what these {chosen.policies} policies truly bring only in part "
        f"(rank correlation {_rho(chosen)}); it would have picked {chosen.pick}, {picks}."
    )


def wrong(audit: Audit) -> list[Agreement]:
    """The metrics that would have picked a wrong winner, and would on average, the costliest first; those that are not for
    choosing are left out.
    """
    directed = {s.metric for s in audit.scores if s.better != "neither"}
    chosen = trusted(audit)
    allowed = COSTS + (chosen.risk if chosen is not None else 0.0)
    mistaken = [a for a in audit.agreements if a.metric in directed and a.regret > COSTS and a.risk > allowed]
    return sorted(mistaken, key=lambda a: -a.regret)


def _avoid(audit: Audit) -> str:
    mistaken, best = wrong(audit), _best(audit)
    if not mistaken:
        return f"None of the others is clearly worse to choose by: none would have cost {COSTS:.0%} more."
    usual = next((a for a in mistaken if a.metric.startswith("ndcg@")), mistaken[0])
    others = [a.metric for a in mistaken if a is not usual]
    said = f"Do not choose by {usual.metric}: it would have picked {usual.pick}, which truly brings {usual.regret:.0%} less than {best}"
    if others:
        few = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        said += f"; wrong winners too (over {COSTS:.0%} worse) by {few}"
    fooled = sorted({str(a.pick) for a in mistaken if a.pick in audit.bad})
    return said + (
        f"; some of them fall for what was made to be bad ({', '.join(fooled)})." if fooled else "."
    )


def _sure(audit: Audit) -> str:
    chosen = trusted(audit)
    silent = [a for a in audit.agreements if a.rho is None]
    near = [
        a.metric
        for a in audit.agreements
        if chosen is not None and chosen.rho is not None and a is not chosen and a.rho is not None and a.rho.high >= chosen.rho.low
    ]  # fmt: skip
    if chosen is None:
        said = f"With {len(audit.says)} policies the intervals are wide; more policies, or more people, would tell"
    elif near:
        few = ", ".join(near[:3]) + (f" and {len(near) - 3} more" if len(near) > 3 else "")
        said = f"How sure: with {chosen.policies} policies, {chosen.metric} cannot be told apart from {few} (their intervals meet)"
    else:
        said = f"How sure: no other metric's interval reaches that of {chosen.metric}"
    if silent:
        said += f"; {len(silent)} of {len(audit.agreements)} gave too few numbers to be judged"
    return f"{said}."


def _rho(a: Agreement) -> str:
    return "" if a.rho is None else f"{a.rho.value:.2f}, {a.rho.low:.2f} to {a.rho.high:.2f}"


def text_tables(audit: Audit) -> list[Table]:
    """Metrics beside the truth, and the policies, for a terminal of 80 columns."""
    title = f"{audit.name}{' (simulated)' if audit.simulated else ''}: which metric orders policies as the truth does?"
    table = Table(
        title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), title_justify="left"
    )
    for name in ("metric", "agrees", "95 %", "would pick", "costs"):
        table.add_column(name, justify="left" if name in {"metric", "would pick"} else "right", no_wrap=True)
    chosen = trusted(audit)
    for a in audit.agreements:
        if a.rho is not None:
            picked = f"[red]{a.pick}[/]" if a.pick in audit.bad else str(a.pick)
            table.add_row(
                f"[bold]{a.metric}[/]" if a is chosen else a.metric,
                f"{a.rho.value:+.2f}",
                f"{a.rho.low:+.2f} {a.rho.high:+.2f}",
                picked,
                f"{a.regret:.0%}",
            )
    silent = [a.metric for a in audit.agreements if a.rho is None]
    if silent:
        table.caption = f"too few numbers to be judged: {'; '.join(silent)}"
        table.caption_justify = "left"
    real = Table(title=f"The truth: {audit.truth.says}", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), title_justify="left")  # fmt: skip
    for name in ("policy", "brings", "95 %"):
        real.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for name, e in _ordered(audit):
        shown = f"[red]{name} (made to be bad)[/]" if name in audit.bad else name
        real.add_row(shown, f"{e.value:,.4g}", f"{e.low:,.4g} to {e.high:,.4g}")
    return [table, real]


def _ordered(audit: Audit) -> list[tuple[str, Estimate]]:
    known = [(n, e) for n, e in audit.truth.values.items() if e is not None]
    return sorted(known, key=lambda pair: -pair[1].value)


def audit_page(audit: Audit) -> str:
    """One HTML file."""
    verdict = "".join(f"<p class=verdict>{html.escape(s)}</p>" for s in sentences(audit))
    chosen = trusted(audit)
    rows = []
    for a in audit.agreements:
        if a.rho is None:
            continue
        fooled = a.pick in audit.bad
        rows.append(
            [
                f"{html.escape(a.metric)}<small>{a.family}</small>",
                cell(a.rho),
                f"<td class={'worse' if a.regret > COSTS else 'better'}>{html.escape(str(a.pick))}{' (made to be bad)' if fooled else ''}</td>",
                f"{a.regret:.0%}",
                f"{a.risk:.0%}",
                f"<td class=text>{html.escape(a.says)}</td>",
            ]
        )
    head = ["metric", "rank correlation with the truth", "would have picked", "which costs", "on average", ""]
    own = [a is chosen for a in audit.agreements if a.rho is not None]
    table = rows_of(head, rows, own)
    silent = [
        f"{a.metric}: no number for {a.refused} of {a.refused + a.policies} policies. {a.why}"
        for a in audit.agreements
        if a.refused
    ]
    judged = {a.metric: a.rho for a in audit.agreements if a.rho is not None}
    plots = f"<figure><figcaption><b>Agreement</b> of each metric's order with the truth's; right is good, left is an order upside down</figcaption>{bars(judged, chosen.metric if chosen else '')}</figure>"
    real = dict(_ordered(audit))
    plots += f"<figure><figcaption><b>The truth</b> {html.escape(audit.truth.says)}</figcaption>{bars(real, _best(audit))}</figure>"
    for score in _shown(audit):
        points = {n: (e.value, real[n].value) for n, e in score.values.items() if e is not None and n in real}
        plots += f"<figure><figcaption><b>{html.escape(score.metric)}</b> across, the truth up; red: made to be bad</figcaption>{scatter(points, set(audit.bad))}</figure>"
    if audit.rounds:
        days = [f"day {d + 1}" for d in range(len(next(iter(audit.rounds.values()))))]
        some = {n: audit.rounds[n] for n in _telling(audit)}
        plots += f"<figure><figcaption><b>Day by day</b> what a person brings: habits form, and are lost</figcaption>{lines(some, days, _best(audit))}</figure>"
    policies = rows_of(
        ["policy", html.escape(audit.truth.says), "what it does"],
        [
            [
                html.escape(n) + (" <small>made to be bad</small>" if n in audit.bad else ""),
                cell(e),
                f"<td class=text>{html.escape(audit.says.get(n, ''))}</td>",
            ]
            for n, e in real.items()
        ],
    )  # fmt: skip
    how = "<p>Intervals draw people anew and policies anew: the second is what matters most, and with few policies it is wide. A metric is worth choosing by if its order is surely better than chance and choosing by it costs little on average.</p>"
    body = f"{verdict}<div class=plots>{plots}</div><h2>Metrics beside the truth</h2>{table}{how}{warnings('Where there was no number', silent)}<h2>The policies</h2>{policies}{facts_list(audit.facts)}"
    return page(f"{audit.name}: which metric should I believe?", body, audit.simulated)


def _shown(audit: Audit) -> list[Score]:
    """The metrics worth a plot: the one to use, the usual one, the costliest."""
    by_name = {s.metric: s for s in audit.scores}
    chosen, mistaken = trusted(audit), wrong(audit)
    names = [chosen.metric] if chosen else [audit.agreements[0].metric]
    names += [a.metric for a in audit.agreements if a.metric.startswith("ndcg@")]
    names += [a.metric for a in mistaken]
    return [by_name[n] for n in dict.fromkeys(names)][:3]


def _telling(audit: Audit) -> list[str]:
    """The best, the worst, the usual ones: more lines than these are not read."""
    order = [n for n, _ in _ordered(audit)]
    return list(
        dict.fromkeys([*order[:2], *(n for n in ("full", "random", "popular") if n in order), *audit.bad])
    )
