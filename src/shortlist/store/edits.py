"""Changes of settings by operators, as they are stored: proposed, approved or rejected, undone.

The table is a log to which rows are only added. The settings that serve are the fold of its rows (`SettingsHistory`), so every replica and
every restart arrives at the same settings, and nothing that was decided is lost.

A proposal contains all settings that differ from the project of the bundle, and the proposal that served when it was made (its
base). It can be approved only while its base still serves: two operators cannot undo each other's change without noticing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from shortlist.config.short_repr import ShortRepr
from shortlist.errors import EditError
from shortlist.store.event_store import EventStore
from shortlist.store.schema import edits

Action = Literal["propose", "approve", "reject", "undo"]
STATES = {"approve": "approved", "reject": "rejected", "undo": "undone"}


@dataclass(frozen=True)
class Edit:
    """One row of the log.

    Parameters
    ----------
    row
        Its number; a proposal is named by it.
    time
        Milliseconds since 1970.
    action
        What was done.
    about
        The proposal that was approved, rejected or undone; of a proposal, its base (0: the settings of the bundle).
    body
        Of a proposal: `settings`, all that differ from the project of the bundle, and `preview`, their effect.
    note
        Why, in the words of the operator.
    by
        The name of the key.
    """

    row: int
    time: int
    action: Action
    about: int
    body: Mapping[str, Any]
    note: str
    by: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a proposal."""
        return dict(self.body.get("settings", {}))


@dataclass(frozen=True, repr=False)
class SettingsHistory(ShortRepr):
    """The state after all rows of the log.

    Attributes
    ----------
    edits
        All rows, oldest first.
    states
        Proposal → "open", "approved", "rejected" or "undone".
    approved
        The proposals that were approved and not undone, oldest first: the last one serves.
    """

    edits: tuple[Edit, ...] = ()
    states: Mapping[int, str] = field(default_factory=dict)
    approved: tuple[int, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Edit]) -> SettingsHistory:
        """Fold rows in their order."""
        rows, states, approved = tuple(rows), dict[int, str](), list[int]()
        for edit in rows:
            if edit.action == "propose":
                states[edit.row] = "open"
                continue
            states[edit.about] = STATES[edit.action]
            if edit.action == "approve":
                approved.append(edit.about)
            elif edit.action == "undo":
                approved.remove(edit.about)
        return cls(rows, states, tuple(approved))

    @property
    def serving(self) -> int:
        """The proposal whose settings serve; 0 for those of the bundle."""
        return self.approved[-1] if self.approved else 0

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that serve, as far as they differ from the project of the bundle."""
        return self.proposal(self.serving).settings if self.serving else {}

    def proposal(self, row: int) -> Edit:
        """Return a proposal. Raises `EditError` where there is none of that number."""
        for edit in self.edits:
            if edit.row == row and edit.action == "propose":
                return edit
        raise EditError(f"there is no proposal {row}", missing=True)

    def check_open(self, row: int) -> Edit:
        """Return a proposal that waits for a decision. Raises `EditError` for any other."""
        edit = self.proposal(row)
        if self.states[row] != "open":
            raise EditError(f"proposal {row} was {self.states[row]} already")
        return edit


def read_history(store: EventStore) -> SettingsHistory:
    """Return what operators have decided so far."""
    with store.reading() as connection:
        return _history(connection)


def last_edit(store: EventStore) -> int:
    """Return the number of the last row, 0 for none: cheap to ask often."""
    with store.reading() as connection:
        return int(connection.scalar(select(func.max(edits.c.row))) or 0)


def propose(
    store: EventStore, settings: Mapping[str, Any], preview: Mapping[str, Any], base: int, note: str, by: str
) -> int:
    """Store a proposal and return its number. Raises `EditError` where its base no longer serves."""
    with store.writing() as connection:
        _check_base(_history(connection), base, "propose it again on the present settings")
        body = {"settings": dict(settings), "preview": dict(preview)}
        return _write(connection, "propose", base, body, note, by)


def approve(store: EventStore, row: int, note: str, by: str, second_key: bool = False) -> int:
    """Let the settings of a proposal serve, and return the number of the row. Raises `EditError` where that is not possible.

    `second_key`: the key that made a proposal cannot approve it.
    """
    with store.writing() as connection:
        history = _history(connection)
        edit = history.check_open(row)
        if second_key and edit.by == by:
            raise EditError(
                f"proposal {row} was made with this key ({by}), and a second key must approve it; `shortlist keys add NAME --scopes "
                "recommend,admin,approve` makes one"
            )
        _check_base(history, edit.about, "reject it, and propose it again on the present settings")
        return _write(connection, "approve", row, {}, note, by)


def reject(store: EventStore, row: int, note: str, by: str) -> int:
    """Close a proposal without effect, and return the number of the row. Raises `EditError` where it is not open."""
    with store.writing() as connection:
        _history(connection).check_open(row)
        return _write(connection, "reject", row, {}, note, by)


def undo(store: EventStore, row: int, note: str, by: str) -> int:
    """Go back to the settings before a proposal, which must be the one that serves. Raises `EditError` for another."""
    with store.writing() as connection:
        history = _history(connection)
        history.proposal(row)
        if history.serving != row:
            raise EditError(
                f"proposal {row} does not serve, so it cannot be undone"
                + (f"; proposal {history.serving} serves" if history.serving else "")
            )
        return _write(connection, "undo", row, {}, note, by)


def _check_base(history: SettingsHistory, base: int, advice: str) -> None:
    if history.serving != base:
        serving = (
            f"proposal {history.serving} serves" if history.serving else "the settings of the bundle serve"
        )
        raise EditError(f"the settings have changed since: {serving} now; {advice}")


def _history(connection: Connection) -> SettingsHistory:
    rows = connection.execute(select(edits).order_by(edits.c.row))
    return SettingsHistory.of(
        Edit(r.row, r.time, r.action, r.about or 0, json.loads(r.body), r.note, r.by) for r in rows
    )


def _write(
    connection: Connection, action: Action, about: int, body: Mapping[str, Any], note: str, by: str
) -> int:
    row = {
        "time": int(time.time() * 1000),
        "action": action,
        "about": about,
        "body": json.dumps(body),
        "note": note,
        "by": by,
    }
    return int(connection.execute(edits.insert().returning(edits.c.row), row).scalar_one())
