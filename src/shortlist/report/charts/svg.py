"""SVG elements as safe markup."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

Value = str | float | None


def element(tag: str, *children: str, **attributes: Value) -> Markup:
    """Make an SVG element. Children that are not `Markup` and all attribute values are escaped.

    Parameters
    ----------
    tag : str
        The name of the element.
    *children : str
        Its content.
    **attributes : str, float or None
        Its attributes; `class_` is `class`, `text_anchor` is `text-anchor`. Numbers are written with at most one
        decimal; None and "" are left out.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _value(value))
        for name, value in attributes.items()
        if value not in (None, "")
    )
    return Markup("<{0}{1}>{2}</{0}>").format(tag, written, Markup("").join(children))


def text(x: float, y: float, content: str, anchor: str = "", css_class: str = "") -> Markup:
    """A text; `anchor` is "", "middle" or "end"."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=css_class)


def path(points: Iterable[tuple[float, float]], css_class: str, closed: bool = False) -> Markup:
    """A path of straight lines through the points."""
    corners = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", d=f"M{corners}{'Z' if closed else ''}", class_=css_class)


def axes(left: float, top: float, bottom: float, right: float) -> Markup:
    """The vertical and the horizontal axis of a chart."""
    return element("path", d=f"M{left:.0f} {top:.0f}V{bottom:.0f}H{right:.0f}", class_="axis")


def drawing(
    width: float, height: float, content: Iterable[str], description: str, css_class: str = ""
) -> Markup:
    """An SVG image; `description` is its text alternative for screen readers."""
    return element(
        "svg",
        *content,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        class_=css_class,
        role="img",
        aria_label=description,
    )


def classes(*names: str) -> str:
    """Join the names of CSS classes; empty ones are left out."""
    return " ".join(name for name in names if name)


def _value(value: Value) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.1f}".removesuffix(".0")
