"""What a closed loop says: a verdict, round by round with intervals, and what feedback did."""

from __future__ import annotations

import html

from rich import box
from rich.table import Table

from shortlist.metrics.significance import Estimate
from shortlist.report.html import bands, bars, cell, facts_list, number, page, rows_of
from shortlist.simulate.closed_loop.run import MEASURES, SAYS, SEEN, Loop

AIMS = {"als alone": 0.1, "random": 1.0}
"""By how much a recipe is to beat what, at least."""


def sentences(loop: Loop) -> list[str]:
    """What the recipe brings against each of the others; nothing where the recipe did not play."""
    if "recipe" not in loop.values:
        return []
    said = []
    for other in loop.values:
        if other in {"recipe", "nothing new tried"}:
            continue
        said.append(f"{_more(loop.against('recipe', other))} against {other}")
    seeds = int(loop.facts.get("seeds", 1))
    first = f"In {loop.unit} a person, the recipe brings {'; '.join(said)} (95 % over {seeds} {'worlds' if seeds > 1 else 'world'})."
    missed = [
        f"{other} by {aim:.0%}" for other, aim in AIMS.items() if other in loop.values and loop.against("recipe", other).value < aim
    ]  # fmt: skip
    second = (
        f"It does not beat {' and '.join(missed)}, which is what a recipe is asked for." if missed else ""
    )
    third = ""
    if "nothing new tried" in loop.values:
        tried, plain = (loop.estimate(p, "new found") for p in ("recipe", "nothing new tried"))
        gain = loop.against("recipe", "nothing new tried")
        third = (
            f"With a first audience for new items, {tried.value:.0%} of those that came were shown {SEEN} times or more ({plain.value:.0%} without); it "
            f"{'costs' if gain.value < 0 else 'brings'} {abs(gain.value):.1%} ({gain.low:+.1%} to {gain.high:+.1%}) over these rounds."
        )
    return [s for s in (first, second, third) if s]


def _more(e: Estimate) -> str:
    if e.high > e.low:
        return f"{e.value:+.0%} ({e.low:+.0%} to {e.high:+.0%})"
    return f"{e.value:+.0%}"


def text_tables(loop: Loop) -> list[Table]:
    """For a terminal of 80 columns."""
    table = Table(
        title=f"{loop.name} (simulated): {SAYS['worth'].format(unit=loop.unit)}, each round",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
    )
    for name in ("policy", "brings", "95 %", "recipe brings more", "first", "last"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for name in sorted(loop.values, key=lambda n: -loop.estimate(n).value):
        e, lines = loop.estimate(name), loop.by_round(name)
        more = "" if name == "recipe" or "recipe" not in loop.values else _more(loop.against("recipe", name))
        shown = f"[bold]{name}[/]" if name == "recipe" else name
        table.add_row(
            shown, number(e.value), f"{number(e.low)} to {number(e.high)}", more, number(lines[0].value), number(lines[-1].value)
        )  # fmt: skip
    effects = Table(
        title="What feedback did, over all rounds", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), title_justify="left"
    )  # fmt: skip
    shown_measures = [m for m in MEASURES if m not in {"worth", "a visit"}]
    for name in ("policy", *shown_measures):
        effects.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for name in loop.values:
        effects.add_row(name, *(f"{loop.estimate(name, m).value:.2f}" for m in shown_measures))
    return [table, effects]


def loop_page(loop: Loop) -> str:
    """One HTML file."""
    verdict = "".join(f"<p class=verdict>{html.escape(s)}</p>" for s in sentences(loop))
    rounds = [str(r + 1) for r in range(int(loop.facts.get("rounds", 1)))]

    def plot(measure: str) -> str:
        series = {name: loop.by_round(name, measure) for name in loop.values}
        said = SAYS[measure].format(unit=loop.unit)
        return f"<figure><figcaption><b>{html.escape(measure)}</b> {html.escape(said)}</figcaption>{bands(series, rounds, 'recipe')}</figure>"

    overall = {name: loop.estimate(name) for name in loop.values}
    plots = f"<figure><figcaption><b>Over all rounds</b> {html.escape(SAYS['worth'].format(unit=loop.unit))}</figcaption>{bars(overall, 'recipe')}</figure>"
    plots = plot("worth") + plots + "".join(plot(m) for m in MEASURES[1:])
    rows = []
    for name in loop.values:
        more = None if name == "recipe" or "recipe" not in loop.values else loop.against("recipe", name)
        kind = (
            ""
            if more is None
            else " class=better"
            if more.low > 0
            else " class=worse"
            if more.high < 0
            else ""
        )
        rows.append(
            [
                html.escape(name),
                cell(loop.estimate(name)),
                cell(loop.estimate(name, "a visit")),
                f"<td{kind}>{'' if more is None else html.escape(_more(more))}</td>",
                f"<td class=text>{html.escape(loop.says[name])}</td>",
            ]
        )
    head = [
        "policy",
        f"{html.escape(loop.unit)} a person and round",
        f"{html.escape(loop.unit)} a visit",
        "the recipe brings more",
        "what it does",
    ]
    how = (
        "<p>Every policy begins from the same people and the same log of an older engine, is trained anew before each round on all that it has "
        "brought about, and is told of every event as it happens. The shaded bands and the intervals are over worlds (seeds), paired where two policies are "
        "compared.</p>"
    )
    body = f"{verdict}<div class=plots>{plots}</div><h2>The policies</h2>{rows_of(head, rows, [n == 'recipe' for n in loop.values])}{how}{facts_list(loop.facts)}"
    return page(f"{loop.name}: lived with, round by round", body, True)
