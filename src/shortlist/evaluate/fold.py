"""A fold: training data, requests, and the relevant items of each request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.data.log import Log
from shortlist.evaluate.measures import RelevantItems

REAL_TIME = 1e11
"""Times below this are row numbers of a log without timestamps."""
GivenEvents = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.int64] | None]
"""User codes, item codes and times of test events."""


@dataclass(frozen=True)
class Fold:
    """One split into training and test.

    Attributes
    ----------
    name : str
        The name of the fold.
    train : Dataset
        The training data.
    known : Dataset
        The training data and what is known when a person asks; histories are made from it.
    users : ndarray of int32, shape (R,)
        The user of each request; −1 if training does not know the user.
    ids : list
        The user ids of the requests.
    moment : int
        The moment of the requests (ms).
    truth : RelevantItems
        The relevant items of each request.
    contexts : list of dict, optional
        The context of each request, if each event is a request of its own.
    replayed : ndarray of int64
        Rows of `known.log` that training has not seen; they are replayed before the requests.
    facts : dict
        Facts for the report.
    test : Log, optional
        The events of the test, if they say what followed for each person: from them come gains by value.
    given : tuple of arrays, optional
        User, item and time of a test table that comes from outside; its codes continue those of training.
    warnings : sequence of str
        What the report warns of, for example rows of a test table that are not used.
    """

    name: str
    train: Dataset
    known: Dataset
    users: NDArray[np.int32]
    ids: list[Any]
    moment: int
    truth: RelevantItems
    contexts: list[dict[str, Any]] | None = None
    replayed: NDArray[np.integer] = field(default_factory=lambda: np.empty(0, np.int64))
    facts: dict[str, Any] = field(default_factory=dict)
    test: Log | None = None
    given: GivenEvents | None = None
    warnings: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"Fold({self.name!r}, {len(self.train.log)} training events, {len(self.users)} requests)"
