"""How a server protects itself: which names and origins it answers, and how long it waits."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError

from shortlist.config.base import Settings
from shortlist.errors import ShortlistError

VARIABLE = "SHORTLIST_SERVER"
"""The environment variable by which worker processes get these settings."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""Ports that browsers leave out of an origin."""


def _host(text: str) -> str:
    """Return a host name as it is compared: lower case, without brackets and without a dot at its end."""
    name = text.strip().lower().rstrip(".")
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if name != "*" and not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*", name):
        raise ShortlistError(
            f"{text!r} is not a host name; give it without scheme, port and path, such as recs.internal, or * for any",
            field="allowed_host",
        )
    return name


def _origin(text: str) -> str:
    """Return an origin as browsers send it: lower case, without a slash at its end and without the default port."""
    origin = text.strip().lower().rstrip("/")
    if origin != "*" and not re.fullmatch(
        r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d+)?", origin
    ):
        raise ShortlistError(
            f"{text!r} is not an origin; give scheme, host and port, such as https://shop.example, or * for any",
            field="cors_origin",
        )
    return origin.removesuffix(DEFAULT_PORTS.get(origin.partition("://")[0], "/"))


def _prefix(text: str) -> str:
    """Return a path prefix without a slash at its end; empty for the root."""
    prefix = text.strip().rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])*", prefix):
        raise ShortlistError(
            f"{text!r} is not a path prefix; it starts with a slash and has letters, digits, dots and dashes, such as /recs",
            field="root_path",
        )
    return prefix


class ServerSettings(Settings):
    """Settings of a server that do not belong to a project.

    The defaults are safe for a server without keys on this machine: it answers only requests that are addressed to this
    machine, and no page of another site can make a browser change anything.
    """

    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    """Further host names that requests may be addressed to; `*` for any. `localhost` and IP addresses always may be. A
    server with keys answers any name unless names are given."""
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Origins whose pages may call the server from a browser (CORS), such as `https://shop.example`; `*` for any."""
    admin_without_key: bool = False
    """Whether models can be changed (`POST /v1/admin/…`) while there are no keys."""
    root_path: Annotated[str, AfterValidator(_prefix)] = ""
    """Path prefix below which a reverse proxy serves the server, such as `/recs`; the proxy may remove it or
    leave it."""
    workers: int = Field(1, ge=1)
    """Number of worker processes, among which the rate of a key is divided."""
    store_id: str | None = None
    """Id of the event store that the server was started with; a worker that starts again refuses another one."""
    keyed: bool = False
    """Whether the server was started with API keys; a worker that starts again and finds none answers nobody."""
    second_key: Literal["auto", "always", "never"] = "auto"
    """Whether an operator's change must be approved with another key than it was proposed with. `auto`: as soon as two valid keys have the
    scope `approve`."""
    memory_limit: int | None = Field(None, ge=1)
    """Bytes that the bundles of the tenants have together which one worker has loaded (default: no limit)."""
    body_seconds: float = Field(10.0, gt=0)
    """Longest time in which the body of a request must arrive, seconds."""

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Make settings from the options of a command. Raises `ShortlistError`, which names the option."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            reason = first.get("ctx", {}).get("error")
            if isinstance(reason, ShortlistError):
                raise reason from None
            raise ShortlistError(first["msg"], field=".".join(map(str, first["loc"]))) from None

    @classmethod
    def from_environment(cls) -> ServerSettings:
        """Read the settings that `to_environment` wrote; the defaults where there are none."""
        return cls.model_validate_json(os.environ.get(VARIABLE) or "{}")

    def to_environment(self) -> None:
        """Hand the settings to worker processes that start from now on."""
        os.environ[VARIABLE] = self.model_dump_json()
