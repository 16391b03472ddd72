"""Line charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from shortlist.metrics.significance import Estimate
from shortlist.report.charts.svg import axes, classes, drawing, element, path, text
from shortlist.report.formats import number

Place = Callable[[float, float], tuple[float, float]]
WIDTH, HEIGHT, LEFT = 420, 190, 46


def bands(
    series: Mapping[str, Sequence[Estimate]], labels: Sequence[str], highlighted: str = "shortlist"
) -> Markup:
    """Draw one line for each name, with its interval as a band. See `lines`."""
    values = {name: [e.value for e in line] for name, line in series.items()}
    return lines(values, labels, highlighted, series)


def lines(
    series: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    highlighted: str = "shortlist",
    intervals: Mapping[str, Sequence[Estimate]] | None = None,
) -> Markup:
    """Draw one line for each name over the same steps; the name stands at the end of the line.

    Parameters
    ----------
    series : mapping of str to sequence of float
        The values of each line, one for each step.
    labels : sequence of str
        The names of the steps.
    highlighted : str
        The name of the line in the accent colour.
    intervals : mapping of str to sequence of Estimate, optional
        The intervals of the lines, drawn as bands.
    """
    low, high, margin = _range(series, intervals or {})
    steps = max(len(labels) - 1, 1)

    def place(step: float, value: float) -> tuple[float, float]:
        return LEFT + step / steps * WIDTH, HEIGHT - (value - low) / (high - low) * (HEIGHT - 14)

    label_y = _label_positions(series, place)
    bands_behind: list[Markup] = []
    drawn: list[Markup] = []
    for name, line in series.items():
        own = "own" if name == highlighted else ""
        if intervals is not None and any(e.high > e.low for e in intervals[name]):
            bands_behind.insert(0, _band(intervals[name], place, classes("band", own)))
        points = [place(step, value) for step, value in enumerate(line)]
        drawn.append(path(points, classes("line", own)))
        drawn.append(text(LEFT + WIDTH + 6, label_y[name], name, css_class=classes("end", own)))
    ticks = [
        text(LEFT - 6, round(place(0, value)[1]) + 4, number(value), "end")
        for value in (low + margin, (low + high) / 2, high - margin)
    ]
    every = max(1, len(labels) // 6)
    ticks += [
        text(round(place(step, low)[0]), HEIGHT + 16, label, "middle")
        for step, label in enumerate(labels)
        if step % every == 0
    ]
    height = max(HEIGHT + 22, int(max(label_y.values(), default=0.0)) + 8)
    ends = [f"{name} from {number(line[0])} to {number(line[-1])}" for name, line in series.items() if line]
    content = [axes(LEFT, 8, HEIGHT, LEFT + WIDTH), *bands_behind, *drawn, *ticks]
    return drawing(LEFT + WIDTH + 110, height, content, "Lines: " + ", ".join(ends))


def running_best(values: Sequence[tuple[int, float]]) -> Markup:
    """Draw values as dots and the greatest value so far as a line; empty if there are no values.

    Parameters
    ----------
    values : sequence of (int, float)
        The number and the value of each trial, in order.
    """
    if not values:
        return Markup("")
    low, high = min(v for _, v in values), max(v for _, v in values)
    span, last = (high - low) or 1.0, max(values[-1][0], 1)

    def place(trial: int, value: float) -> tuple[float, float]:
        return 40 + trial / last * 320, 180 - (value - low) / span * 160

    best, so_far = low, []
    dots = []
    for trial, value in values:
        best = max(best, value)
        so_far.append(place(trial, best))
        x, y = place(trial, value)
        dots.append(element("circle", class_="bar", cx=x, cy=y, r=4))
    ticks = [text(34, 184, f"{low:.3f}", "end"), text(34, 24, f"{high:.3f}", "end")]
    description = f"{len(values)} trials from {low:.3g} to {high:.3g}; the line is the best so far"
    return drawing(380, 200, [path(so_far, "line own"), *dots, *ticks], description)


def _range(
    series: Mapping[str, Sequence[float]], intervals: Mapping[str, Sequence[Estimate]]
) -> tuple[float, float, float]:
    """The lower and upper end of the vertical axis, and the margin that is part of them."""
    values = [value for line in series.values() for value in line if value == value]
    values += [end for line in intervals.values() for e in line for end in (e.low, e.high) if end == end]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin, margin


def _label_positions(series: Mapping[str, Sequence[float]], place: Place) -> dict[str, float]:
    """The vertical positions of the names, at the ends of their lines and clear of each other."""
    ends = sorted((place(len(line) - 1, line[-1])[1], name) for name, line in series.items())
    positions: dict[str, float] = {}
    previous = -100.0
    for y, name in ends:
        previous = max(y + 4, previous + 12)
        positions[name] = previous
    return positions


def _band(interval: Sequence[Estimate], place: Place, css_class: str) -> Markup:
    edge = [place(step, e.high) for step, e in enumerate(interval)]
    edge += [place(step, e.low) for step, e in reversed(list(enumerate(interval)))]
    return path(edge, css_class, closed=True)
