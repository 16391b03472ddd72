"""Bar charts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from shortlist.metrics.significance import Estimate
from shortlist.report.charts.svg import classes, drawing, element, text
from shortlist.report.formats import number


def bars(values: Mapping[str, Estimate], highlighted: str = "shortlist") -> Markup:
    """Draw horizontal bars with their intervals, each below its name; negative values go to the left.

    The drawing is as wide as a phone, so that its texts are readable there.

    Parameters
    ----------
    values : mapping of str to Estimate
        A bar for each name, from top to bottom. A NaN keeps its name and has no bar.
    highlighted : str
        The name of the bar in the accent colour.
    """
    known = [e for e in values.values() if e.value == e.value]
    high = max([max(e.value, e.high) for e in known] + [0.0])
    low = min([min(e.value, e.low) for e in known] + [0.0])
    left, width, row_height = 4, 290, 36
    scale = width / ((high - low) or 1.0)
    zero = left - low * scale
    parts: list[Markup] = []
    for row, (name, e) in enumerate(values.items()):
        y = row * row_height + 18
        parts.append(text(left, y - 5, name))
        if e.value != e.value:
            continue
        start, size = min(zero, zero + e.value * scale), abs(e.value) * scale
        css_class = classes("bar", "own" if name == highlighted else "")
        parts.append(element("rect", class_=css_class, x=start, y=y, width=size, height=15, rx=2))
        if e.high > e.low:
            ends = f"M{zero + e.low * scale:.1f} {y + 7.5}H{zero + e.high * scale:.1f}"
            parts.append(element("path", class_="whisker", d=ends))
        parts.append(text(zero + max(e.value, e.high, 0.0) * scale + 6, y + 12, number(e.value)))
    description = "Bars: " + ", ".join(f"{name} {number(e.value)}" for name, e in values.items())
    return drawing(left + width + 70, len(values) * row_height + 6, parts, description)


def histogram(
    shares: Sequence[float], labels: Sequence[str], description: str, highlighted: Collection[int] = ()
) -> Markup:
    """Draw a histogram with its labels below and its shares above the bars.

    Parameters
    ----------
    shares : sequence of float
        The share of each bin.
    labels : sequence of str
        The name of each bin.
    description : str
        What the bins are, for screen readers.
    highlighted : collection of int
        The positions of the bins in the accent colour.
    """
    width, height, left = 330, 120, 8
    step = (width - left) / len(labels)
    most = max(shares) or 1.0
    parts: list[Markup] = []
    for position, (share, label) in enumerate(zip(shares, labels, strict=True)):
        size = share / most * (height - 18)
        x, middle = left + position * step + 1, left + (position + 0.5) * step
        css_class = classes("bar", "own" if position in highlighted else "")
        parts.append(element("rect", class_=css_class, x=x, y=height - size, width=step - 2, height=size))
        parts.append(text(middle, height + 14, label, "middle"))
        parts.append(text(middle, height - size - 4, f"{share:.0%}", "middle"))
    words = ", ".join(f"{share:.0%} {label}" for share, label in zip(shares, labels, strict=True))
    return drawing(width, height + 20, parts, f"{description}: {words}")


def distribution(shares: Sequence[float]) -> Markup:
    """Draw a small histogram for a table cell; the last bin holds the missing values."""
    most = max(shares, default=0.0) or 1.0
    parts = [
        element(
            "rect",
            class_=classes("bar", "" if position == len(shares) - 1 else "own"),
            x=position * 8,
            y=24 - 22 * share / most,
            width=7,
            height=22 * share / most,
        )
        for position, share in enumerate(shares)
    ]
    words = ", ".join(f"{share:.0%}" for share in shares)
    return drawing(max(len(shares), 1) * 8, 24, parts, f"Distribution: {words}", "inline")


def share_bar(share: float) -> Markup:
    """Draw a single small bar for a table cell; its length is the share of the largest value."""
    bar = element("rect", class_="bar own", x=0, y=8, width=48 * share, height=10)
    return drawing(48, 24, [bar], f"{share:.0%} of the largest", "inline")
