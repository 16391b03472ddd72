"""API keys: who may ask for what, and how often.

A key is 256 random bits, shown once when it is made; the store keeps its SHA-256 only (a key of that much chance needs no salt and no
slow hash: nobody can try all of them). Every comparison takes the same time. Each key has scopes and a rate.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field

from sqlalchemy import select, update

from shortlist.errors import ShortlistError
from shortlist.store.event_store import EventStore
from shortlist.store.schema import keys

SCOPES = {
    "recommend": "recommendations, likeness, and what the page shows",
    "events": "sending events",
    "admin": "changing items and models, erasing and exporting people, timing, the reasons why something is not shown",
    "metrics": "Prometheus",
}
PREFIX = "sl_"


@dataclass
class Key:
    """rate: requests a second; a burst of two seconds' worth is let through."""

    name: str
    digest: str
    scopes: frozenset[str]
    rate: float
    created: int
    revoked: int | None = None
    left: float = field(default=0.0)
    at: float = field(default=0.0)

    def take(self, now: float) -> bool:
        """Whether one more request is within the rate: a bucket that fills as time goes by."""
        most = max(2 * self.rate, 1.0)
        self.left = min(most, self.left + (now - self.at) * self.rate) if self.at else most
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def make_key(store: EventStore, name: str, scopes: list[str], rate: float) -> str:
    """A new key. Raises `ShortlistError` for an unknown scope or a name that is taken."""
    for scope in scopes:
        if scope not in SCOPES:
            raise ShortlistError(
                f"there is no scope {scope!r}; there are: {', '.join(SCOPES)}", field="scopes"
            )
    if not scopes:
        raise ShortlistError(f"a key needs at least one scope of: {', '.join(SCOPES)}", field="scopes")
    if not 0 < rate <= 1e6:
        raise ShortlistError(f"the rate is requests a second, above 0, and is {rate:g}", field="rate")
    secret = PREFIX + secrets.token_urlsafe(32)
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
            },
        )
    return secret


def revoke_key(store: EventStore, name: str) -> None:
    """From a second later nobody gets in with it. Raises `ShortlistError` where there is no such key."""
    with store.writing() as connection:
        done = connection.execute(
            update(keys)
            .where(keys.c.name == name, keys.c.revoked.is_(None))
            .values(revoked=int(time.time() * 1000))
        )
        if not done.rowcount:
            raise ShortlistError(f"there is no key {name!r} that could be revoked", field="name")


def all_keys(store: EventStore) -> list[Key]:
    with store.reading() as connection:
        rows = connection.execute(select(keys).order_by(keys.c.created))
        return [
            Key(r.name, r.digest, frozenset(json.loads(r.scopes)), r.rate, r.created, r.revoked) for r in rows
        ]


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Keyring:
    """The keys that count now. Without any key the server is open, which only loopback may be."""

    LOOK = 1.0
    """Seconds between looks at the store."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.keys: dict[str, Key] = {}
        self.locked = False
        """Whether there is any key, revoked ones included: revoking the last one must not open the doors."""
        self._looked = 0.0
        self.look()

    def look(self) -> None:
        now = time.monotonic()
        if self._looked and now - self._looked < self.LOOK:
            return
        found = all_keys(self.store)
        fresh = {}
        for key in found:
            if key.revoked is None:
                old = self.keys.get(key.name)
                same = old is not None and (old.digest, old.scopes, old.rate) == (
                    key.digest,
                    key.scopes,
                    key.rate,
                )
                fresh[key.name] = old if same and old is not None else key
        self.keys, self.locked, self._looked = fresh, self.locked or bool(found), now

    def find(self, secret: str) -> Key | None:
        """The key of a secret. All keys are compared, each in the same time, whichever fits."""
        digest, found = digest_of(secret), None
        for key in self.keys.values():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found
