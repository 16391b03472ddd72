"""What a server shows, and how it is remembered.

A request is answered under the experiments that are running: each person's arm changes the request's defaults, or two arms'
rankings are interleaved on one slate. Every slate is kept with its id, positions, propensities, policy version and arms. Slates are
written behind the answer, a few hundred at a time: an answer does not wait for the disk, and an event that names a slate is stored
after it. What is not yet written when a server is killed is lost; of events nothing is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shortlist.data.store import EventStore, StoredSlate
from shortlist.errors import RequestError
from shortlist.evaluate.experiment.assign import arm_of
from shortlist.evaluate.experiment.interleave import team_draft
from shortlist.recommender import Recommender
from shortlist.slate import Slate

WAITING = 500
"""Slates that wait for the disk at most."""


class Shower:
    """Answers requests and keeps what was shown."""

    def __init__(self, recommender: Recommender, store: EventStore) -> None:
        self.recommender, self.store = recommender, store
        self.experiments = recommender.project.experiments
        self.changes = {
            name: {arm: a.model_dump(exclude={"share"}) for arm, a in e.arms.items()}
            for name, e in self.experiments.items()
        }
        self.waiting: list[StoredSlate] = []

    def show(self, wanted: dict[str, Any]) -> tuple[Slate, dict[str, str]]:
        """The slate for a request (the arguments of `Recommender.recommend`), and the person's arms. What a request says itself
        goes before what an arm says."""
        user = wanted.get("user")
        arms: dict[str, str] = {}
        drafted: tuple[str, list[dict[str, Any]]] | None = None
        for name, experiment in self.experiments.items() if user is not None else ():
            if experiment.method == "interleave":
                sides = [self._under(wanted, change) for change in self.changes[name].values()]
                drafted, arms[name] = (name, sides), "interleaved"
            else:
                arms[name] = arm_of(name, experiment, user)
                wanted = self._under(wanted, self.changes[name][arms[name]])
        if drafted is None:
            slate, teams = self.recommender.recommend(**wanted), None
            chances: list[float | None] = [r.propensity for r in slate.items]
        else:
            a, b = (self.recommender.recommend(**side) for side in drafted[1])
            found = {r.item: r for r in (*b.items, *a.items)}
            items, teams = team_draft(
                [r.item for r in a.items], [r.item for r in b.items], wanted["n"], int(a.slate_id[:15], 16)
            )
            slate = replace(a, items=[found[i] for i in items], policy=f"{a.policy}+{b.policy}")
            chances = [None] * len(
                items
            )  # a draft of two rankings: the chance of each place is not written down
        if len(self.waiting) >= WAITING:
            self.flush()
        self.waiting.append(
            StoredSlate(
                slate.slate_id,
                user,
                self.recommender.now(),
                slate.policy,
                [r.item for r in slate.items],
                chances,
                arms,
                teams,
                wanted.get("context") or {},
            )
        )
        return slate, arms

    def flush(self) -> None:
        """Write what waits."""
        batch, self.waiting = self.waiting, []
        self.store.add_slates(batch)

    def _under(self, wanted: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
        changed = dict(wanted)
        for name, value in arm.items():
            if value is None or value == {}:
                continue
            if isinstance(value, dict):
                given = changed.get(name) or {}
                if not isinstance(given, dict):
                    raise RequestError(f"{name} must be an object", field=name)
                changed[name] = {**value, **given}
            elif changed.get(name) is None:
                changed[name] = value
        return changed
