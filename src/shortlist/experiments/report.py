"""`shortlist experiment report`: from the server's event store to a verdict and a page."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from shortlist.config.experiments import Experiment
from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.errors import DataError
from shortlist.experiments.analyse import ExperimentResult, ExposedPeople, analyse, analyse_interleaved
from shortlist.metrics.significance import Estimate
from shortlist.report.html import bars, facts_list, number, page, rows_of, warnings
from shortlist.store.event_store import EventStore

DAY = 86_400_000


def report_experiments(project: Project, store: EventStore) -> list[ExperimentResult]:
    """Every experiment of a project. Raises `DataError` where the project has none."""
    if not project.experiments:
        raise DataError(
            "the project has no experiment; add [experiments.NAME] with arms and a metric (docs/experiments.md)",
            field="experiments",
        )
    return [
        _interleaved(name, e, project, store) if e.method == "interleave" else _arms(name, e, project, store)
        for name, e in project.experiments.items()
    ]


def exposed(name: str, experiment: Experiment, project: Project, store: EventStore) -> ExposedPeople:
    """The people who were shown a slate under the experiment, with what they did before and after."""
    arms = list(experiment.arms)
    first: dict[str, int] = {}
    arm: dict[str, int] = {}
    moved: set[str] = set()
    for slate in store.slates():
        mine = slate.arms.get(name)
        if mine not in arms:
            continue
        user = str(slate.user)
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
        for m in metrics:
            worth = _worth(project.objectives[m], event.kind, event.value)
            (outcome if event.time >= first[str(event.user)] else before)[m][row] += worth
    start = min(first.values(), default=0)
    day = np.array([(first[u] - start) // DAY for u in users], np.int64)
    shares = [a.share for a in experiment.arms.values()]
    return ExposedPeople(
        arms, shares, np.array([arm[u] for u in users], np.int64), outcome, before, day, len(moved)
    )


def _arms(name: str, experiment: Experiment, project: Project, store: EventStore) -> ExperimentResult:
    people = exposed(name, experiment, project, store)
    return analyse(name, people, experiment.metric, experiment.guard_rails, experiment.people)


def _interleaved(name: str, experiment: Experiment, project: Project, store: EventStore) -> ExperimentResult:
    teams: dict[str, tuple[str, dict[str, int]]] = {}
    for slate in store.slates():
        if slate.teams is not None and name in slate.arms:
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
    return analyse_interleaved(name, list(experiment.arms), credit, max(experiment.people // 10, 50))


def _worth(objective: Objective, kind: str, value: float | None) -> float:
    if kind not in objective.events:
        return 0.0
    amount = 0.0 if value is None else value
    if objective.at_least is not None and amount < objective.at_least:
        return 0.0
    return 1.0 if objective.kind == "probability" else amount


def experiments_page(project: Project, outcomes: list[ExperimentResult]) -> str:
    """All experiments as one HTML file, the verdicts first."""
    parts = []
    for o in outcomes:
        bad = " bad" if o.broken else ""
        parts.append(f"<h2>{html.escape(o.name)}</h2><p class='verdict{bad}'>{html.escape(o.verdict())}</p>")
        counts = "; ".join(f"{arm}: {n:,} people" for arm, n in o.arms.items())
        facts: dict[str, Any] = {"exposed": counts, "sample_ratio_p": f"{o.mismatch:.3g}", **o.facts}
        if o.moved:
            parts.append(
                warnings(
                    "People in several arms",
                    [f"{o.moved:,} people were shown more than one arm and are left out."],
                )
            )
        if o.effects and not o.broken:
            rows = [
                [
                    f"{html.escape(e.arm)}: {html.escape(e.metric)}{' (guard-rail)' if e.guard_rail else ''}",
                    number(e.base),
                    number(e.mean),
                    f"{e.difference.value:+.4g}<small>{e.difference.low:+.4g} to {e.difference.high:+.4g}</small>",
                    f"<td class='{e.verdict.split()[0]}'>{e.verdict}</td>",
                    f"{e.explained:.0%}",
                ]
                for e in o.effects
            ]
            head = ["", next(iter(o.arms)), "this arm", "difference", "", "variance explained by the past"]
            parts.append(rows_of([html.escape(h) for h in head], rows))
            scaled = {
                f"{e.arm}: {e.metric}": Estimate(
                    *(100 * v / e.base for v in (e.difference.value, e.difference.low, e.difference.high))
                )
                for e in o.effects
                if e.base
            }
            parts.append(
                f"<div class=plots><figure><figcaption><b>Change in %</b> with intervals that hold at every look</figcaption>{bars(scaled)}</figure></div>"
            )
        parts.append(facts_list(facts))
    said = "<p>ExposedPeople are counted from their first exposure. Intervals hold at all looks together (95 %), so this page may be read every day. What people did before is used to narrow them (CUPED).</p>"
    return page(f"{project.name}: experiments", "".join(parts) + said, project.simulated)
