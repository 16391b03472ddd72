"""What both clients share: whom requests are about, where items were shown, requests and answers. Without any I/O."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import httpx

from shortlist_client.answers import AudienceAnswer, ItemAnswer, MemberAnswer, Page, Row, ShownItem, Slate
from shortlist_client.errors import ApiError
from shortlist_client.requests import Call, ClientOptions, EventBody, GivenItem, Id, TrackOptions
from shortlist_client.tokens import TokenSource, UserToken

REMEMBERED = 5_000
"""Items whose slate is remembered."""


class Session:
    """Base of the clients."""

    def __init__(self, url: str, options: ClientOptions) -> None:
        self.url = url.rstrip("/")
        self.user = options.get("user")
        self._token = UserToken(options.get("user_token"))
        self._retries = options.get("retries", 2)
        self._timeout = options.get("timeout", 10.0)
        key = options.get("key")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._slates: dict[str, str] = {}

    def event(self, kind: str, item: Id | ItemAnswer, /, **options: Unpack[TrackOptions]) -> EventBody:
        """Return an event as it is sent, with an id and the slate that showed the item. Raises `ApiError` without a user."""
        user = options.get("user", self.user)
        if user is None:
            raise ApiError("An event needs a user: give one to the client or to the event.", 0, "user")
        if isinstance(item, ItemAnswer):
            shown, slate = item.item, getattr(item, "slate_id", None)
        else:
            shown, slate = item, self._slates.get(str(item))
        made: EventBody = {"user": user, "item": shown, "kind": kind}
        made["event_id"] = options.get("event_id") or secrets.token_hex(16)
        if (slate := options.get("slate_id", slate)) is not None:
            made["slate_id"] = slate
        if "value" in options:
            made["value"] = options["value"]
        if "context" in options:
            made["context"] = options["context"]
        if "timestamp" in options:
            made["timestamp"] = options["timestamp"]
        return made

    def _become(self, user: Id | None, user_token: TokenSource) -> None:
        self.user = user
        self._token.replace(user_token)

    def _about_user(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self.user is None or "user" in request or "history" in request:
            return dict(request)
        return {**request, "user": self.user}

    def _rank_call(self, items: Iterable[GivenItem], request: Mapping[str, Any]) -> Call:
        return Call("POST", "/v1/rank", {**self._about_user(request), "items": list(items)})

    @staticmethod
    def _events_call(events: Sequence[EventBody]) -> Call:
        """Events without an id get one, so that a repeated request stores them once."""
        named = [{**event, "event_id": event.get("event_id") or secrets.token_hex(16)} for event in events]
        return Call("POST", "/v1/events", {"events": named})

    def _slate(self, data: Mapping[str, Any]) -> Slate:
        return Slate.read(data, items=self._shown(data))

    @staticmethod
    def _audience(data: Mapping[str, Any]) -> AudienceAnswer:
        return AudienceAnswer.read(data, members=[MemberAnswer.read(row) for row in data["members"]])

    def _page(self, data: Mapping[str, Any]) -> Page:
        return Page.read(data, rows=[Row.read(row, items=self._shown(row)) for row in data["rows"]])

    def _shown(self, slate: Mapping[str, Any]) -> list[ShownItem]:
        """Return the items of a slate, each with its slate and place; they are remembered."""
        for item in slate["items"]:
            self._slates.pop(str(item["item"]), None)  # the latest are last
            self._slates[str(item["item"])] = slate["slate_id"]
        while len(self._slates) > REMEMBERED:
            del self._slates[next(iter(self._slates))]
        return [
            ShownItem.read(item, slate_id=slate["slate_id"], position=position)
            for position, item in enumerate(slate["items"], slate.get("first_position", 0))
        ]


def no_answer(error: httpx.TransportError, timeout: float) -> ApiError:
    """Return the error of a request that nobody answered."""
    if isinstance(error, httpx.TimeoutException):
        return ApiError(f"The server did not answer within {timeout:g} seconds.", 0)
    return ApiError(f"The server cannot be reached: {error}", 0)
