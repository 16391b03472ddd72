"""API keys: which requests a client may make, and how often.

A key is 256 random bits, shown once when it is made; the store keeps its SHA-256 only (a key of that entropy needs no
salt and no slow hash). Every comparison takes the same time. Each key has scopes and a rate.

A **public** key is part of a page or an application that its users can read, so it is no secret. `PUBLIC_ROUTES` is all that it
may do. Its prefix differs, so that clients and servers can tell the two kinds apart without asking. A public key with a **secret for
users** takes a user's id only with a token that is signed with it (`user_tokens.py`); the store keeps that secret as it is, because
signatures are checked with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass, field, replace

from sqlalchemy import select, update

from shortlist.errors import ShortlistError
from shortlist.store.event_store import EventStore
from shortlist.store.schema import keys

SCOPES = {
    "recommend": "recommendations, likeness, and what the page shows",
    "events": "sending events",
    "admin": "changing items and models, erasing and exporting people, timing, the reasons why something is not shown",
    "approve": "approving, rejecting and undoing changes of settings; with admin, which proposes them and reads the history",
    "metrics": "Prometheus",
    "public": "for pages in browsers: sending events, recommendations, pages, similar items and ranked lists; no other scope with it",
}
PUBLIC = "public"
PREFIX, PUBLIC_PREFIX = "sl_", "slp_"
PUBLIC_ROUTES = frozenset(
    {("POST", "/v1/events"), ("POST", "/v1/recommend"), ("POST", "/v1/page"), ("POST", "/v1/rank")}
)
"""The fields that a public key may ask for, beside the similar items of an item."""
SIMILAR = re.compile(r"/v1/items/.+/similar")
PUBLIC_BODY = 65_536
"""Bytes of a body that comes with a public key at most: as much as browsers send when a page is closed."""


@dataclass
class Key:
    """One key. `rate` is in requests a second, of one process; a burst of two seconds' worth passes."""

    name: str
    digest: str
    scopes: frozenset[str]
    rate: float
    created: int
    revoked: int | None = None
    user_secret: str | None = field(default=None, repr=False)
    left: float = field(default=0.0)
    at: float = field(default=0.0)

    @property
    def public(self) -> bool:
        """Whether the key is no secret."""
        return PUBLIC in self.scopes

    def allows(self, method: str, path: str, wanted: str) -> bool:
        """Whether the key may make a request, which needs the scope `wanted`."""
        if not self.public:
            return wanted in self.scopes
        asked = (method, path) in PUBLIC_ROUTES or (method == "GET" and SIMILAR.fullmatch(path) is not None)
        return asked and wanted in {"recommend", "events"}

    def take(self, now: float) -> bool:
        """Take one request from the key's token bucket. False where it is empty."""
        most = max(2 * self.rate, 1.0)
        self.left = min(most, self.left + (now - self.at) * self.rate) if self.at else most
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def make_key(
    store: EventStore, name: str, scopes: list[str], rate: float, user_secret: str | None = None
) -> str:
    """Make a key and return its secret. Raises `ShortlistError` for an unknown scope or a name that is taken.

    `user_secret`: what tokens of users are signed with; a public key that has one takes signed users only.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise ShortlistError(
                f"there is no scope {scope!r}; there are: {', '.join(SCOPES)}", field="scopes"
            )
    if not scopes:
        raise ShortlistError(f"a key needs at least one scope of: {', '.join(SCOPES)}", field="scopes")
    if PUBLIC in scopes and len(set(scopes)) > 1:
        raise ShortlistError(
            "a public key can be read by everyone, so it has no other scope; make a second key for: "
            + ", ".join(sorted(set(scopes) - {PUBLIC})),
            field="scopes",
        )
    if user_secret is not None and PUBLIC not in scopes:
        raise ShortlistError(
            "only public keys take signed users: a key that is a secret is used by your own server, which knows its users",
            field="signed-users",
        )
    if not 0 < rate <= 1e6:
        raise ShortlistError(f"the rate is requests a second, above 0, and is {rate:g}", field="rate")
    secret = (PUBLIC_PREFIX if PUBLIC in scopes else PREFIX) + secrets.token_urlsafe(32)
    with store.writing() as connection:
        if connection.scalar(select(keys.c.name).where(keys.c.name == name)) is not None:
            raise ShortlistError(
                f"there is a key {name!r} already (perhaps revoked); choose another name", field="name"
            )
        connection.execute(
            keys.insert(),
            {
                "name": name,
                "digest": digest_of(secret),
                "scopes": json.dumps(sorted(scopes)),
                "rate": rate,
                "created": int(time.time() * 1000),
                "user_secret": user_secret,
            },
        )
    return secret


def revoke_key(store: EventStore, name: str) -> None:
    """Revoke a key; servers refuse it a second later. Raises `ShortlistError` where there is no such key."""
    with store.writing() as connection:
        done = connection.execute(
            update(keys)
            .where(keys.c.name == name, keys.c.revoked.is_(None))
            .values(revoked=int(time.time() * 1000))
        )
        if not done.rowcount:
            raise ShortlistError(f"there is no key {name!r} that could be revoked", field="name")


def all_keys(store: EventStore) -> list[Key]:
    """All keys, revoked ones included, oldest first."""
    with store.reading() as connection:
        rows = connection.execute(select(keys).order_by(keys.c.created))
        return [
            Key(
                r.name, r.digest, frozenset(json.loads(r.scopes)), r.rate, r.created, r.revoked, r.user_secret
            )
            for r in rows
        ]


def new_user_secret() -> str:
    """Return a secret that tokens of users can be signed with: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """SHA-256 of a secret, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Keyring:
    """The keys that are valid now.

    Without any key the server is open, which only a server on loopback may be. The store's thread calls `refresh`. Worker
    processes do not know of each other's requests, so each has its share of a key's rate.

    Parameters
    ----------
    workers
        Number of processes that share the rate of each key.
    locked
        Whether there were keys when the server was started.

    Attributes
    ----------
    keys
        Valid keys by name.
    locked
        Whether there is any key, revoked ones included, or was one: neither revoking the last one nor a store that has
        lost its keys opens the server.
    """

    REFRESH = 1.0
    """Least seconds between two reads of the store."""

    def __init__(self, workers: int = 1, locked: bool = False) -> None:
        self.workers = workers
        self.keys: dict[str, Key] = {}
        self.locked = locked
        self._read = 0.0

    def refresh(self, store: EventStore) -> None:
        """Read the keys, at most once a second. A key that has not changed keeps its token bucket."""
        now = time.monotonic()
        if self._read and now - self._read < self.REFRESH:
            return
        found = [replace(key, rate=key.rate / self.workers) for key in all_keys(store)]
        fresh = {key.name: self._kept(key) for key in found if key.revoked is None}
        self.keys, self.locked, self._read = fresh, self.locked or bool(found), now

    def _kept(self, key: Key) -> Key:
        old = self.keys.get(key.name)
        same = old is not None and (old.digest, old.scopes, old.rate) == (key.digest, key.scopes, key.rate)
        return old if same and old is not None else key

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret. All keys are compared, each in the same time, whichever fits."""
        digest, found = digest_of(secret), None
        for key in self.keys.values():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found
