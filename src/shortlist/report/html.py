"""What all pages that Shortlist writes share: one HTML file without any outside part, light and dark, that prints."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from shortlist.metrics.significance import Estimate


def page(title: str, body: str, simulated: bool = False) -> str:
    """One HTML file without any outside part, in the look that all reports share."""
    note = "<p class=note>A simulated world: nobody here is real.</p>" if simulated else ""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>{note}
{body}
</body></html>"""


def rows_of(head: Sequence[str], rows: Sequence[Sequence[str]], own: Sequence[bool] | None = None) -> str:
    """A table; cells are HTML already, the first of each row is its heading."""
    # a heading without words is no heading
    top = "".join(f"<th scope=col>{cell}</th>" if cell else "<td></td>" for cell in head)
    body = "".join(
        f"<tr{' class=own' if own is not None and own[at] else ''}><th scope=row>{row[0]}</th>"
        + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for at, row in enumerate(rows)
    )
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def warnings(title: str, sentences: Sequence[str], kind: str = "caution") -> str:
    """A box of sentences; nothing where there are none."""
    if not sentences:
        return ""
    points = "".join(f"<li>{html.escape(s)}</li>" for s in sentences)
    return f"<section class='box {kind}'><h2>{html.escape(title)}</h2><ul>{points}</ul></section>"


def facts_list(facts: dict[str, Any]) -> str:
    return "<ul class=facts>" + "".join(
        f"<li>{html.escape(k.replace('_', ' '))}: <b>{html.escape(_fact(v))}</b></li>" for k, v in facts.items()
    ) + "</ul>"  # fmt: skip


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{str(k).replace('_', ' ')} {_fact(v)}" for k, v in value.items())
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"


def number(value: float) -> str:
    """Three or four digits that count, as many as the size needs."""
    if value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def cell(e: Estimate) -> str:
    """A number with its interval under it."""
    if e.value != e.value:
        return "–"
    return f"{number(e.value)}<small>{number(e.low)} to {number(e.high)}</small>"


def bars(values: dict[str, Estimate], own: str = "shortlist") -> str:
    """Horizontal bars with whiskers, as SVG; below zero they go to the left."""
    known = [e for e in values.values() if e.value == e.value]
    most = max([e.high for e in known] + [0.0])
    least = min([e.low for e in known] + [0.0])
    left = 12 + 7 * max([len(n) for n in values] + [8])
    width, height = 300, 24
    scale = width / ((most - least) or 1.0)
    zero = left - least * scale
    rows = []
    for at, (name, e) in enumerate(values.items()):
        y = at * height + 4
        if e.value != e.value:
            rows.append(f"<text x='{left - 8}' y='{y + 12}' text-anchor='end'>{html.escape(name)}</text>")
            continue
        mine = " own" if name == own else ""
        start, size = min(zero, zero + e.value * scale), abs(e.value) * scale
        rows.append(
            f"<text x='{left - 8}' y='{y + 12}' text-anchor='end'>{html.escape(name)}</text>"
            f"<rect class='bar{mine}' x='{start:.1f}' y='{y}' width='{size:.1f}' height='15' rx='2'/>"
            + (
                f"<path class='whisker' d='M{zero + e.low * scale:.1f} {y + 7.5}H{zero + e.high * scale:.1f}'/>"
                if e.high > e.low
                else ""
            )
            + f"<text x='{zero + max(e.high, 0) * scale + 6:.1f}' y='{y + 12}'>{number(e.value)}</text>"
        )
    said = [f"{name} {number(e.value)}" for name, e in values.items()]
    return drawing(left + width + 70, len(values) * height + 6, "".join(rows), "Bars: " + ", ".join(said))


def drawing(width: float, height: float, inside: str, said: str, name: str = "") -> str:
    """An SVG with a name for those who cannot see it."""
    kind = f" class='{name}'" if name else ""
    return f"<svg viewBox='0 0 {width:.0f} {height:.0f}'{kind} role='img' aria-label='{html.escape(said, quote=True)}'>{inside}</svg>"


def bands(series: dict[str, list[Estimate]], labels: Sequence[str], own: str = "shortlist") -> str:
    """One line a name over the same steps with its intervals as a band, as SVG, named at its end."""
    return lines({name: [e.value for e in line] for name, line in series.items()}, labels, own, series)


