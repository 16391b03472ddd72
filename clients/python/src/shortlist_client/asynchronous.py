"""The client for programs with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, Unpack

import httpx

from shortlist_client.answers import (
    AudienceAnswer,
    EventsAnswer,
    ItemAnswer,
    ItemChanged,
    ItemRetired,
    ItemsChanged,
    Page,
    SimilarUserAnswer,
    Slate,
    UserChanged,
    UserErased,
    UserExport,
    UsersChanged,
    WhyAnswer,
)
from shortlist_client.errors import ApiError, parse_answer
from shortlist_client.queue import EventQueue, warn
from shortlist_client.requests import (
    AudienceRequest,
    Call,
    ClientOptions,
    EventBody,
    GivenItem,
    Id,
    ItemChange,
    NamedItemChange,
    NamedUserBody,
    PageRequest,
    RankRequest,
    RecommendRequest,
    TrackOptions,
    path_of,
    similar_call,
    similar_users_call,
)
from shortlist_client.retry import wait_before
from shortlist_client.session import Session, no_answer
from shortlist_client.tokens import TokenSource


class AsyncClient(Session):
    """`Client` for asyncio: the same methods, to await; `track` and `event` return at once.

    Events are sent by a task of the loop that is running when the first is tracked. Close the client, or use `async with`: the end of
    a loop waits for nobody.

    Parameters
    ----------
    url
        Address of the server, with the path prefix if it has one.
    options
        See `ClientOptions`.
    transport
        A transport of httpx instead of the usual one.
    """

    def __init__(
        self, url: str, *, transport: httpx.AsyncBaseTransport | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        super().__init__(url, options)
        self._http = httpx.AsyncClient(timeout=self._timeout, headers=self._headers, transport=transport)
        self._queue = EventQueue(options.get("batch_size", 50), options.get("on_error", warn))
        self._interval = options.get("flush_interval", 2.0)
        self._sends = asyncio.Lock()
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def recommend(self, **request: Unpack[RecommendRequest]) -> Slate:
        """Ask for a slate: the best items for a user or a history."""
        return self._slate(await self.request(Call("POST", "/v1/recommend", self._about_user(request))))

    async def page(self, **request: Unpack[PageRequest]) -> Page:
        """Ask for a page of rows, with no item twice."""
        return self._page(await self.request(Call("POST", "/v1/page", self._about_user(request))))

    async def rank(self, items: Iterable[GivenItem], **request: Unpack[RankRequest]) -> Slate:
        """Order a given list of items for a user; every item comes back."""
        return self._slate(await self.request(self._rank_call(items, request)))

    async def similar(self, item: Id, n: int | None = None, by: str | None = None) -> list[ItemAnswer]:
        """Ask for items similar to one; `by` names one source instead of the usual order."""
        return [ItemAnswer.read(row) for row in (await self.request(similar_call(item, n, by)))["items"]]

    async def similar_users(self, user: Id, n: int | None = None) -> list[SimilarUserAnswer]:
        """Ask for users who took the most similar items."""
        return [
            SimilarUserAnswer.read(row) for row in (await self.request(similar_users_call(user, n)))["users"]
        ]

    async def audience(self, **request: Unpack[AudienceRequest]) -> AudienceAnswer:
        """Ask for the best users for each of some items, or for what filters permit."""
        return self._audience(await self.request(Call("POST", "/v1/audience", request)))

    async def why(self, item: Id, **request: Unpack[RecommendRequest]) -> WhyAnswer:
        """Ask why an item is, or is not, in the slate of a request."""
        return WhyAnswer.read(
            await self.request(Call("POST", "/v1/why", {**self._about_user(request), "item": item}))
        )

    async def change_user(self, user: Id, attributes: Mapping[str, Any]) -> UserChanged:
        """Change attributes of a user, known or new; they count from the next request on."""
        body = {"attributes": dict(attributes)}
        return UserChanged.read(await self.request(Call("PUT", path_of("users", user), body)))

    async def change_users(self, users: Sequence[NamedUserBody]) -> UsersChanged:
        """Do the same for many users: all are checked, then all are stored."""
        return UsersChanged.read(await self.request(Call("PUT", "/v1/users", {"users": list(users)})))

    async def erase_user(self, user: Id) -> UserErased:
        """Delete what is stored of a user, everywhere on the server."""
        return UserErased.read(await self.request(Call("DELETE", path_of("users", user))))

    async def export_user(self, user: Id) -> UserExport:
        """Ask for all that the server holds of a user."""
        return UserExport.read(await self.request(Call("GET", f"{path_of('users', user)}/export")))

    async def change_item(self, item: Id, change: ItemChange) -> ItemChanged:
        """Add an item, or change its title and attributes; it counts from the next request on."""
        return ItemChanged.read(await self.request(Call("PUT", path_of("items", item), change)))

    async def change_items(self, items: Sequence[NamedItemChange]) -> ItemsChanged:
        """Do the same for many items: all are checked, then all are stored."""
        return ItemsChanged.read(await self.request(Call("PUT", "/v1/items", {"items": list(items)})))

    async def retire_item(self, item: Id) -> ItemRetired:
        """Show an item no more; its events stay. `change_item(item, {"retired": False})` brings it back."""
        return ItemRetired.read(await self.request(Call("DELETE", path_of("items", item))))

    def track(self, kind: str, item: Id | ItemAnswer, /, **options: Unpack[TrackOptions]) -> str:
        """Queue an event and return its id; the slate that showed the item is sent along."""
        event = self.event(kind, item, **options)
        self._queue.add(event)
        if self._queue.full:
            self._full.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return str(event["event_id"])

    async def send(self, events: Sequence[EventBody]) -> EventsAnswer:
        """Store events now, all or none."""
        return EventsAnswer.read(await self.request(self._events_call(events)))

    async def identify(self, user: Id | None, user_token: TokenSource = None) -> None:
        """Change whom requests and events are about, with the token of the new user. Events that wait are sent before."""
        await self.flush()
        self._become(user, user_token)

    async def flush(self) -> int:
        """Send the events that wait. Returns how many still wait, because the server does not take them at the moment."""
        await self._drain()
        return len(self._queue)

    async def close(self) -> int:
        """Send the events that wait, and close the connections. Returns how many could not be sent."""
        left = await self.flush()
        if self._task is not None:
            self._task.cancel()
        await self._http.aclose()
        return left

    async def request(self, call: Call) -> Any:
        """Send any other request of the interface, with the same key, timeout, retries and errors."""
        attempt, renewed = 0, False
        while True:
            attempt += 1
            try:
                try:
                    token = self._token
                    body = await asyncio.to_thread(token.body, call) if token.asks else token.body(call)
                    answer = await self._http.request(call.method, self.url + call.path, json=body)
                except httpx.TransportError as error:
                    raise no_answer(error, self._timeout) from error
                return parse_answer(answer.status_code, answer.text, answer.headers)
            except ApiError as error:
                if not renewed and self._token.renew(error):
                    renewed = True
                    continue
                await asyncio.sleep(wait_before(error, attempt, self._retries))

    async def _run(self) -> None:
        """Send until nothing waits."""
        wait = self._interval
        while len(self._queue):
            try:
                async with asyncio.timeout(wait):
                    await self._full.wait()
            except TimeoutError:
                pass
            wait = await self._drain() or self._interval

    async def _drain(self) -> float | None:
        """Send all that waits. Returns the seconds until the server should be asked again; None where all is sent."""
        async with self._sends:
            self._full.clear()
            while batch := self._queue.take():
                try:
                    await self.request(Call("POST", "/v1/events", {"events": batch}))
                except ApiError as error:
                    wait = self._queue.failed(error)
                    if wait is not None:
                        return wait
                else:
                    self._queue.accepted()
            return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
