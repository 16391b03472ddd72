"""The slates a server answers, under experiments, and how they are kept.

A request is answered under the experiments that run: the arm of a user changes the request's defaults, or the
rankings of two arms are interleaved on one slate. Every slate is kept with its id, positions, propensities, policy and
arms by the writer, behind the answer: an answer does not wait for the disk. Slates that are not yet written when a
server is killed are lost; events are not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from shortlist.cascade.page import PageOfRows
from shortlist.cascade.stage_times import StageTimes
from shortlist.data.slates import Slate
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.interleave import team_draft
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.serve.cursors import CursorSigner
from shortlist.serve.live_models import LiveModels
from shortlist.serve.telemetry import Metrics
from shortlist.serve.writer import Writer
from shortlist.store.records import StoredSlate

_ITEM = attrgetter("item")


@dataclass(frozen=True)
class ServedSlate:
    """A slate with the arms it was made under and the seconds each stage took for its batch."""

    slate: Slate
    arms: dict[str, str]
    times: StageTimes

    def content(self, cursors: CursorSigner | None = None, timing: float | None = None) -> dict[str, Any]:
        """Return the answer as JSON has it, with a cursor that is signed where `cursors` are given; a given list has no guard-rails and pages.

        timing: when the request began (`time.perf_counter`), to add what each stage took.
        """
        slate = self.slate
        content: dict[str, Any] = {
            "slate_id": slate.slate_id,
            "model_version": slate.model_version,
            "user_known": slate.user_known,
            "unknown_items": slate.unknown_items,
            "policy": slate.policy,
            "warnings": slate.warnings,
            "experiments": self.arms,
            "items": slate.items,
        }
        if slate.given is None:
            content |= {
                "guard_rails": slate.guard_rails,
                "first_position": slate.first_position,
                "cursor": slate.cursor if cursors is None else cursors.sign(slate.cursor),
            }
        if timing is not None:
            stages = {stage: round(seconds * 1000, 3) for stage, seconds in self.times.items()}
            content["timing"] = {**stages, "total": round((time.perf_counter() - timing) * 1000, 3)}
        return content


@dataclass(frozen=True)
class _Assigned:
    """A request under its arms; `sides`: with interleaving, the two requests whose rankings are mixed."""

    request: RecommendRequest
    recommender: Recommender
    arms: dict[str, str]
    sides: tuple[RecommendRequest, ...] = ()


class SlateService:
    """Answers requests and keeps the slates that were shown."""

    def __init__(self, live: LiveModels, writer: Writer, metrics: Metrics) -> None:
        self.live, self.writer, self.metrics = live, writer, metrics

    def answer(self, requests: Sequence[RecommendRequest]) -> list[ServedSlate | Exception]:
        """The slate for each request, or the error that it caused; one wrong request does not affect the others.

        A field that a request sets itself goes before what an arm says, and that before what its placement says.
        """
        answers: list[ServedSlate | Exception] = [RuntimeError("not answered")] * len(requests)
        groups: dict[int, list[tuple[int, _Assigned]]] = {}
        for at, request in enumerate(requests):
            try:
                assigned = self._assign(request)
            except Exception as error:  # noqa: BLE001 - it belongs to this request alone
                answers[at] = error
            else:
                groups.setdefault(id(assigned.recommender), []).append((at, assigned))
        for group in groups.values():
            found = self._answer([assigned for _, assigned in group])
            for (at, _), answer in zip(group, found, strict=True):
                answers[at] = answer
        return answers

    def rank(self, request: RecommendRequest, items: Any) -> ServedSlate:
        """Order a given list, and keep it as a slate with its given numbers. Raises `RequestError`.

        Under interleaving, the orders of two arms are drafted into one.
        """
        one, times = self._assign(request), StageTimes()
        orders = [one.recommender.rank(side, items, times=times) for side in (one.sides or (one.request,))]
        slate, teams = (orders[0], None) if len(orders) == 1 else _interleaved(one, orders[0], orders[1])
        _behind_the_answer(self._record_list, one, slate, teams, times)
        return ServedSlate(slate, one.arms, times)

    def _record_list(self, one: _Assigned, slate: Slate, teams: list[int] | None, times: StageTimes) -> None:
        """Count a given list that was ranked, and keep it."""
        self.metrics.record_list(slate, times)
        self.metrics.drifts.contexts.append(one.request.context)
        self._keep(one, slate, teams)

    def page(self, request: RecommendRequest, rows: int) -> PageOfRows:
        """A page of rows; each row is kept as a slate of its own."""
        recommender = self.live.of(request.user)
        page = recommender.page(request, rows)
        self.metrics.record_page(page, request.placement or "")
        self.metrics.drifts.contexts.append(request.context)
        for number, row in enumerate(page.rows):
            self.writer.keep(
                StoredSlate(
                    f"{page.page_id}-{number}",
                    request.user,
                    recommender.now(),
                    f"{page.model_version}-row-{row.kind}",
                    [r.item for r in row.items],
                    [r.propensity for r in row.items],
                    {},
                    None,
                    dict(request.context or {}),
                    placement=request.placement or "",
                )
            )
        return page

    def _answer(self, group: list[_Assigned]) -> list[ServedSlate | Exception]:
        """Requests for one recommender, together; where one of them fails, one by one."""
        times = StageTimes()
        try:
            asked = [side for one in group for side in (one.sides or (one.request,))]
            slates = iter(group[0].recommender.answer(asked, times))
            made = [
                _interleaved(one, next(slates), next(slates)) if one.sides else (next(slates), None)
                for one in group
            ]
        except Exception as error:  # noqa: BLE001 - the request that caused it is found by asking alone
            if len(group) == 1:
                return [error]
            return [answer for one in group for answer in self._answer([one])]
        self.metrics.record_slates([slate for slate, _ in made], times)
        group[0].recommender.state.record_served(slate for slate, _ in made)
        for one, (slate, teams) in zip(group, made, strict=True):
            self.metrics.drifts.contexts.append(one.request.context)
            self._keep(one, slate, teams)
        return [ServedSlate(slate, one.arms, times) for one, (slate, _) in zip(group, made, strict=True)]

    def _keep(self, one: _Assigned, slate: Slate, teams: list[int] | None) -> None:
        propensities: list[float | None]
        if teams:  # of a draft of two rankings, the propensity of each place is not recorded
            propensities = [None] * len(slate)
        elif slate.given is not None:  # nothing of a given list is left to chance
            propensities = [1.0] * len(slate)
        else:
            propensities = [r.propensity for r in slate.items]
        self.writer.keep(
            StoredSlate(
                slate.slate_id,
                one.request.user,
                one.recommender.now(),
                slate.policy,
                list(map(_ITEM, slate.items)),
                propensities,
                one.arms,
                teams,
                dict(one.request.context or {}),
                slate.given,
                slate.first_position,
                slate.placement,
            )
        )

    def _assign(self, request: RecommendRequest) -> _Assigned:
        """Find the arms of a request's user, and the request as they and its placement change it."""
        recommender = self.live.of(request.user)
        project = recommender.project
        experiments = project.experiments_at(request.placement or "")
        if request.user is None or not experiments:
            return _Assigned(request.placed(project.placements), recommender, {})
        arms: dict[str, str] = {}
        sides: tuple[RecommendRequest, ...] = ()
        for name, experiment in experiments.items():
            if experiment.method == "interleave":
                sides = tuple(
                    request.merged(arm.request_fields()).placed(project.placements)
                    for arm in experiment.arms.values()
                )
                arms[name] = "interleaved"
            else:
                arms[name] = assign_arm(name, experiment, request.user)
                request = request.merged(experiment.arms[arms[name]].request_fields())
        return _Assigned(request.placed(project.placements), recommender, arms, sides)


def _behind_the_answer(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in the next turn of the event loop: the answer leaves in this one, and no later request is looked at before.

    At once where there is no loop.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        function(*arguments)
    else:
        loop.call_soon(function, *arguments)


def _interleaved(one: _Assigned, first: Slate, second: Slate) -> tuple[Slate, list[int]]:
    """One slate drafted from the rankings of two arms, and the team of each item; a given list is drafted as a whole."""
    found = {r.item: r for r in (*second.items, *first.items)}
    items, teams = team_draft(
        [r.item for r in first.items],
        [r.item for r in second.items],
        one.request.size if first.given is None else len(first),
        int(first.slate_id[:15], 16),
    )
    policy = f"{first.policy}+{second.policy}"
    return replace(
        first, items=[found[item] for item in items], policy=policy, given=_given_of(first, items)
    ), teams


def _given_of(slate: Slate, items: Sequence[Any]) -> dict[str, list[float | None]] | None:
    """The given numbers of a slate for its items in another order."""
    if slate.given is None:
        return None
    place = {r.item: at for at, r in enumerate(slate.items)}
    return {name: [numbers[place[item]] for item in items] for name, numbers in slate.given.items()}
