"""What a server shows, and how it is remembered.

A request is answered under the experiments that are running: each person's arm changes the request's defaults, or two arms'
rankings are interleaved on one slate. Every slate is kept with its id, positions, propensities, policy version and arms, by the
writer, behind the answer: an answer does not wait for the disk. What is not yet written when a server is killed is lost; of
events nothing is.

Requests that wait together are answered together (`Gather`): the cascade works on batches, and most of what a request costs beside
its trees is the same for eight as for one. Nobody waits for company: what is there is taken.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import orjson

from shortlist.cascade.page import PageOfRows, make_page
from shortlist.cascade.timing import Laps
from shortlist.data.slates import Slate
from shortlist.errors import RequestError, ShortlistError
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.interleave import team_draft
from shortlist.recommender import Recommender
from shortlist.serve.live_models import Live
from shortlist.serve.telemetry import Metrics
from shortlist.serve.writer import Writer
from shortlist.store.records import StoredSlate

TOGETHER = 16
"""Requests of one batch at most: a batch is answered as a whole, so it must not be long."""


@dataclass(frozen=True)
class Shown:
    slate: Slate
    arms: dict[str, str]
    laps: Laps


@dataclass
class Asked:
    """A request under its arms. sides: with interleaving, the two requests whose rankings meet."""

    wanted: dict[str, Any]
    recommender: Recommender
    arms: dict[str, str]
    sides: list[dict[str, Any]] | None = None

    @property
    def alike(self) -> tuple[int, bytes] | None:
        """What requests must have in common to be answered together; None: this one is answered alone."""
        w = self.wanted
        if (
            self.sides
            or w.get("history") is not None
            or w.get("seed") is not None
            or w.get("now") is not None
            or w.get("after") is not None
        ):
            return None
        common = {k: v for k, v in w.items() if k not in {"user", "context"}}
        try:
            return id(self.recommender), orjson.dumps(common, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a text that UTF-8 cannot say
            return None


class Shower:
    """Answers requests and keeps what was shown."""

    def __init__(self, live: Live, writer: Writer, metrics: Metrics) -> None:
        self.live, self.writer, self.metrics = live, writer, metrics
        self._changes: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}

    def show(self, wanted: list[dict[str, Any]]) -> list[Shown | ShortlistError]:
        """The slates for some requests (each the arguments of `Recommender.recommend`), or what is wrong with a request. What a
        request says itself goes before what an arm says.
        """
        asked: list[Asked | ShortlistError] = []
        for one in wanted:
            try:
                asked.append(self._under_arms(one))
            except ShortlistError as error:
                asked.append(error)
        answers: list[Shown | ShortlistError] = [RequestError("not answered")] * len(wanted)
        groups: dict[Any, list[int]] = {}
        for at, a in enumerate(asked):
            if isinstance(a, ShortlistError):
                answers[at] = a
            else:
                groups.setdefault(a.alike or ("alone", at), []).append(at)
        for places in groups.values():
            some = [a for a in (asked[at] for at in places) if isinstance(a, Asked)]
            for at, answer in zip(places, self._answer(some), strict=True):
                answers[at] = answer
        return answers

    def page(self, wanted: dict[str, Any]) -> PageOfRows:
        """A page of rows; each row is kept as a slate of its own."""
        recommender = self.live.of(wanted.get("user"))
        page = make_page(recommender, **wanted)
        for at, row in enumerate(page.rows):
            self.writer.show(
                StoredSlate(
                    f"{page.page_id}-{at}",
                    wanted.get("user"),
                    recommender.now(),
                    f"{page.model_version}-row-{row.kind}",
                    [r.item for r in row.items],
                    [r.propensity for r in row.items],
                    {},
                    None,
                    wanted.get("context") or {},
                )
            )
        return page

    def _answer(self, some: list[Asked]) -> list[Shown | ShortlistError]:
        """Requests that are alike, together; where one of them is wrong, one by one."""
        try:
            if len(some) > 1:
                common = {
                    k: v for k, v in some[0].wanted.items() if k not in {"user", "context", "history", "seed"}
                }
                contexts = [a.wanted.get("context") or {} for a in some]
                slates = list(
                    some[0].recommender.recommend(
                        users=[a.wanted.get("user") for a in some],
                        context=contexts if any(contexts) else None,
                        **common,
                    )
                )
                teams: list[list[int] | None] = [None] * len(some)
            else:
                slate, team = self._alone(some[0])
                slates, teams = [slate], [team]
        except ShortlistError as error:
            if len(some) == 1:
                return [error]
            return [answer for a in some for answer in self._answer([a])]
        laps = some[0].recommender.stages
        self.metrics.shown(slates, laps)
        for a, slate, team in zip(some, slates, teams, strict=True):
            self._keep(a, slate, team)
        return [Shown(slate, a.arms, laps) for a, slate in zip(some, slates, strict=True)]

    def _alone(self, a: Asked) -> tuple[Slate, list[int] | None]:
        if a.sides is None:
            return a.recommender.recommend(**a.wanted), None
        one, two = (a.recommender.recommend(**side) for side in a.sides)
        found = {r.item: r for r in (*two.items, *one.items)}
        items, teams = team_draft(
            [r.item for r in one.items],
            [r.item for r in two.items],
            a.wanted["n"],
            int(one.slate_id[:15], 16),
        )
        return replace(one, items=[found[i] for i in items], policy=f"{one.policy}+{two.policy}"), teams

    def _keep(self, a: Asked, slate: Slate, teams: list[int] | None) -> None:
        a.recommender.showed(slate)
        # a draft of two rankings: the chance of each place is not written down
        chances: list[float | None] = [None if teams else r.propensity for r in slate.items]
        self.writer.show(
            StoredSlate(
                slate.slate_id,
                a.wanted.get("user"),
                a.recommender.now(),
                slate.policy,
                [r.item for r in slate.items],
                chances,
                a.arms,
                teams,
                a.wanted.get("context") or {},
            )
        )

    def _under_arms(self, wanted: dict[str, Any]) -> Asked:
        user = wanted.get("user")
        recommender = self.live.of(user)
        experiments = recommender.project.experiments
        if user is None or not experiments:
            return Asked(wanted, recommender, {})
        changes = self._changes_of(recommender)
        arms: dict[str, str] = {}
        drafted: list[dict[str, Any]] | None = None
        for name, experiment in experiments.items():
            if experiment.method == "interleave":
                drafted = [_under(wanted, change) for change in changes[name].values()]
                arms[name] = "interleaved"
            else:
                arms[name] = assign_arm(name, experiment, user)
                wanted = _under(wanted, changes[name][arms[name]])
        return Asked(wanted, recommender, arms, drafted)

    def _changes_of(self, recommender: Recommender) -> dict[str, dict[str, dict[str, Any]]]:
        if recommender.version not in self._changes:
            self._changes = {
                recommender.version: {
                    name: {arm: a.model_dump(exclude={"share"}) for arm, a in e.arms.items()}
                    for name, e in recommender.project.experiments.items()
                }
            }
        return self._changes[recommender.version]


def _under(wanted: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
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


class Gather:
    """Requests that are waiting, answered together."""

    def __init__(self, shower: Shower) -> None:
        self.shower = shower
        self.waiting: list[tuple[dict[str, Any], asyncio.Future[Shown]]] = []

    async def ask(self, wanted: dict[str, Any]) -> Shown:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Shown] = loop.create_future()
        if not self.waiting:
            loop.call_soon(self._settle, 1)
        self.waiting.append((wanted, done))
        return await done

    def _settle(self, seen: int) -> None:
        """Answer once a turn of the loop has brought nobody new: requests that came in while the batch before was made are a turn
        or two apart, and turns are microseconds.
        """
        if seen < len(self.waiting) < TOGETHER:
            asyncio.get_running_loop().call_soon(self._settle, len(self.waiting))
        else:
            self._answer()

    def _answer(self) -> None:
        batch, self.waiting = self.waiting[:TOGETHER], self.waiting[TOGETHER:]
        if self.waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        try:
            answers: list[Shown | BaseException] = [*self.shower.show([wanted for wanted, _ in batch])]
        except Exception as error:
            answers = [error] * len(batch)
        for (_, done), answer in zip(batch, answers, strict=True):
            if done.done():
                continue  # who asked has gone
            if isinstance(answer, Shown):
                done.set_result(answer)
            else:
                done.set_exception(answer)
