"""The page of a Pareto front: a chart for each view, and a table."""

from __future__ import annotations

from markupsafe import Markup

from shortlist.evaluate.pareto import VIEWS, ParetoFront
from shortlist.report.charts import TradeOff, trade_off
from shortlist.report.document import (
    Block,
    Document,
    Figure,
    FigureGrid,
    Heading,
    Paragraph,
    TableBlock,
    TableCell,
    TableRow,
)
from shortlist.report.render import render_page


def pareto_page(front: ParetoFront) -> str:
    """Return the front as one HTML file: a chart for each view, and a table."""
    a, b = front.objectives
    figures = [
        Figure(view, f"{VIEWS[view]}; horizontal: {a}, vertical: {b}", _chart(front, view))
        for view in front.views()
    ]
    first = front.points[0].values
    columns: list[TableCell | str] = [
        f"{a} : {b}",
        *(TableCell(name, view) for view in front.views() for name in first[view]),
    ]
    rows = [
        TableRow(
            f"{point.weights[a]:.2f} : {point.weights[b]:.2f}",
            [
                TableCell(f"{e.value:.4g}", f"{e.low:.4g} to {e.high:.4g}")
                for view in front.views()
                for e in point.values[view].values()
            ],
        )
        for point in front.points
    ]
    blocks: list[Block] = [
        FigureGrid(figures),
        Heading("All values"),
        Paragraph("Per shown item. Small print: 95 % interval."),
        TableBlock(columns, rows),
    ]
    title = f"{front.name}: trade-off between {a} and {b}"
    return render_page(Document(title, [front.sentence()], blocks, front.simulated))


def _chart(front: ParetoFront, view: str) -> Markup:
    a, b = front.objectives
    on_front = front.best(view)
    points = []
    for number, point in enumerate(front.points):
        x, y = point.values[view][a], point.values[view][b]
        description = f"{a} {point.weights[a]:.2f}, {b} {point.weights[b]:.2f}: {x.value:.4g}, {y.value:.4g}"
        label = f"{point.weights[b]:.1f}" if number % 2 == 0 else ""
        points.append(TradeOff(x, y, label, description, on_front[number]))
    return trade_off(points)
