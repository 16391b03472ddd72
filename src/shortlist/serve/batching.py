"""Requests that wait at the same time are answered together.

The cascade works on batches, and most of what a request costs beside its trees is the same for eight as for one. No
request waits for others to arrive: those that are there are taken.
"""

from __future__ import annotations

import asyncio

from shortlist.requests import RecommendRequest
from shortlist.serve.slates import ServedSlate, SlateService

LARGEST = 16
"""Requests of one batch at most: a batch is answered as a whole, so it must not be long."""


class RequestBatcher:
    """Collects the requests of one turn of the event loop and answers them in one batch."""

    def __init__(self, slates: SlateService) -> None:
        self.slates = slates
        self._waiting: list[tuple[RecommendRequest, asyncio.Future[ServedSlate]]] = []

    async def answer(self, request: RecommendRequest) -> ServedSlate:
        """The slate for a request. Raises `RequestError` for a request that is wrong."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[ServedSlate] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._collect, 1)
        self._waiting.append((request, done))
        return await done

    def _collect(self, seen: int) -> None:
        """Answer once a turn of the loop has brought no new request.

        Requests that arrived while the batch before was made are a turn or two apart, and turns take microseconds.
        """
        if seen < len(self._waiting) < LARGEST:
            asyncio.get_running_loop().call_soon(self._collect, len(self._waiting))
        else:
            self._answer()

    def _answer(self) -> None:
        batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        try:
            answers: list[ServedSlate | Exception] = self.slates.answer([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait are told
            answers = [error] * len(batch)
        for (_, done), answer in zip(batch, answers, strict=True):
            if done.done():
                continue  # the client has gone
            if isinstance(answer, ServedSlate):
                done.set_result(answer)
            else:
                done.set_exception(answer)
