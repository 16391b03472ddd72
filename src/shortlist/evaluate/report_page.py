"""The page of an evaluation: the verdict, then tables and charts."""

from __future__ import annotations

from shortlist.evaluate.metric_info import metric_info
from shortlist.evaluate.report import Report, metrics_table
from shortlist.evaluate.shown.judgement import Judgement
from shortlist.metrics.significance import Comparison, Estimate
from shortlist.report import charts
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
    Tone,
    Verdict,
    tone_of,
)
from shortlist.report.formats import number
from shortlist.report.render import render_page

FEATURES_SHOWN = 10


def evaluation_page(report: Report) -> str:
    """Return the report as one HTML file."""
    blocks: list[Block] = [
        Notice("Leaks", [str(leak) for leak in report.leaks]),
        Notice("Limits of these numbers", report.warnings),
        Heading("All metrics"),
        Paragraph(_conditions(report)),
        metrics_table(report.metrics, report.subject, report.main_metric),
        *_shown(report),
        *_comparisons(report),
        *_cuts(report),
        *_slices(report),
        Heading("Each metric, and what it does not show"),
        FigureGrid(_metric_figures(report)),
        *_model(report),
        *_rerank_costs(report),
        Heading("Method"),
        FactList(report.facts),
        Paragraph(
            "Differences are computed person by person on the same people. With several comparisons, all intervals "
            "hold simultaneously (max-t over the same resamples). A person for whom a recommender has no item counts "
            "as a miss."
        ),
    ]
    verdict = Verdict(report.verdict(), bad=bool(report.leaks))
    return render_page(Document(f"{report.name}: evaluation", [verdict], blocks, report.simulated))


def _conditions(report: Report) -> str:
    text = (
        "Small print: 95 % interval of a bootstrap over people. All recommenders answer for the same people"
    )
    return f"{text} and rank the whole catalogue." if report.subject == "shortlist" else f"{text}."


def _comparisons(report: Report) -> list[Block]:
    blocks: list[Block] = []
    for metric, comparisons in (
        (f"utility_ndcg@{report.k}", report.weighed),
        (report.main_metric, report.comparisons),
    ):
        blocks += _difference_table(metric, comparisons)
    return blocks


def _difference_table(metric: str, comparisons: list[Comparison]) -> list[Block]:
    if not comparisons:
        return []
    columns = ["", "difference", "95 % alone", "95 % simultaneous", "p, corrected", "", "people needed"]
    rows = [_comparison_row(comparison) for comparison in comparisons]
    return [Heading(f"Differences in {metric}"), TableBlock(columns, rows)]


def _shown(report: Report) -> list[Block]:
    """By the slates that were shown: each way, and which of them decides."""
    shown = report.shown
    if shown is None:
        return []
    rows = []
    for one in shown.order.comparisons:
        judgement, decisive = shown.decides(one.b)
        covered = shown.overlaps.get(one.b)
        rows.append(
            TableRow(
                f"{one.a} − {one.b}",
                [
                    _relative(shown.chance, one.b),
                    "" if covered is None else f"{covered.mean_weight.value:.0%}",
                    _relative(shown.order, one.b),
                    judgement.way,
                    TableCell(decisive.verdict, tone=tone_of(decisive.simultaneous)),
                ],
            )
        )
    text = (
        f"{shown.order.slates:,} slates of the test, shown to {shown.order.people:,} people, in utility as the project weighs "
        "it. By chance: the slates that each recommender would have shown, from the chances with which the slates of the log were "
        "drawn. By order: the items that were shown, in the order that each recommender would give them. 95 %, simultaneous. "
        "Covered: how much of a recommender's slates the log covers."
    )
    own = shown.refused.get(shown.subject)
    refused = (
        [] if own is None else [Paragraph(f"By chance, nothing can be told about {shown.subject}: {own}")]
    )
    columns = ["", "by chance", "covered", "by order", "decided by", ""]
    return [Heading("By what was shown"), Paragraph(text), *refused, TableBlock(columns, rows)]


def _relative(judgement: Judgement | None, other: str) -> str:
    """A difference as a share of the other's utility; empty if it was not measured."""
    one = None if judgement is None else judgement.against(other)
    if judgement is None or one is None:
        return ""
    unit, d = max(abs(judgement.values[other]), 1e-12), one.simultaneous
    return f"{d.value / unit:+.1%} ({d.low / unit:+.1%} to {d.high / unit:+.1%})"


