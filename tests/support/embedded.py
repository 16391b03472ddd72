"""The application of `shortlist serve` on a thread of this process."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server as Granian

from shortlist.serve.app import make_app
from shortlist.serve.settings import ServerSettings
from support.servers import free_port, wait_until_healthy


class EmbeddedServer:
    """A server for tests of what the application answers, not of how it runs.

    It starts in a fraction of the time of a `Server`, whose processes import all modules anew.

    Attributes
    ----------
    url : str
        Address of the server, without a trailing slash.
    """

    def __init__(self, bundle: Path, store: Path | str, settings: ServerSettings | None = None) -> None:
        self._begin(lambda: make_app(bundle, store, settings))

    @classmethod
    def of(cls, make: Callable[[], FastAPI]) -> EmbeddedServer:
        """Start the server of another application."""
        server = cls.__new__(cls)
        server._begin(make)
        return server

    def _begin(self, make: Callable[[], FastAPI]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        log = logging.getLogger("shortlist")
        before = log.handlers[:], log.propagate, log.level
        app = make()
        for handler in set(log.handlers) - set(
            before[0]
        ):  # this process is no server: other tests read its logs
            log.removeHandler(handler)
        log.propagate = before[1]
        log.setLevel(before[2])
        self._granian = Granian(app, "127.0.0.1", port, interface=Interfaces.ASGI, log_enabled=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until_healthy(self.url, self._thread.is_alive)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._granian.serve())

    def stop(self) -> None:
        """Stop the server in order."""
        self._loop.call_soon_threadsafe(self._granian.stop)
        self._thread.join(60)
