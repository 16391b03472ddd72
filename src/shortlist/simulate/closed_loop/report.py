"""The report of a closed-loop simulation: sentences, tables for a terminal, and an HTML page."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from shortlist.metrics.significance import Estimate
from shortlist.report.charts import bands, bars
from shortlist.report.document import (
    Document,
    FactList,
    Figure,
    FigureGrid,
    Heading,
    Paragraph,
    TableBlock,
    TableCell,
    TableRow,
    estimate_cell,
    tone_of,
)
from shortlist.report.formats import number
from shortlist.report.render import render_page
from shortlist.simulate.closed_loop.measures import (
    DESCRIPTIONS,
    DISCOVERED,
    DISCOVERY,
    MEASURES,
    OUTCOME,
    PER_VISIT,
)
from shortlist.simulate.closed_loop.policies import NO_EXPLORATION, RECIPE
from shortlist.simulate.closed_loop.result import LoopResult

TARGETS = {"als alone": 0.1, "random": 1.0}
"""Baseline → by which share a recipe must at least exceed it."""
METHOD = (
    "Every policy starts with the same users and the same log of the logging policy. Before each round it is retrained on all "
    "events that it has caused, and it observes every event as it happens."
)
INTERVALS = "Bands and intervals are over worlds (seeds); comparisons of two policies are paired by world."
ONE_WORLD = "There is one world, so there are no intervals: chance alone can explain a difference. Simulate more worlds (--seeds)."


def sentences(result: LoopResult) -> list[str]:
    """Summarise the gain of the recipe over the other policies; empty if the recipe did not take part."""
    if not result.has_recipe:
        return []
    gains = [
        f"{_gain_text(result.relative_gain(RECIPE, other))} over {other}"
        for other in result.values
        if other not in {RECIPE, NO_EXPLORATION}
    ]
    seeds = int(result.facts.get("seeds", 1))
    worlds = f"95 % intervals over {seeds} worlds" if seeds > 1 else "one world, no interval"
    found = [f"Gain of the recipe in {result.unit} per user: {'; '.join(gains)} ({worlds})."]
    missed = [
        f"{other} by {target:.0%}"
        for other, target in TARGETS.items()
        if other in result.values and result.relative_gain(RECIPE, other).value < target
    ]
    if missed:
        found.append(f"The recipe does not beat {' and '.join(missed)}, the targets for a recipe.")
    if NO_EXPLORATION in result.values:
        found.append(_exploration_sentence(result))
    return found


def _exploration_sentence(result: LoopResult) -> str:
    explored, plain = (result.estimate(policy, DISCOVERY).value for policy in (RECIPE, NO_EXPLORATION))
    gain = result.relative_gain(RECIPE, NO_EXPLORATION)
    effect = "costs" if gain.value < 0 else "gains"
    interval = f" ({gain.low:+.1%} to {gain.high:+.1%})" if gain.has_interval else ""
    return (
        f"With reserved exposure, {explored:.0%} of the new items were shown {DISCOVERED} times or more ({plain:.0%} without); "
        f"it {effect} {abs(gain.value):.1%} of the outcome{interval} over these rounds."
    )


def _gain_text(gain: Estimate | None) -> str:
    if gain is None:
        return ""
    if gain.has_interval:
        return f"{gain.value:+.0%} ({gain.low:+.0%} to {gain.high:+.0%})"
    return f"{gain.value:+.0%}"


def _description(result: LoopResult, measure: str) -> str:
    return DESCRIPTIONS[measure].format(unit=result.unit)


def text_tables(result: LoopResult) -> list[Table]:
    """Return the outcomes and the effects of feedback as tables for a terminal of 80 columns."""
    outcomes = _terminal_table(f"{result.name} (simulated): {_description(result, OUTCOME)} in each round")
    several = int(result.facts.get("seeds", 1)) > 1
    interval = ("95 %",) if several else ()
    for name in ("policy", "outcome", *interval, "gain of recipe", "first", "last"):
        outcomes.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for name in sorted(result.values, key=lambda policy: -result.estimate(policy).value):
        estimate, series = result.estimate(name), result.by_round(name)
        outcomes.add_row(
            Text(name, "bold" if name == RECIPE else ""),
            number(estimate.value),
            *((f"{number(estimate.low)} to {number(estimate.high)}",) if several else ()),
            _gain_text(result.recipe_gain(name)),
            number(series[0].value),
            number(series[-1].value),
        )
    effects = _terminal_table("Effects of feedback, over all rounds")
    measures = [measure for measure in MEASURES if measure not in {OUTCOME, PER_VISIT}]
    for name in ("policy", *measures):
        effects.add_column(name, justify="left" if name == "policy" else "right")
    for name in result.values:
        effects.add_row(Text(name), *(f"{result.estimate(name, m).value:.2f}" for m in measures))
    return [outcomes, effects]


def _terminal_table(title: str) -> Table:
    return Table(
        title=Text(title),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
    )


def loop_document(result: LoopResult) -> Document:
    """Describe the report as a document."""
    return Document(
        title=f"{result.name}: closed-loop simulation",
        verdicts=sentences(result),
        blocks=[
            FigureGrid(_figures(result)),
            Heading("Policies"),
            _policy_table(result),
            Paragraph(f"{METHOD} {INTERVALS if int(result.facts.get('seeds', 1)) > 1 else ONE_WORLD}"),
            FactList(result.facts),
        ],
        simulated=True,
    )


def loop_page(result: LoopResult) -> str:
    """Render the report as one HTML file."""
    return render_page(loop_document(result))


def _figures(result: LoopResult) -> list[Figure]:
    rounds = [str(number + 1) for number in range(int(result.facts.get("rounds", 1)))]

    def by_round(measure: str) -> Figure:
        series = {name: result.by_round(name, measure) for name in result.values}
        return Figure(measure, _description(result, measure), bands(series, rounds, RECIPE))

    overall = {name: result.estimate(name) for name in result.values}
    total = Figure("Over all rounds", _description(result, OUTCOME), bars(overall, RECIPE))
    return [by_round(OUTCOME), total, *(by_round(measure) for measure in MEASURES[1:])]


def _policy_table(result: LoopResult) -> TableBlock:
    rows = []
    for name in result.values:
        gain = result.recipe_gain(name)
        cells = [
            estimate_cell(result.estimate(name)),
            estimate_cell(result.estimate(name, PER_VISIT)),
            TableCell(_gain_text(gain), tone="" if gain is None else tone_of(gain)),
            TableCell(result.descriptions[name], wraps=True),
        ]
        rows.append(TableRow(name, cells, highlighted=name == RECIPE))
    columns = [
        "policy",
        f"{result.unit} per user and round",
        f"{result.unit} per visit",
        "gain of the recipe",
        "description",
    ]
    return TableBlock(columns, rows)