def lines(
    series: dict[str, list[float]],
    labels: Sequence[str],
    own: str = "shortlist",
    around: dict[str, list[Estimate]] | None = None,
) -> str:
    """One line a name over the same steps, as SVG, named at its end. around: intervals, drawn as bands."""
    width, height, left = 420, 190, 46
    flat = [v for line in series.values() for v in line if v == v]
    flat += [v for line in (around or {}).values() for e in line for v in (e.low, e.high) if v == v]
    least, most = min(flat), max(flat)
    room = (most - least) * 0.06 or abs(most) * 0.1 or 1.0
    least, most = least - room, most + room
    steps = max(len(labels) - 1, 1)

    def at(step: int, value: float) -> tuple[float, float]:
        return left + step / steps * width, height - (value - least) / (most - least) * (height - 14)

    ends = sorted((at(len(line) - 1, line[-1])[1], name) for name, line in series.items())
    placed: dict[str, float] = {}
    below = -100.0
    for y, name in ends:  # names keep clear of each other
        below = max(y + 4, below + 12)
        placed[name] = below
    drawn: list[str] = []
    for name, line in series.items():
        path = "L".join("{:.1f} {:.1f}".format(*at(s, v)) for s, v in enumerate(line))
        mine = " own" if name == own else ""
        if around is not None and any(e.high > e.low for e in around[name]):
            edge = [at(s, e.high) for s, e in enumerate(around[name])]
            edge += [at(s, e.low) for s, e in reversed(list(enumerate(around[name])))]
            drawn.insert(
                0, f"<path class='band{mine}' d='M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in edge)}Z'/>"
            )
        drawn.append(
            f"<path class='line{mine}' d='M{path}' fill='none'/>"
            f"<text x='{left + width + 6}' y='{placed[name]:.1f}' class='end{mine}'>{html.escape(name)}</text>"
        )
    ticks = "".join(
        f"<text x='{left - 6}' y='{at(0, v)[1] + 4:.0f}' text-anchor='end'>{number(v)}</text>"
        for v in (least + room, (least + most) / 2, most - room)
    )
    ticks += "".join(
        f"<text x='{at(s, least)[0]:.0f}' y='{height + 16}' text-anchor='middle'>{html.escape(word)}</text>"
        for s, word in enumerate(labels)
        if s % max(1, len(labels) // 6) == 0
    )
    axes = f"<path class=whisker opacity='.4' d='M{left} 8V{height}H{left + width}' fill='none'/>"
    tall = max(height + 22, int(below) + 8)
    said = [f"{name} from {number(line[0])} to {number(line[-1])}" for name, line in series.items() if line]
    inside = f"{axes}{''.join(drawn)}{ticks}"
    return drawing(left + width + 110, tall, inside, "Lines: " + ", ".join(said))


def scatter(points: dict[str, tuple[float, float]], marked: set[str]) -> str:
    """Named points, x across and y up, as SVG; those that are marked stand out."""
    if not points:
        return ""
    width, height, left = 420, 230, 12
    xs, ys = [x for x, _ in points.values()], [y for _, y in points.values()]
    x0, y0 = min(xs), min(ys)
    wide, tall = (max(xs) - x0) or 1.0, (max(ys) - y0) or 1.0
    drawn, taken = [], list[tuple[float, float, float]]()
    for name, (x, y) in sorted(points.items(), key=lambda p: -p[1][1]):
        cx, cy = left + (x - x0) / wide * (width - 130), 14 + (1 - (y - y0) / tall) * (height - 34)
        kind = " bad" if name in marked else ""
        drawn.append(f"<circle class='dot{kind}' cx='{cx:.1f}' cy='{cy:.1f}' r='4'/>")
        # a name is written beside its point, moved down until it is clear of the others
        at, size = cy + 4, 6.2 * len(name)
        while (
            any(abs(at - b) < 11 and cx + 7 < r and a < cx + 7 + size for a, b, r in taken)
            and at < height + 60
        ):
            at += 3
        taken.append((cx + 7, at, cx + 7 + size))
        drawn.append(f"<text class='end{kind}' x='{cx + 7:.1f}' y='{at:.1f}'>{html.escape(name)}</text>")
    low = max([height, *(b + 6 for _, b, _ in taken)])
    axes = f"<path class=whisker opacity='.4' d='M{left - 6} 6V{low:.0f}H{width}' fill='none'/>"
    ends = f"<text x='{left - 6}' y='{low + 14:.0f}'>{number(x0)}</text><text x='{left + width - 130}' y='{low + 14:.0f}' text-anchor='middle'>{number(max(xs))}</text>"
    said = [f"{name} at {number(x)}, {number(y)}" for name, (x, y) in points.items()]
    return drawing(width + 10, low + 20, f"{axes}{''.join(drawn)}{ends}", "Points: " + ", ".join(said))


STYLE = """:root{color-scheme:light dark;--ink:#17211f;--soft:#4d5b58;--line:#d5dedc;--accent:#0f766e;--bar:#b9c7c4;--bg:#fff;--card:#fff;--bad:#b3360b;--badbg:#fdf0ea;--okbg:#eef7f5}
@media(prefers-color-scheme:dark){:root{--ink:#e8eeec;--soft:#a7b5b2;--line:#33413f;--accent:#4fc3b5;--bar:#4b5c59;--bg:#121918;--card:#182120;--bad:#ff9d70;--badbg:#33201a;--okbg:#17302c}}
body{font:15px/1.5 system-ui,'DejaVu Sans',sans-serif;color:var(--ink);background:var(--bg);max-width:76rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.4rem}h2{font-size:1.1rem;margin-top:2.2rem}p,li{max-width:60rem}.verdict{font-size:1.2rem;line-height:1.45;border-left:5px solid var(--accent);background:var(--okbg);padding:.7rem 1.1rem;border-radius:0 .5rem .5rem 0;max-width:none}
.verdict.bad{border-color:var(--bad);background:var(--badbg)}.note{color:var(--bad);font-weight:600;margin:.2rem 0}.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
thead th{font-size:.8rem;color:var(--soft);vertical-align:bottom}tbody th{text-align:left;font-weight:500}td.text{text-align:left;white-space:normal;min-width:14rem}small{display:block;color:var(--soft);font-size:.72rem}.ownc{color:var(--accent)}.own th,.own td{font-weight:700;color:var(--accent)}
.box{border:1px solid var(--line);border-left:5px solid var(--bad);background:var(--badbg);border-radius:0 .5rem .5rem 0;padding:.2rem 1.1rem .4rem;margin:1rem 0}.box h2{margin:.5rem 0 .2rem}.box ul{margin:.2rem 0;padding-left:1.1rem}
.better{color:var(--accent);font-weight:700}.worse{color:var(--bad);font-weight:700}.plots{display:grid;margin:1rem 0;grid-template-columns:repeat(auto-fill,minmax(24rem,1fr));gap:1rem}.facts{columns:2;font-size:.9rem}
figure{margin:0;border:1px solid var(--line);background:var(--card);border-radius:.6rem;padding:.8rem;break-inside:avoid}figcaption{font-size:.85rem;margin-bottom:.4rem;color:var(--soft)}figcaption b{color:var(--ink)}svg{width:100%;height:auto;font-size:11px}svg.square{max-width:22rem}svg text{fill:var(--ink)}
.bar{fill:var(--bar)}.bar.own{fill:var(--accent)}.whisker{stroke:var(--ink);stroke-width:1.6}.line{stroke:var(--bar);stroke-width:2}.line.own{stroke:var(--accent);stroke-width:3}.band{fill:var(--bar);opacity:.25}.band.own{fill:var(--accent);opacity:.22}.end.own{font-weight:700}.dot{fill:var(--accent)}.dot.bad,.end.bad{fill:var(--bad)}
@media(max-width:40rem){.facts{columns:1}.plots{grid-template-columns:1fr}}
@media print{@page{margin:14mm}body{margin:0;max-width:none;font-size:11px}.plots{grid-template-columns:1fr 1fr}.wide{overflow:visible}table{font-size:8px}th,td{padding:.15rem .25rem;white-space:normal}td.text{min-width:0}tr,figure,.box{break-inside:avoid}.verdict,.box,.bar,.bar.own{print-color-adjust:exact;-webkit-print-color-adjust:exact}}"""
