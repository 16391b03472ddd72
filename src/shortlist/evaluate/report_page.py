"""The report for people: one table in the terminal, one HTML file that opens offline."""

from __future__ import annotations

import html

from rich import box
from rich.table import Table

from shortlist.evaluate.measures import metric_info
from shortlist.evaluate.protocol import Report
from shortlist.metrics.significance import Estimate, verdict
from shortlist.report.html import bars, cell, facts_list, lines, number, page, rows_of, warnings


def evaluation_table(report: Report) -> Table:
    """The metrics as a table that fits a terminal of 80 columns; the best of each column is bold."""
    names = list(report.metrics[report.own])
    title = f"{report.name}{' (simulated)' if report.simulated else ''}: {report.facts['people']:,} people, slates of {report.k}"
    since = f"tested from {report.facts['test_from']} on; " if "test_from" in report.facts else ""
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption=f"{since}95 % intervals by bootstrap",
    )
    names = [report.main, *_in_terminal([n for n in names if n != report.main])]
    table.add_column("", no_wrap=True)
    table.add_column(report.main.partition("@")[0], justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    short = {
        "hit_rate": "hits",
        "novelty": "novel",
        "diversity": "div",
        "coverage": "cov",
        "popularity_lift": "lift",
    }
    for name in names[1:]:
        plain = name.partition("@")[0]
        if plain.startswith("true_"):
            plain = f"TRUE {plain[5:]}"
        table.add_column(short.get(plain, plain), justify="right", no_wrap=True)
    up = {n: metric_info(n).better == "up" for n in names}
    best = {n: max(m[n].value for m in report.metrics.values()) for n in names}
    for recommender, metrics in report.metrics.items():
        cells = []
        for name in names:
            value = metrics[name].value
            text = f"{value:.1f}" if name.startswith("novelty") or abs(value) >= 10 else _short(value)
            cells.append(f"[bold]{text}[/]" if up[name] and value == best[name] else text)
        main = metrics[report.main]
        cells.insert(1, f"{_short(main.low)}-{_short(main.high)}")
        table.add_row(f"[bold]{recommender}[/]" if recommender == report.own else recommender, *cells)
    return table


def _in_terminal(names: list[str]) -> list[str]:
    """What fits; the page has the rest."""
    true = [n for n in names if n.startswith("true_")]
    wanted = [
        "graded_ndcg",
        "recall",
        "mrr",
        "hit_rate",
        "novelty",
        "popularity_lift",
        "diversity",
        "coverage",
    ]
    if len(true) > 1:
        wanted = ["recall", "popularity_lift", "diversity", "coverage"]
    elif true:
        wanted = ["graded_ndcg", "recall", "hit_rate", "popularity_lift", "diversity", "coverage"]
    return [n for n in names if n.partition("@")[0] in wanted] + true[:2]


def _short(value: float) -> str:
    """ ".039" for shares: three digits that count, no zero before them."""
    if value != value:
        return "-"
    return f"{value:.3f}".replace("0.", ".", 1)[:4] if value < 1 else f"{value:.2f}"


def evaluation_page(report: Report) -> str:
    """The whole report as one HTML file without any outside part."""
    names = list(report.metrics[report.own])
    bad = " bad" if report.leaks else ""
    cautions = warnings("Before you believe it", report.cautions)
    leaks = warnings("Leaks", [str(leak) for leak in report.leaks])
    body = f"""<p class="verdict{bad}">{html.escape(report.verdict())}</p>
{leaks}{cautions}
<h2>All metrics</h2><p>Small: 95 % interval from the bootstrap over people. Every recommender was asked for the same people{"" if report.own != "shortlist" else " and ranked the whole catalogue"}.</p>
{_metrics_table(report, names)}
{_comparisons(report)}{_cuts(report)}{_slices(report)}
<h2>Side by side, and what each number hides</h2><div class="plots">{_plots(report, names)}</div>
{_learnt(report)}{_prices(report)}
<h2>How it was measured</h2>{facts_list(report.facts)}
<p>Differences are of the same people, person by person; with several comparisons, all intervals hold together (max-t over the same redraws). Recommenders that have no item for somebody count as having missed.</p>"""
    return page(f"{report.name}: evaluation", body, report.simulated)


def _metrics_table(report: Report, names: list[str]) -> str:
    """Metrics down, recommenders across: there are many metrics and few recommenders."""
    arrows = {"up": " ↑", "down": " ↓", "neither": ""}
    rows = []
    for n in names:
        m = metric_info(n)
        title = f"<span title='{html.escape(m.says)}'>{html.escape(n)}{arrows[m.better]}</span>"
        cells = [
            f"<td{' class=ownc' if r == report.own else ''}>{cell(ms[n])}</td>"
            for r, ms in report.metrics.items()
        ]
        rows.append([title, *cells])
    return rows_of(["", *(html.escape(r) for r in report.metrics)], rows, [n == report.main for n in names])


def _comparisons(report: Report) -> str:
    if not report.comparisons:
        return ""
    rows = [
        [
            f"{html.escape(c.a)} − {html.escape(c.b)}",
            f"{c.difference.value:+.4f}",
            f"{c.difference.low:+.4f} to {c.difference.high:+.4f}",
            f"{c.simultaneous.low:+.4f} to {c.simultaneous.high:+.4f}",
            f"{c.p:.3f}",
            f"<td class='{c.verdict.split()[0]}'>{c.verdict}</td>",
            ""
            if c.verdict != "can't tell" or c.people_needed is None
            else f"about {number(c.people_needed)}",
        ]
        for c in report.comparisons
    ]
    head = ["", "difference", "95 % alone", "95 % together", "p, corrected", "", "people needed"]
    return f"<h2>Differences in {html.escape(report.main)}</h2>" + rows_of(head, rows)


def _cuts(report: Report) -> str:
    if not report.cuts:
        return ""
    steps = [f"cut {n + 1}" for n in range(len(report.cuts[report.own]))]
    said = "The same, learnt and tested at several moments one after the other. Lines that cross say that one cut would have been luck."
    return f"<h2>Over time</h2><p>{said}</p><div class=plots><figure>{lines(report.cuts, steps, report.own)}</figure></div>"


def _slices(report: Report) -> str:
    if not report.slices:
        return ""
    names = list(report.metrics)
    rows = []
    for s in report.slices:
        best = max(names, key=lambda n: s.values[n].value)
        cells = [
            f"<td class='{_against(report, s.ahead.get(n))}'>{'<b>' if n == best else ''}{number(s.values[n].value)}{'</b>' if n == best else ''}</td>"
            for n in names
        ]
        rows.append([f"{html.escape(s.dimension)}: {html.escape(s.name)}", f"{s.people:,}", *cells])
    said = (
        f"{html.escape(report.main)} within slices. Slices of people take some of the people; slices of items keep everybody who wanted such an item and count only "
        f"those as relevant. Bold: the best. Coloured: clearly <span class=worse>behind</span> or <span class=better>ahead of</span> {html.escape(report.own)} in that slice (95 %, uncorrected)."
    )
    return f"<h2>For whom, and for what</h2><p>{said}</p>" + rows_of(
        ["", "people", *(html.escape(n) for n in names)], rows
    )


def _against(report: Report, ahead: Estimate | None) -> str:
    if ahead is None:
        return ""
    return {"better": "worse", "worse": "better", "can't tell": ""}[verdict(ahead)]


def _plots(report: Report, names: list[str]) -> str:
    return "".join(
        f"<figure><figcaption><b>{html.escape(n)}</b> {html.escape(metric_info(n).says)} Hides {html.escape(metric_info(n).hides)}.</figcaption>"
        f"{bars({r: m[n] for r, m in report.metrics.items()}, report.own)}</figure>"
        for n in names
    )


def _prices(report: Report) -> str:
    if not report.prices:
        return ""
    rows = [
        [
            html.escape(p.part),
            f"{p.price.value:.2%}",
            f"{p.price.low:.2%} to {p.price.high:.2%}",
            f"{p.changed:.0%}",
        ]
        for p in report.prices
    ]
    said = (
        "Each part of the re-ranking taken out by itself: the share of a slate's predicted utility that it costs. What it brings in the long run is not "
        "in this number; an experiment, or in a world <code>shortlist simulate</code>, tells."
    )
    return f"<h2>What re-ranking costs</h2><p>{said}</p>" + rows_of(
        ["", "costs", "95 %", "changes slates"], rows
    )


def _learnt(report: Report) -> str:
    """What only a recommender that was trained here can show."""
    calibration = "".join(
        f"<figure><figcaption><b>{html.escape(o)}</b> {html.escape(r.sentence())}</figcaption>{r.plot()}</figure>"
        for o, r in report.calibration.items()
    )
    importance = "".join(
        f"<figure><figcaption><b>{html.escape(o)}</b> what its trees rest on</figcaption>{bars({f: Estimate(v, v, v) for f, v in list(shares.items())[:10]})}</figure>"
        for o, shares in report.importance.items()
    )
    found = ""
    if calibration:
        found += f"<h2>Do predictions mean what they say?</h2><p>Examples of the test, in bins by prediction: across, what was predicted; up, what happened. On the line, both agree.</p><div class=plots>{calibration}</div>"
    if importance:
        found += f"<h2>What the ranker looks at</h2><div class=plots>{importance}</div>"
    return found
