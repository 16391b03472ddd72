"""Objectives on kinds of events that are declared and hardly occur yet: they wait, and the others are learnt.

A shop that has only orders can declare `click` in `[data.kinds]` and write the objective for it today. Its server takes clicks from
the first hour on, and the objective joins at the first training that finds enough of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.log import Log
from shortlist.data.split import Cuts, stage_cuts
from shortlist.errors import DataError

ENOUGH = 50
"""So many events must fulfil an objective before it is learnt."""
ENOUGH_RECENT = 10
"""So many of them must be in the ranker's window, and in the validation slice."""


@dataclass(frozen=True)
class Readiness:
    """A project without the objectives that wait.

    Attributes
    ----------
    project
        The project to train; `project.waiting` holds the objectives that were left out.
    waiting
        Objective → why it waits, as a sentence.
    """

    project: Project
    waiting: Mapping[str, str]


def can_wait(project: Project, objective: Objective) -> bool:
    """Return whether an objective counts events of a declared kind, which the log may not have yet."""
    return any(kind in project.data.kinds for kind in objective.events)


def leave_out_waiting(project: Project, log: Log) -> Readiness:
    """Leave out the objectives that wait for events, and take in those that waited and have enough of them.

    Raises
    ------
    DataError
        Where a setting needs an objective that waits, or no objective with a weight is left.
    """
    objectives = {**project.objectives, **project.waiting}
    declared = {name: one for name, one in objectives.items() if can_wait(project, one)}
    if not declared:
        return Readiness(project, {})
    cuts = stage_cuts(log, project.evaluate)
    found = {name: _reason(log, objective, cuts) for name, objective in declared.items()}
    reasons = {name: reason for name, reason in found.items() if reason}
    changed = True
    while changed:  # an objective given another one waits for it
        dependent = [n for n, o in objectives.items() if o.given in reasons and n not in reasons]
        changed = bool(dependent)
        reasons |= {name: f"it is given {objectives[name].given!r}, which waits" for name in dependent}
    if not reasons and not project.waiting:
        return Readiness(project, {})
    ready = {name: one for name, one in objectives.items() if name not in reasons}
    _check_uses(project, reasons, ready)
    waiting = {name: objectives[name] for name in reasons}
    return Readiness(
        project.model_copy(update={"objectives": ready, "waiting": waiting}),
        {name: f"objective {name!r} waits: {reason}" for name, reason in reasons.items()},
    )


def _reason(log: Log, objective: Objective, cuts: Cuts) -> str:
    fulfilled = log.is_kind(objective.events, objective.at_least)
    count = int(fulfilled.sum())
    if count < ENOUGH:
        return f"{count} of {ENOUGH} events that it needs are there"
    window = fulfilled & (log.time >= cuts.ranker) & (log.time < cuts.validation)
    for where, rows in (
        ("ranker's window", window),
        ("validation slice", fulfilled & (log.time >= cuts.validation)),
    ):
        if rows.sum() < ENOUGH_RECENT:
            return f"{int(rows.sum())} of {ENOUGH_RECENT} events that it needs are in the {where}"
    return ""


def _check_uses(project: Project, reasons: Mapping[str, str], ready: Mapping[str, Objective]) -> None:
    """Raise where a setting needs an objective that waits: leaving the setting out would change what is asked for."""
    uses = [("evaluate.relevant", project.evaluate.relevant)]
    uses += [("utility.at_least", name) for name in project.utility.at_least]
    for title, experiment in project.experiments.items():
        field = f"experiments.{title}"
        uses += [(f"{field}.metric", experiment.metric)]
        uses += [(f"{field}.guard_rails", name) for name in experiment.guard_rails]
        for arm_name, arm in experiment.arms.items():
            uses += [(f"{field}.arms.{arm_name}", name) for name in (*arm.weights, *arm.at_least)]
    for field, name in uses:
        if name is not None and name in reasons:
            raise DataError(
                f"{project.where(field)}{field}: objective {name!r} waits ({reasons[name]}); take it out until it is learnt",
                field=field,
            )
    if not any(objective.weight for objective in ready.values()):
        raise DataError(
            f"{project.where('objectives')}objectives: all objectives with a weight wait "
            f"({'; '.join(f'{name}: {reason}' for name, reason in reasons.items())}); give one that is there a weight",
            field="objectives",
        )
