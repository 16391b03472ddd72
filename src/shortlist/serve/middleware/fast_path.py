"""A shorter way for the requests that are made most: a slate, and the order of a given list, without query parameters.

FastAPI finds the route, resolves its parameters and passes layers of its own. A POST without a query needs none of
that: its body is validated by the same schema, and the same function answers. Every other request, and every error,
takes FastAPI's way from the start, so that errors are reported in one place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError

from shortlist.data.json_text import as_json
from shortlist.errors import ShortlistError
from shortlist.serve.middleware.asgi import App, Message, Receive, Scope, Send
from shortlist.serve.routes.rank import ordered_list
from shortlist.serve.routes.recommend import recommendation
from shortlist.serve.schema import RankBody, RecommendBody
from shortlist.serve.service import Service

Answer = Callable[[Service, Any, Scope], Awaitable[dict[str, Any]]]
PATHS: dict[str, tuple[Callable[[bytes], Any], Answer]] = {
    "/v1/recommend": (RecommendBody.__pydantic_validator__.validate_json, recommendation),
    "/v1/rank": (RankBody.__pydantic_validator__.validate_json, ordered_list),
}
"""Path → what reads a body, and what answers it."""


class FastPath:
    """ASGI layer that answers plain requests for slates and for the order of given lists.

    `routes` are what FastAPI would find, by path; requests are named by them in metrics.
    """

    def __init__(self, app: App, service: Service, routes: dict[str, Any]) -> None:
        self.app, self.service, self.routes = app, service, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        plain = scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]
        if not plain or (found := PATHS.get(scope["path"])) is None:
            await self.app(scope, receive, send)
            return
        read_body, respond = found
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        try:
            body = read_body(b"".join(m.get("body", b"") for m in messages))
            content = await respond(self.service, body, scope)
        except (ValidationError, ShortlistError):
            await self.app(scope, _replay(messages, receive), send)
            return
        scope["route"] = self.routes[scope["path"]]
        answer = as_json(content)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """Receive the messages once more, then those that follow."""
    left = iter(messages)

    async def receive_again() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    return receive_again


def fast_routes(app: FastAPI) -> dict[str, Any]:
    """FastAPI's routes of the paths that are answered here."""
    return {path: route for route in app.routes if (path := getattr(route, "path", "")) in PATHS}