def _comparison_row(comparison: Comparison) -> TableRow:
    alone, simultaneous = comparison.difference, comparison.simultaneous
    undecided = comparison.verdict == "can't tell" and comparison.people_needed is not None
    return TableRow(
        f"{comparison.a} − {comparison.b}",
        [
            f"{alone.value:+.4f}",
            f"{alone.low:+.4f} to {alone.high:+.4f}",
            f"{simultaneous.low:+.4f} to {simultaneous.high:+.4f}",
            f"{comparison.p:.3f}",
            TableCell(comparison.verdict, tone=tone_of(simultaneous)),
            f"about {number(comparison.people_needed or 0)}" if undecided else "",
        ],
    )


def _cuts(report: Report) -> list[Block]:
    if not report.cuts:
        return []
    steps = [f"period {n + 1}" for n in range(len(report.cuts[report.subject]))]
    text = (
        "The same evaluation for several test periods, one after the other. If the lines cross, the result of a "
        "single period depends on chance."
    )
    chart = charts.lines(report.cuts, steps, report.subject)
    figure = Figure(report.main_metric, "in each test period", chart)
    return [Heading("Over time"), Paragraph(text), FigureGrid([figure])]


def _slices(report: Report) -> list[Block]:
    if not report.slices:
        return []
    names = list(report.metrics)
    rows = []
    for part in report.slices:
        values = {name: part.values[name].value for name in names}
        best = max(names, key=values.__getitem__)
        cells = [
            TableCell(number(values[name]), tone=_tone(part.ahead.get(name)), strong=name == best)
            for name in names
        ]
        rows.append(TableRow(f"{part.dimension}: {part.name}", [f"{part.people:,}", *cells]))
    text = (
        f"{report.main_metric} within slices. A slice of people holds some of the people. A slice of items keeps all "
        "people for whom such an item is relevant, and counts only those items as relevant. Bold: the best. Colour: "
        f"significantly better (green) or worse (red) than {report.subject} in that slice (95 %, uncorrected)."
    )
    return [Heading("Slices"), Paragraph(text), TableBlock(["", "people", *names], rows, report.subject, 1)]


def _tone(ahead: Estimate | None) -> Tone:
    """The tone of another recommender, given how far the subject is ahead of it."""
    if ahead is None:
        return ""
    return tone_of(Estimate(-ahead.value, -ahead.high, -ahead.low))


def _metric_figures(report: Report) -> list[Figure]:
    figures = []
    for name in report.metrics[report.subject]:
        info = metric_info(name)
        values = {recommender: metrics[name] for recommender, metrics in report.metrics.items()}
        caption = f"{info.question} Does not show {info.blind_spot}."
        figures.append(Figure(name, caption, charts.bars(values, report.subject)))
    return figures


def _model(report: Report) -> list[Block]:
    """Calibration and importance: only for a recommender that was trained for the evaluation."""
    blocks: list[Block] = []
    if report.calibration:
        text = (
            "Examples of the test, in bins by prediction. Horizontal: mean prediction. Vertical: mean outcome. On the "
            "diagonal both agree."
        )
        figures = [
            Figure(name, reliability.sentence(), charts.reliability_plot(reliability.bins))
            for name, reliability in report.calibration.items()
        ]
        blocks += [Heading("Calibration of the predictions"), Paragraph(text), FigureGrid(figures)]
    if report.importance:
        figures = []
        for objective, shares in report.importance.items():
            values = {name: Estimate(v, v, v) for name, v in list(shares.items())[:FEATURES_SHOWN]}
            figures.append(Figure(objective, "share of the gain of its trees", charts.bars(values)))
        blocks += [Heading("Feature importance of the ranker"), FigureGrid(figures)]
    return blocks


def _rerank_costs(report: Report) -> list[Block]:
    if not report.rerank_costs:
        return []
    rows = [
        TableRow(
            cost.part,
            [
                f"{cost.price.value:.2%}",
                f"{cost.price.low:.2%} to {cost.price.high:.2%}",
                f"{cost.changed:.0%}",
            ],
        )
        for cost in report.rerank_costs
    ]
    text = (
        "Each part of the re-ranking, removed by itself: the share of the predicted utility of a slate that it costs. "
        "The number does not contain long-term effects; an experiment measures those, or for a simulated world the "
        "command `shortlist simulate`."
    )
    columns = ["", "costs", "95 %", "changes slates"]
    return [Heading("Cost of re-ranking"), Paragraph(text), TableBlock(columns, rows)]
