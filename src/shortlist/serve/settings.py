"""How a server protects itself: which names and origins it answers, and how long it waits."""

from __future__ import annotations

import os

from pydantic import Field

from shortlist.config.base import Settings

VARIABLE = "SHORTLIST_SERVER"
"""The environment variable by which worker processes get these settings."""


class ServerSettings(Settings):
    """Settings of a server that do not belong to a project.

    The defaults are safe for a server without keys on this machine: it answers only requests that are addressed to this
    machine, and no page of another site can make a browser change anything.
    """

    hosts: tuple[str, ...] = ()
    """Further host names that requests may be addressed to; `*` for any. `localhost` and IP addresses always may be. A
    server with keys answers any name unless names are given."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may call the server from a browser (CORS), such as `https://shop.example`; `*` for any."""
    admin_without_key: bool = False
    """Whether models can be changed (`POST /v1/admin/…`) while there are no keys."""
    root_path: str = ""
    """Path prefix below which a reverse proxy serves the server, such as `/recs`."""
    workers: int = Field(1, ge=1)
    """Number of worker processes, among which the rate of a key is divided."""
    store_id: str | None = None
    """Id of the event store that the server was started with; a worker that starts again refuses another one."""
    body_seconds: float = Field(10.0, gt=0)
    """Longest time in which the body of a request must arrive, seconds."""

    @classmethod
    def from_environment(cls) -> ServerSettings:
        """Read the settings that `to_environment` wrote; the defaults where there are none."""
        return cls.model_validate_json(os.environ.get(VARIABLE) or "{}")

    def to_environment(self) -> None:
        """Hand the settings to worker processes that start from now on."""
        os.environ[VARIABLE] = self.model_dump_json()
