"""The client for programs without asyncio."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from shortlist_client.queue import EventQueue, log, warn
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
from shortlist_client.tokens import TokenSource, UserToken


class Client(Session):
    """Recommendations and events of a Shortlist server.

    `recommend`, `page`, `rank`, `similar`, `similar_users`, `audience` and `why` ask; `change_item`, `change_user` and their likes change
    what is known; `track` queues an event and returns at once; `send` stores events and waits for the answer. A request that fails for a time is repeated, and an event counts once however often it is sent. A client can be used from
    several threads. Events that wait are sent when the client is closed, and at the end of the program.

    Parameters
    ----------
    url
        Address of the server, with the path prefix if it has one.
    options
        See `ClientOptions`.
    transport
        A transport of httpx instead of the usual one.

    Raises
    ------
    ApiError
        By every method that asks the server: with the server's sentence, the status and the field.
    """

    def __init__(
        self, url: str, *, transport: httpx.BaseTransport | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        super().__init__(url, options)
        http = httpx.Client(timeout=self._timeout, headers=self._headers, transport=transport)
        self._way = _Way(self.url, http, self._timeout, self._retries, self._token)
        self._sender = _Sender(self._way, options)
        self._finalizer = weakref.finalize(self, self._sender.end)  # also at the end of the program

    def recommend(self, **request: Unpack[RecommendRequest]) -> Slate:
        """Ask for a slate: the best items for a user or a history."""
        return self._slate(self.request(Call("POST", "/v1/recommend", self._about_user(request))))

    def page(self, **request: Unpack[PageRequest]) -> Page:
        """Ask for a page of rows, with no item twice."""
        return self._page(self.request(Call("POST", "/v1/page", self._about_user(request))))

    def rank(self, items: Iterable[GivenItem], **request: Unpack[RankRequest]) -> Slate:
        """Order a given list of items for a user; every item comes back."""
        return self._slate(self.request(self._rank_call(items, request)))

    def similar(self, item: Id, n: int | None = None, by: str | None = None) -> list[ItemAnswer]:
        """Ask for items similar to one; `by` names one source instead of the usual order."""
        return [ItemAnswer.read(row) for row in self.request(similar_call(item, n, by))["items"]]

    def similar_users(self, user: Id, n: int | None = None) -> list[SimilarUserAnswer]:
        """Ask for users who took the most similar items."""
        return [SimilarUserAnswer.read(row) for row in self.request(similar_users_call(user, n))["users"]]

    def audience(self, **request: Unpack[AudienceRequest]) -> AudienceAnswer:
        """Ask for the best users for each of some items, or for what filters permit."""
        return self._audience(self.request(Call("POST", "/v1/audience", request)))

    def why(self, item: Id, **request: Unpack[RecommendRequest]) -> WhyAnswer:
        """Ask why an item is, or is not, in the slate of a request."""
        return WhyAnswer.read(
            self.request(Call("POST", "/v1/why", {**self._about_user(request), "item": item}))
        )

    def change_user(self, user: Id, attributes: Mapping[str, Any]) -> UserChanged:
        """Change attributes of a user, known or new; they count from the next request on."""
        body = {"attributes": dict(attributes)}
        return UserChanged.read(self.request(Call("PUT", path_of("users", user), body)))

    def change_users(self, users: Sequence[NamedUserBody]) -> UsersChanged:
        """Do the same for many users: all are checked, then all are stored."""
        return UsersChanged.read(self.request(Call("PUT", "/v1/users", {"users": list(users)})))

    def erase_user(self, user: Id) -> UserErased:
        """Delete what is stored of a user, everywhere on the server."""
        return UserErased.read(self.request(Call("DELETE", path_of("users", user))))

    def export_user(self, user: Id) -> UserExport:
        """Ask for all that the server holds of a user."""
        return UserExport.read(self.request(Call("GET", f"{path_of('users', user)}/export")))

    def change_item(self, item: Id, change: ItemChange) -> ItemChanged:
        """Add an item, or change its title and attributes; it counts from the next request on."""
        return ItemChanged.read(self.request(Call("PUT", path_of("items", item), change)))

    def change_items(self, items: Sequence[NamedItemChange]) -> ItemsChanged:
        """Do the same for many items: all are checked, then all are stored."""
        return ItemsChanged.read(self.request(Call("PUT", "/v1/items", {"items": list(items)})))

    def retire_item(self, item: Id) -> ItemRetired:
        """Show an item no more; its events stay. `change_item(item, {"retired": False})` brings it back."""
        return ItemRetired.read(self.request(Call("DELETE", path_of("items", item))))

    def track(self, kind: str, item: Id | ItemAnswer, /, **options: Unpack[TrackOptions]) -> str:
        """Queue an event and return its id; the slate that showed the item is sent along."""
        event = self.event(kind, item, **options)
        self._sender.add(event)
        return str(event["event_id"])

    def send(self, events: Sequence[EventBody]) -> EventsAnswer:
        """Store events now, all or none."""
        return EventsAnswer.read(self.request(self._events_call(events)))

    def identify(self, user: Id | None, user_token: TokenSource = None) -> None:
        """Change whom requests and events are about, with the token of the new user. Events that wait are sent before."""
        self.flush()
        self._become(user, user_token)

    def flush(self) -> int:
        """Send the events that wait. Returns how many still wait, because the server does not take them at the moment."""
        return self._sender.flush()

    def close(self) -> int:
        """Send the events that wait, and close the connections. Returns how many could not be sent."""
        self._finalizer.detach()
        return self._sender.end()

    def request(self, call: Call) -> Any:
        """Send any other request of the interface, with the same key, timeout, retries and errors."""
        return self._way.send(call)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Way:
    """How requests reach the server."""

    url: str
    http: httpx.Client
    timeout: float
    retries: int
    token: UserToken

    def send(self, call: Call) -> Any:
        """Send a request, and again after a failure that is temporary."""
        attempt, renewed = 0, False
        while True:
            attempt += 1
            try:
                try:
                    answer = self.http.request(call.method, self.url + call.path, json=self.token.body(call))
                except httpx.TransportError as error:
                    raise no_answer(error, self.timeout) from error
                return parse_answer(answer.status_code, answer.text, answer.headers)
            except ApiError as error:
                if not renewed and self.token.renew(error):
                    renewed = True
                    continue
                time.sleep(wait_before(error, attempt, self.retries))


class _Sender:
    """Sends events on a thread of its own, which starts with the first event; it knows nothing of its client."""

    def __init__(self, way: _Way, options: ClientOptions) -> None:
        self._way = way
        self._queue = EventQueue(options.get("batch_size", 50), options.get("on_error", warn))
        self._interval = options.get("flush_interval", 2.0)
        self._changed = threading.Condition()
        self._sends = threading.Lock()
        self._thread: threading.Thread | None = None
        self._due: float | None = None

    def add(self, event: EventBody) -> None:
        with self._changed:
            self._queue.add(event)
            if self._queue.full:
                self._due = 0.0
            elif self._due is None:
                self._due = time.monotonic() + self._interval
            if self._thread is None or not self._thread.is_alive():  # it does not survive a fork
                self._thread = threading.Thread(target=self._run, name="shortlist-events", daemon=True)
                self._thread.start()
            self._changed.notify()

    def flush(self) -> int:
        with self._sends:
            wait: float | None = None
            while wait is None:
                with self._changed:
                    self._due = None
                    batch = self._queue.take()
                if not batch:
                    break
                wait = self._sent(batch)
            return len(self._queue)

    def end(self) -> int:
        with self._changed:
            self._thread = None
            self._changed.notify()
        left = self.flush()
        if left:
            log.warning("%d events were not sent before the end", left)
        self._way.http.close()
        return left

    def _sent(self, batch: list[EventBody]) -> float | None:
        try:
            self._way.send(Call("POST", "/v1/events", {"events": batch}))
        except ApiError as error:
            with self._changed:
                wait = self._queue.failed(error)
                if wait is not None:
                    self._due = time.monotonic() + wait
            return wait
        with self._changed:
            self._queue.accepted()
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._due is None or (left := self._due - time.monotonic()) > 0:
                    if self._thread is not threading.current_thread():
                        return
                    self._changed.wait(None if self._due is None else left)
            self.flush()
