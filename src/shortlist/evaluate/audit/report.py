"""The report of an audit: tables for a terminal and an HTML page."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from shortlist.evaluate.audit.agreement import MetricScore
from shortlist.evaluate.audit.result import AuditResult
from shortlist.evaluate.audit.sentences import (
    MAX_REGRET,
    best_policy,
    misleading_metrics,
    sentences,
    trusted_metric,
)
from shortlist.metrics.significance import Estimate
from shortlist.report.charts import bars, lines, scatter
from shortlist.report.document import (
    Block,
    Document,
    FactList,
    Figure,
    FigureGrid,
    Heading,
    Notice,
    Paragraph,
    TableBlock,
    TableCell,
    TableRow,
    estimate_cell,
)
from shortlist.report.render import render_page

BAD = "bad on purpose"
METHOD = (
    "Intervals resample users and policies. The second matters most: with few policies the intervals are wide. A metric deserves "
    "trust if its order is significantly better than chance and its expected regret is small."
)


def text_tables(audit: AuditResult) -> list[Table]:
    """Return the agreement of each metric and the true outcomes as tables for a terminal of 80 columns."""
    label = " (simulated)" if audit.simulated else ""
    table = _terminal_table(f"{audit.name}{label}: agreement of each metric with the true outcome")
    for name in ("metric", "correlation", "95 %", "pick", "regret"):
        table.add_column(name, justify="left" if name in {"metric", "pick"} else "right", no_wrap=True)
    chosen = trusted_metric(audit)
    for a in audit.agreements:
        if a.correlation is not None:
            table.add_row(
                Text(a.metric, "bold" if a is chosen else ""),
                f"{a.correlation.value:+.2f}",
                f"{a.correlation.low:+.2f} {a.correlation.high:+.2f}",
                Text(str(a.pick), "red" if a.pick in audit.bad else ""),
                f"{a.regret:.0%}",
            )
    unknown = [a.metric for a in audit.agreements if a.correlation is None]
    if unknown:
        table.caption = Text(f"too few values to be judged: {'; '.join(unknown)}")
        table.caption_justify = "left"
    outcomes = _terminal_table(f"True outcome: {audit.truth.description}")
    for name in ("policy", "outcome", "95 %"):
        outcomes.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for name, e in _ordered(audit).items():
        shown = Text(f"{name} ({BAD})", "red") if name in audit.bad else Text(name)
        outcomes.add_row(shown, f"{e.value:,.4g}", f"{e.low:,.4g} to {e.high:,.4g}")
    return [table, outcomes]


def _terminal_table(title: str) -> Table:
    return Table(
        title=Text(title), box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), title_justify="left"
    )


def _ordered(audit: AuditResult) -> dict[str, Estimate]:
    """The true outcomes, the best first."""
    return dict(sorted(audit.truth.known().items(), key=lambda pair: -pair[1].value))


def audit_document(audit: AuditResult) -> Document:
    """Describe the report as a document."""
    refused = [
        f"{a.metric}: no value for {a.refused} of {a.refused + a.policies} policies. {a.reason}"
        for a in audit.agreements
        if a.refused
    ]
    blocks: list[Block] = [
        FigureGrid(_figures(audit)),
        Heading("Agreement of the metrics with the true outcome"),
        _agreement_table(audit),
        Paragraph(METHOD),
        Notice("Missing values", refused),
        Heading("Policies"),
        _policy_table(audit),
        FactList(audit.facts),
    ]
    title = f"{audit.name}: which metric should I believe?"
    return Document(title, sentences(audit), blocks, audit.simulated)


def audit_page(audit: AuditResult) -> str:
    """Render the report as one HTML file."""
    return render_page(audit_document(audit))


def _agreement_table(audit: AuditResult) -> TableBlock:
    chosen, rows = trusted_metric(audit), []
    for a in audit.agreements:
        if a.correlation is None:
            continue
        pick = f"{a.pick} ({BAD})" if a.pick in audit.bad else str(a.pick)
        cells: list[TableCell | str] = [
            estimate_cell(a.correlation),
            TableCell(pick, tone="worse" if a.regret > MAX_REGRET else "better"),
            f"{a.regret:.0%}",
            f"{a.expected_regret:.0%}",
            TableCell(a.description, wraps=True),
        ]
        rows.append(TableRow(TableCell(a.metric, a.family), cells, highlighted=a is chosen))
    columns = ["metric", "rank correlation with the truth", "pick", "regret", "expected regret", ""]
    return TableBlock(columns, rows)


def _policy_table(audit: AuditResult) -> TableBlock:
    rows = []
    for name, outcome in _ordered(audit).items():
        heading = TableCell(name, BAD if name in audit.bad else "")
        description = TableCell(audit.descriptions.get(name, ""), wraps=True)
        rows.append(TableRow(heading, [estimate_cell(outcome), description]))
    return TableBlock(["policy", audit.truth.description, "description"], rows)


def _figures(audit: AuditResult) -> list[Figure]:
    chosen, outcomes, best = trusted_metric(audit), _ordered(audit), best_policy(audit)
    judged = {a.metric: a.correlation for a in audit.agreements if a.correlation is not None}
    found = [
        Figure(
            "Agreement",
            "rank correlation of each metric with the true outcome; a negative one is an order upside down",
            bars(judged, chosen.metric if chosen else ""),
        ),
        Figure("True outcome", audit.truth.description, bars(outcomes, best)),
    ]
    for score in _plotted(audit):
        points = {n: (e.value, outcomes[n].value) for n, e in score.known().items() if n in outcomes}
        caption = f"metric to the right, true outcome upwards; red: {BAD}"
        found.append(Figure(score.metric, caption, scatter(points, set(audit.bad))))
    if audit.rounds:
        days = [f"day {day + 1}" for day in range(len(next(iter(audit.rounds.values()))))]
        series = {name: audit.rounds[name] for name in _notable_policies(audit)}
        found.append(Figure("Day by day", "outcome per user", lines(series, days, best)))
    return found


def _plotted(audit: AuditResult) -> list[MetricScore]:
    """Three metrics: the one to use, NDCG, and the one with the largest regret."""
    by_name = {score.metric: score for score in audit.scores}
    chosen = trusted_metric(audit)
    names = [chosen.metric if chosen else audit.agreements[0].metric]
    names += [a.metric for a in audit.agreements if a.metric.startswith("ndcg@")]
    names += [a.metric for a in misleading_metrics(audit)]
    return [by_name[name] for name in dict.fromkeys(names)][:3]


def _notable_policies(audit: AuditResult) -> list[str]:
    """The best two policies, the usual ones and the bad ones; more lines are not readable."""
    order = list(_ordered(audit))
    usual = [name for name in ("full", "random", "popular") if name in order]
    return list(dict.fromkeys([*order[:2], *usual, *audit.bad]))
