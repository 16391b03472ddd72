"""The report for people: one table in the terminal, one HTML file that opens offline."""

from __future__ import annotations

import html
from typing import Any

from rich import box
from rich.table import Table

from shortlist.evaluate.protocol import Report
from shortlist.evaluate.significance import Estimate, verdict

ABOUT = {
    "ndcg": "Are relevant items near the top? The main metric here.",
    "recall": "Which share of what was relevant is on the slate?",
    "map": "Precision at each hit, averaged: rewards every hit, early ones more.",
    "mrr": "How early is the first hit? Later hits do not count.",
    "hit_rate": "Is anything relevant on the slate at all?",
    "novelty": "How little known the items are, in bits. High is not good by itself.",
    "diversity": "How unlike each other the items of a slate are.",
    "coverage": "Which share of the catalogue appears on anyone's slate?",
    "true": "Simulated worlds only: what is truly expected of a shown item. No bias of the log touches it.",
}


def text_table(report: Report) -> Table:
    """The metrics as a table that fits a terminal of 80 columns; the best of each column is bold."""
    names = _metrics(report)
    title = f"{report.name}{' (simulated)' if report.simulated else ''}: {report.facts['people']:,} people, slates of {report.k}"
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption=f"tested from {report.facts['test_from']} on; 95 % intervals by bootstrap",
    )
    table.add_column("", no_wrap=True)
    table.add_column("ndcg", justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    short = {
        "hit_rate": "hits",
        "novelty": "novel",
        "diversity": "div",
        "coverage": "cov",
    }
    names = _in_terminal(names)
    for name in names[1:]:
        plain = name.partition("@")[0]
        if plain.startswith("true_"):
            plain = f"TRUE {plain[5:]}"
        table.add_column(short.get(plain, plain), justify="right", no_wrap=True)
    best = {name: max(m[name].value for m in report.metrics.values() if name in m) for name in names}
    for recommender, metrics in report.metrics.items():
        cells = []
        for name in names:
            value = metrics[name].value
            number = f"{value:.1f}" if name.startswith("novelty") or value >= 10 else _short(value)
            cells.append(f"[bold]{number}[/]" if metrics[name].value == best[name] else number)
        main = metrics[report.main]
        cells.insert(1, f"{_short(main.low)}-{_short(main.high)}")
        table.add_row(f"[bold]{recommender}[/]" if recommender == "shortlist" else recommender, *cells)
    return table


def _in_terminal(names: list[str]) -> list[str]:
    """What fits: with several truths, the first two, and less of the rest."""
    true = [n for n in names if n.startswith("true_")]
    dropped = set(true[2:])
    if len(true) > 1:
        dropped |= {n for n in names if n.startswith(("mrr", "map", "hit_rate", "novelty"))}
    return [n for n in names if n not in dropped]


def _about(name: str) -> str:
    plain = name.partition("@")[0]
    return ABOUT.get("true" if plain.startswith("true_") else plain, "")


def _short(value: float) -> str:
    """ ".039" for shares: three digits that count, no zero before them."""
    return f"{value:.3f}".removeprefix("0")[:4]


def _metrics(report: Report) -> list[str]:
    return list(report.metrics["shortlist"])


def html_report(report: Report) -> str:
    """The whole report as one HTML file without any outside part."""
    names = _metrics(report)
    head = "".join(f"<th title='{html.escape(_about(n))}'>{html.escape(n)}</th>" for n in names)
    rows = "".join(
        f"<tr{' class=own' if r == 'shortlist' else ''}><th>{html.escape(r)}</th>"
        + "".join(f"<td>{m[n].value:.4f}<small>{m[n].low:.3f}–{m[n].high:.3f}</small></td>" for n in names)
        + "</tr>"
        for r, m in report.metrics.items()
    )
    plots = "".join(
        f"<figure><figcaption><b>{html.escape(n)}</b> {html.escape(_about(n))}</figcaption>{bars({r: m[n] for r, m in report.metrics.items()})}</figure>"
        for n in names
    )
    differences = "".join(
        f"<tr><th>shortlist − {html.escape(o)}</th><td>{d.value:+.4f}</td><td>{d.low:+.4f} to {d.high:+.4f}</td><td class='{verdict(d).split()[0]}'>{verdict(d)}</td></tr>"
        for o, d in report.differences.items()
    )
    importance = "".join(
        f"<figure><figcaption><b>{html.escape(o)}</b> what its trees rest on</figcaption>{bars({f: Estimate(v, v, v) for f, v in list(shares.items())[:10]})}</figure>"
        for o, shares in report.importance.items()
    )
    calibration = "".join(
        f"<figure><figcaption><b>{html.escape(o)}</b> {html.escape(r.sentence())}</figcaption>{r.plot()}</figure>"
        for o, r in report.calibration.items()
    )
    facts = "".join(
        f"<li>{html.escape(k.replace('_', ' '))}: <b>{html.escape(_fact(v))}</b></li>"
        for k, v in report.facts.items()
    )
    body = f"""<p class="verdict">{html.escape(report.verdict())}</p>
<h2>All metrics</h2><p>Small: 95 % interval from the bootstrap over people. Every recommender ranked the whole catalogue for the same people.</p>
<div class="wide"><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>
<h2>Differences in {html.escape(report.main)}</h2><table><tbody>{differences}</tbody></table>
<h2>Side by side</h2><div class="plots">{plots}</div>
<h2>Do predictions mean what they say?</h2><p>Examples of the test, in bins by prediction: across, what was predicted; up, what happened. On the line, both agree.</p><div class="plots">{calibration}</div>
<h2>What the ranker looks at</h2><div class="plots">{importance}</div>
<h2>How it was measured</h2><ul>{facts}</ul>
<p>Learnt from what came before the test, asked once for each person who acts in it, with the history up to its start. Items already taken are neither shown nor counted.</p>"""
    return page(f"{report.name}: evaluation", body, report.simulated)


def page(title: str, body: str, simulated: bool = False) -> str:
    """One HTML file without any outside part, in the look that all reports share."""
    note = "<p class=note>A simulated world: nobody here is real.</p>" if simulated else ""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>{note}
{body}
</body></html>"""


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def bars(values: dict[str, Estimate]) -> str:
    """Horizontal bars with whiskers, as SVG."""
    most = max((e.high for e in values.values() if e.high == e.high), default=0.0) or 1.0
    left, width, height = 130, 300, 24
    rows = []
    for at, (name, e) in enumerate(values.items()):
        y, scale = at * height + 4, width / most
        own = " own" if name == "shortlist" else ""
        rows.append(
            f"<text x='{left - 8}' y='{y + 12}' text-anchor='end'>{html.escape(name)}</text>"
            f"<rect class='bar{own}' x='{left}' y='{y}' width='{max(e.value, 0) * scale:.1f}' height='15' rx='2'/>"
            + (
                f"<path class='whisker' d='M{left + e.low * scale:.1f} {y + 7.5}H{left + e.high * scale:.1f}'/>"
                if e.high > e.low
                else ""
            )
            + f"<text x='{left + max(e.high, 0) * scale + 6:.1f}' y='{y + 12}'>{e.value:.3f}</text>"
        )
    return (
        f"<svg viewBox='0 0 {left + width + 60} {len(values) * height + 6}' role='img'>{''.join(rows)}</svg>"
    )


STYLE = """:root{color-scheme:light dark;--ink:#17211f;--line:#d5dedc;--accent:#0f766e;--bar:#b9c7c4;--bg:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eeec;--line:#33413f;--accent:#4fc3b5;--bar:#4b5c59;--bg:#121918}}
body{font:15px/1.5 system-ui,'DejaVu Sans',sans-serif;color:var(--ink);background:var(--bg);max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin-top:2rem}.verdict{font-size:1.15rem;border-left:4px solid var(--accent);padding:.4rem .9rem}
.note{color:#8a5a00}.wide{overflow-x:auto}table{border-collapse:collapse}th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
tbody th{text-align:left;font-weight:500}small{display:block;opacity:.65;font-size:.72rem}.own th,.own td{font-weight:700;color:var(--accent)}
.better{color:var(--accent);font-weight:700}.worse{color:#c2410c;font-weight:700}.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(24rem,1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:.6rem;padding:.8rem}figcaption{font-size:.85rem;margin-bottom:.4rem}svg{width:100%;height:auto;font-size:11px}svg text{fill:var(--ink)}
.bar{fill:var(--bar)}.bar.own{fill:var(--accent)}.whisker{stroke:var(--ink);stroke-width:1.6}@media print{body{margin:0}.plots{display:block}}"""
