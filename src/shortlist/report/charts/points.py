"""Charts of points on a plane."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from shortlist.metrics.significance import Estimate
from shortlist.report.charts.svg import axes, classes, drawing, element, path, text
from shortlist.report.formats import number


def scatter(points: Mapping[str, tuple[float, float]], marked: Collection[str] = ()) -> Markup:
    """Draw named points.

    Parameters
    ----------
    points : mapping of str to (float, float)
        The position of each point: x to the right, y upwards.
    marked : collection of str
        The names of the points in the warning colour.
    """
    if not points:
        return Markup("")
    width, height, left = 420, 230, 12
    xs, ys = [x for x, _ in points.values()], [y for _, y in points.values()]
    x0, y0 = min(xs), min(ys)
    x_span, y_span = (max(xs) - x0) or 1.0, (max(ys) - y0) or 1.0
    drawn: list[Markup] = []
    occupied: list[tuple[float, float, float]] = []
    for name, (x, y) in sorted(points.items(), key=lambda point: -point[1][1]):
        cx = left + (x - x0) / x_span * (width - 130)
        cy = 14 + (1 - (y - y0) / y_span) * (height - 34)
        bad = "bad" if name in marked else ""
        drawn.append(element("circle", class_=classes("dot", bad), cx=cx, cy=cy, r=4))
        label_y, label_end = cy + 4, cx + 7 + 6.2 * len(name)
        # the name moves down until it is clear of the others
        while (
            any(abs(label_y - y_) < 11 and cx + 7 < end and start < label_end for start, y_, end in occupied)
            and label_y < height + 60
        ):
            label_y += 3
        occupied.append((cx + 7, label_y, label_end))
        drawn.append(text(cx + 7, label_y, name, css_class=classes("end", bad)))
    bottom = max([height, *(y_ + 6 for _, y_, _ in occupied)])
    ends = [
        text(left - 6, round(bottom) + 14, number(x0)),
        text(left + width - 130, round(bottom) + 14, number(max(xs)), "middle"),
    ]
    description = "Points: " + ", ".join(f"{n} at {number(x)}, {number(y)}" for n, (x, y) in points.items())
    content = [axes(left - 6, 6, bottom, width), *drawn, *ends]
    return drawing(width + 10, bottom + 20, content, description)


def reliability_plot(bins: Sequence[tuple[float, float, float]]) -> Markup:
    """Draw mean outcomes against mean predictions; on the diagonal both agree.

    Parameters
    ----------
    bins : sequence of (float, float, float)
        Mean prediction, mean outcome and share of the weight of each bin. The area of a dot grows with the share.
    """
    predicted, observed = [p for p, _, _ in bins], [o for _, o, _ in bins]
    high = max([*predicted, *observed, 1e-9]) * 1.05
    low = min([*predicted, *observed, 0.0])
    size, left = 230, 44

    def scaled(value: float) -> float:
        return (value - low) / (high - low) * size

    ticks: list[Markup] = []
    for value in (low + (high - low) * share for share in (0, 0.5, 1)):
        ticks.append(text(round(left + scaled(value)), size + 24, f"{value:.3g}", "middle"))
        ticks.append(text(left - 6, round(size + 10 - scaled(value)), f"{value:.3g}", "end"))
    dots = [
        element(
            "circle",
            class_="bar own",
            cx=left + scaled(p),
            cy=size + 6 - scaled(o),
            r=2.5 + 8 * weight**0.5,
            fill_opacity="0.7",
        )
        for p, o, weight in bins
    ]
    diagonal = path([(left, size + 6), (left + size, 6)], "axis")
    words = ", ".join(f"outcome {o:.3g} for prediction {p:.3g}" for p, o, _ in bins)
    return drawing(size + left + 20, size + 30, [diagonal, *dots, *ticks], f"Reliability: {words}", "square")


@dataclass(frozen=True)
class TradeOff:
    """A point of a trade-off between two objectives, with an interval in both directions.

    Attributes
    ----------
    x, y : Estimate
        The value in both objectives.
    label : str
        A short name beside the point, or "".
    description : str
        The full text about the point.
    on_front : bool
        Whether no other point is better in both objectives.
    """

    x: Estimate
    y: Estimate
    label: str
    description: str
    on_front: bool


def trade_off(points: Sequence[TradeOff]) -> Markup:
    """Draw the trade-off between two objectives; a line joins the points on the Pareto front."""
    width, height, left, below = 330, 220, 52, 34
    x0, x1 = _padded([p.x for p in points])
    y0, y1 = _padded([p.y for p in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x - x0) / (x1 - x0) * width, height - (y - y0) / (y1 - y0) * height + 8

    front = sorted(place(p.x.value, p.y.value) for p in points if p.on_front)
    marks: list[Markup] = []
    for point in points:
        cx, cy = place(point.x.value, point.y.value)
        marks.append(path([place(point.x.low, point.y.value), place(point.x.high, point.y.value)], "axis"))
        marks.append(path([place(point.x.value, point.y.low), place(point.x.value, point.y.high)], "axis"))
        title = element("title", point.description)
        css_class = classes("bar", "own" if point.on_front else "")
        marks.append(element("circle", title, class_=css_class, cx=cx, cy=cy, r=5))
        if point.label:
            marks.append(text(cx + 6, cy - 6, point.label))
    ticks = [
        text(round(place(v, y0)[0]), height + 26, f"{v:.3g}", "middle") for v in np.linspace(x0, x1, 5)[1:4]
    ]
    ticks += [
        text(left - 6, round(place(x0, v)[1]) + 4, f"{v:.3g}", "end") for v in np.linspace(y0, y1, 5)[1:4]
    ]
    description = "Trade-off: " + "; ".join(point.description for point in points)
    content = [axes(left, 4, height + 8, left + width), path(front, "line own"), *marks, *ticks]
    return drawing(left + width + 24, height + below, content, description)


def _padded(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """The ends of an axis that holds all intervals, with a margin."""
    low, high = min(e.low for e in estimates), max(e.high for e in estimates)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin
