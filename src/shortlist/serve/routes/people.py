"""Attributes of users that change while serving, audiences, and similar users."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.cascade.answer_warnings import nobody_similar_warning
from shortlist.cascade.change_body import NamedUserBody, UserBody
from shortlist.data.entities import EntityChange
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.change_schema import UserChanged, UsersChanged
from shortlist.serve.middleware.paths import PathId
from shortlist.serve.routes.operations import in_parts, record_operations, wait_until_landed
from shortlist.serve.schema import (
    AudienceAnswer,
    AudienceBody,
    SimilarUsersAnswer,
    UsersBody,
)
from shortlist.serve.service import Service

MOST_USERS = 200_000
"""Users that an audience is chosen among over HTTP at most; `shortlist audience` has no such limit."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes about attributes of users, who suits an item, and who is like a user."""
    _add_attributes(app, service)
    _add_audiences(app, service)


def _add_attributes(app: FastAPI, service: Service) -> None:
    async def change(request: Request, users: Sequence[NamedUserBody], where: str) -> int:
        state = service.live.serving.recommender.state
        changes = [EntityChange(one.user, None, one.attributes) for one in users]
        async for start, part in in_parts(changes):  # all are checked before any is stored
            state.check_user_changes(part, where, start)
        own = service.live.serving.recommender.dataset.users.ids.own
        bodies = [(own(one.id), {"attributes": one.attributes}) for one in changes]
        row = await record_operations(service, request, "user", bodies)
        await wait_until_landed(service, row)
        return row

    @app.put("/v1/users/{user:id}", response_model=UserChanged, responses=ERRORS, tags=["people"])
    async def put(user: PathId, body: UserBody, request: Request) -> Response:
        """Change attributes of a user, known or new.

        They count from the next request on, on every replica within a second, and in the next training from the store.
        """
        named = NamedUserBody(user=user, attributes=body.attributes)
        return Json({"user": user, "row": await change(request, [named], "")})

    @app.put("/v1/users", response_model=UsersChanged, responses=ERRORS, tags=["people"])
    async def put_many(body: UsersBody, request: Request) -> Response:
        """The same for many users: all are checked, then all are stored."""
        return Json({"users": len(body.users), "row": await change(request, body.users, "users.{}.")})


def _add_audiences(app: FastAPI, service: Service) -> None:
    one_at_a_time = asyncio.Lock()

    def find(recommender: Recommender, body: AudienceBody) -> dict[str, Any]:
        options = {
            name: value
            for name in ("context", "weights", "filters")
            if (value := getattr(body, name)) is not None
        }
        found = recommender.audience(body.items, body.n, cap=body.cap, users=body.users, **options)
        return {
            "model_version": found.model_version,
            "considered": found.considered,
            "members": found.members,
            "warnings": found.warnings,
        }

    @app.post("/v1/audience", response_model=AudienceAnswer, responses=ERRORS, tags=["people"])
    async def audience(body: AudienceBody) -> Response:
        """The best users for each of some items, or for what filters permit, best first.

        It is computed beside the requests of users and takes about a millisecond a user; one audience at a time.
        """
        recommender = service.live.serving.recommender
        size = len(recommender.dataset.users) if body.users is None else len(body.users)
        if size > MOST_USERS:
            raise RequestError(
                f"users: {size:,} users are more than {MOST_USERS:,}; name some of them, or run `shortlist audience`",
                field="users",
            )
        async with one_at_a_time:
            return Json(await asyncio.to_thread(find, recommender, body))

    @app.get(
        "/v1/users/{user:id}/similar", response_model=SimilarUsersAnswer, responses=ERRORS, tags=["people"]
    )
    async def similar(user: PathId, n: int = 10) -> Response:
        """The users who took the most similar items, with the items in common that contribute most."""
        recommender = service.live.serving.recommender
        found = await asyncio.to_thread(recommender.similar_users, user, n)
        ids, state = recommender.dataset.users.ids, recommender.state
        known = state.knows(ids.own(user), ids.code(user))
        warnings = () if found else nobody_similar_warning(user, ids, known)
        return Json({"user": user, "user_known": known, "users": found, "warnings": warnings})
