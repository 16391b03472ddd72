"""`shortlist experiment report`: from the server's event store to a verdict and a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.errors import DataError, suggestion
from shortlist.experiments.analyse import (
    Effect,
    ExperimentResult,
    ExposedPeople,
    analyse,
    analyse_interleaved,
)
from shortlist.metrics.significance import Estimate
from shortlist.report.charts import bars
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
    Verdict,
    tone_of,
)
from shortlist.report.formats import number
from shortlist.report.render import render_page
from shortlist.store.event_store import EventStore

DAY = 86_400_000


def report_experiments(
    project: Project, store: EventStore, placement: str | None = None
) -> list[ExperimentResult]:
    """Return the result of every experiment of a project.

    An experiment that runs in several placements has a result for all of them together, then one for each.

    Parameters
    ----------
    project
        Its experiments and placements.
    store
        The slates and events.
    placement
        Only this placement: slates of others are no exposures, and only events that name a slate of it count as outcomes.

    Raises
    ------
    DataError
        The project has no experiment, or not the placement.
    """
    if not project.experiments:
        raise DataError(
            "the project has no experiment; add [experiments.NAME] with arms and a metric (docs/how-to/experiments.md)",
            field="experiments",
        )
    if placement is not None and placement not in project.placements:
        raise DataError(
            f"the project has no placement {placement!r}{suggestion(placement, project.placements)}; there are: "
            f"{', '.join(project.placements) or 'none'}",
            field="placement",
        )
    found = []
    for name, experiment in project.experiments.items():
        places = project.placements_of(name) or list(project.placements)
        wanted: list[str | None] = [placement] if placement in places else []
        if placement is None:
            wanted = [None, *places] if len(places) > 1 else [None]
        of = _interleaved if experiment.method == "interleave" else _arms
        found += [of(name, project, store, place) for place in wanted]
    return found


def exposed(name: str, project: Project, store: EventStore, placement: str | None = None) -> ExposedPeople:
    """Return the people who were shown a slate under an experiment, with what they did before and after.

    With a placement, only its slates count, and of what people did afterwards only what followed them.
    """
    experiment = project.experiments[name]
    arms = list(experiment.arms)
    first: dict[str, int] = {}
    arm: dict[str, int] = {}
    moved: set[str] = set()
    shown: set[str] = set()
    for slate in store.slates():
        mine = slate.arms.get(name)
        if mine not in arms or placement not in {None, slate.placement}:
            continue
        user = str(slate.user)
        if placement is not None:
            shown.add(slate.slate_id)
        first.setdefault(user, slate.time)
        if arm.setdefault(user, arms.index(mine)) != arms.index(mine):
            moved.add(user)
    users = [u for u in arm if u not in moved]
    at = {user: row for row, user in enumerate(users)}
    metrics = list(dict.fromkeys([experiment.metric, *experiment.guard_rails]))
    outcome = {m: np.zeros(len(users)) for m in metrics}
    before = {m: np.zeros(len(users)) for m in metrics}
    for event in store.events():
        row = at.get(str(event.user))
        if row is None:
            continue
        after = event.time >= first[str(event.user)]
        if after and placement is not None and event.slate not in shown:
            continue
        for m in metrics:
            worth = _worth(project.objectives[m], event.kind, event.value)
            (outcome if after else before)[m][row] += worth
    start = min(first.values(), default=0)
    day = np.array([(first[u] - start) // DAY for u in users], np.int64)
    shares = [a.share for a in experiment.arms.values()]
    return ExposedPeople(
        arms, shares, np.array([arm[u] for u in users], np.int64), outcome, before, day, len(moved)
    )


def _arms(name: str, project: Project, store: EventStore, placement: str | None) -> ExperimentResult:
    people, experiment = exposed(name, project, store, placement), project.experiments[name]
    found = analyse(name, people, experiment.metric, experiment.guard_rails, experiment.people)
    return replace(found, placement=placement)


def _interleaved(name: str, project: Project, store: EventStore, placement: str | None) -> ExperimentResult:
    experiment = project.experiments[name]
    teams: dict[str, tuple[str, dict[str, int]]] = {}
    for slate in store.slates():
        if slate.teams is not None and name in slate.arms and placement in {None, slate.placement}:
            teams[slate.slate_id] = (
                str(slate.user),
                {str(i): t for i, t in zip(slate.items, slate.teams, strict=True)},
            )
    users = {user: row for row, user in enumerate(dict.fromkeys(u for u, _ in teams.values()))}
    credit = np.zeros((len(users), 2))
    for event in store.events():
        if event.slate in teams:
            user, team = teams[event.slate]
            if str(event.item) in team:
                worth = _worth(project.objectives[experiment.metric], event.kind, event.value)
                credit[users[user], team[str(event.item)]] += worth
    found = analyse_interleaved(name, list(experiment.arms), credit, max(experiment.people // 10, 50))
    return replace(found, placement=placement)


def _worth(objective: Objective, kind: str, value: float | None) -> float:
    if kind not in objective.events:
        return 0.0
    amount = 0.0 if value is None else value
    if objective.at_least is not None and amount < objective.at_least:
        return 0.0
    return 1.0 if objective.kind == "probability" else amount


def experiments_page(project: Project, results: Sequence[ExperimentResult]) -> str:
    """Return all experiments as one HTML file, each with its verdict first."""
    blocks: list[Block] = []
    for result in results:
        blocks += _experiment(result)
    blocks.append(
        Paragraph(
            "People count from their first exposure. The 95 % intervals hold at all looks together, so the page may be "
            "read every day. Behaviour before the exposure is used to narrow the intervals (CUPED)."
        )
    )
    return render_page(Document(f"{project.name}: experiments", [], blocks, project.simulated))


def _experiment(result: ExperimentResult) -> list[Block]:
    blocks: list[Block] = [Heading(result.title), Verdict(result.verdict(), bad=result.broken)]
    if result.moved:
        text = f"{result.moved:,} people were shown more than one arm and are left out."
        blocks.append(Notice("People in several arms", [text]))
    if result.effects and not result.broken:
        columns = [
            "",
            next(iter(result.arms)),
            "this arm",
            "difference",
            "",
            "variance explained by the past",
        ]
        blocks.append(TableBlock(columns, [_effect_row(effect) for effect in result.effects]))
        chart = bars(_relative_effects(result.effects))
        blocks.append(FigureGrid([Figure("Change in %", "with intervals that hold at every look", chart)]))
    counts = "; ".join(f"{arm}: {n:,} people" for arm, n in result.arms.items())
    facts = {"exposed": counts, "sample_ratio_p": f"{result.mismatch:.3g}", **result.facts}
    return [*blocks, FactList(facts)]


def _effect_row(effect: Effect) -> TableRow:
    e = effect.difference
    return TableRow(
        f"{effect.arm}: {effect.metric}{' (guard-rail)' if effect.guard_rail else ''}",
        [
            number(effect.base),
            number(effect.mean),
            TableCell(f"{e.value:+.4g}", f"{e.low:+.4g} to {e.high:+.4g}"),
            TableCell(effect.verdict, tone=tone_of(e)),
            f"{effect.explained:.0%}",
        ],
    )


def _relative_effects(effects: Sequence[Effect]) -> dict[str, Estimate]:
    """The effects in per cent of the mean of the first arm; an effect without such a mean is left out."""
    return {
        f"{effect.arm}: {effect.metric}": Estimate(
            100 * effect.difference.value / effect.base,
            100 * effect.difference.low / effect.base,
            100 * effect.difference.high / effect.base,
        )
        for effect in effects
        if effect.base
    }
