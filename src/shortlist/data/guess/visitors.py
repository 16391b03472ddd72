"""Orders and visits of people without an account: ids that stand for nobody, and columns that tell visitors apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.event_columns import flat
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.names import concepts
from shortlist.data.guess.scores import score_user

NOBODY = frozenset(
    {
        "0",
        "-1",
        "guest",
        "gast",
        "invite",
        "invitado",
        "ospite",
        "convidado",
        "anonymous",
        "unknown",
        "none",
        "n/a",
    }
)
"""Texts that can stand for no user, where they have many orders."""
MANY_ORDERS = 5
"""So many times the orders of a usual user."""


def ids_of_nobody(evidence: Evidence, user: str, order: str) -> list[str]:
    """Return ids such as 0 or `guest` that have far more orders than any usual one."""
    texts = flat(evidence.table.column(user)).cast(pa.string())
    plain = pc.replace_substring_regex(pc.utf8_lower(pc.utf8_trim_whitespace(texts)), r"\.0$", "")
    found = pc.fill_null(pc.is_in(plain, value_set=pa.array(sorted(NOBODY))), False)
    named = found.to_numpy(zero_copy_only=False).astype(bool)
    if not named.any() or named.all():
        return []
    codes = evidence.codes(user)
    pairs = np.unique(np.stack([codes, evidence.codes(order)], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0][pairs[:, 0] >= 0])
    own = np.unique(codes[named & (codes >= 0)])
    usual = np.median(np.delete(counts, own)) if len(counts) > len(own) else 0
    first = {one: int(np.flatnonzero(codes == one)[0]) for one in own.tolist()}
    return [str(plain[first[one]]) for one in own.tolist() if counts[one] > MANY_ORDERS * usual]


def find_visitor(evidence: Evidence, user: str) -> str | None:
    """Return the column of the session or device that tells visitors without an id apart."""
    found = [
        name
        for name in evidence.table.column_names
        if name != user
        and evidence.is_plain(name)
        and "session" in concepts(name)
        and score_user(name, evidence) > 0
        and evidence.present(name) > 0.9
    ]
    return min(found, key=evidence.distinct, default=None)
