"""Which host names and origins a server answers.

A server on loopback has no keys by default, and every page that a browser of this machine shows can send requests to
it. Two checks keep such pages out. The **host** that a request is addressed to must be this machine or a name that was
allowed: a page that resolves its own name to 127.0.0.1 (DNS rebinding) still sends its own name. And a **change** must
not come from a page of another origin: browsers say so in `Sec-Fetch-Site` and `Origin`, which a page cannot forge.
Clients that are no browsers send neither header and are not affected.

References
----------
W3C, "Fetch Metadata Request Headers". OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
HOST = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::\d*)?")
"""A Host header: an IPv6 address in brackets or a name, and a port."""
REMEMBERED = 1_000
"""Host headers whose check is remembered."""


class OriginPolicy:
    """Decides about the `Host` and the origin of a request.

    Parameters
    ----------
    hosts
        Names that requests may be addressed to, beside `localhost` and IP addresses; `*` for any.
    origins
        Origins whose pages may make changes, such as `https://shop.example`; `*` for any.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self.hosts = frozenset(host.lower() for host in hosts)
        self.origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._accepted: set[bytes] = set()

    def host_fault(self, headers: Mapping[bytes, bytes], locked: bool) -> str | None:
        """Why a request may not be addressed to its host, or None. locked: whether the server asks for keys."""
        host = headers.get(b"host", b"")
        if not host or host in self._accepted or "*" in self.hosts or (locked and not self.hosts):
            return None
        name = _name(host)
        if name in self.hosts or _is_this_machine(name):
            if len(self._accepted) < REMEMBERED:
                self._accepted.add(host)
            return None
        return "the server does not answer this host name; `shortlist serve --allowed-host NAME` allows one"

    def change_fault(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Why a change may not come from where the browser says it comes from, or None."""
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site")
        if origin is None and site is None:
            return None
        text = (origin or b"").decode("latin-1").rstrip("/").lower()
        if text and ("*" in self.origins or text in self.origins):
            return None
        if site is not None:
            own = site in {b"same-origin", b"none"}
        else:
            own = text.partition("://")[2].encode("latin-1") == headers.get(b"host", b"").lower()
        if own:
            return None
        return (
            "a page of another origin cannot make changes; `shortlist serve --cors-origin ORIGIN` allows one"
        )

    def __repr__(self) -> str:
        return f"OriginPolicy(hosts={sorted(self.hosts)}, origins={sorted(self.origins)})"


def _name(host: bytes) -> str:
    """Return the name of a Host header, in lower case, without port, brackets and a dot at its end.

    A header of another form is returned as it is: it can be an IPv6 address without brackets, and nothing else matches.
    """
    text = host.decode("latin-1").lower()
    match = HOST.fullmatch(text)
    return text if match is None else (match[1] or match[2] or "").rstrip(".")


def _is_this_machine(name: str) -> bool:
    """Whether a name cannot have been resolved by an attacker: localhost, or an address that needs no resolution."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
