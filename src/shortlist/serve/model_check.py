"""Does a new model behave like one? What is checked before it may answer requests.

- **schema**: it knows every kind of event that the present model takes; otherwise live events would be lost.
- **slates**: users with histories and a visitor all get slates, with finite scores.
- **predictions**: for the same users, each objective's predictions are on the scale of the present model's, and differ
  between items.

A model can be better or worse and pass: that is for the gate after training (`shortlist train --from-store`). What is
found here is a model that is broken. The check runs beside the requests: it has the new model's own state, and reads
the present model's as any request does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.inspect import candidates
from shortlist.recommender import Recommender

USERS = 40
"""Number of users the models are asked for."""
SCALE = 5.0
"""A mean prediction that differs from the present model's by more than this factor is on another scale."""


def faults_of(new: Recommender, present: Recommender | None) -> list[str]:
    """The faults of a new recommender, in sentences; empty where it may serve."""
    found: list[str] = []
    if present is not None:
        kinds = new.dataset.log.kinds
        lost = [kind for kind in present.dataset.log.kinds if kind not in kinds]
        if lost:
            found.append(f"it does not know the events {', '.join(lost)}, which the present model takes")
    users = (present or new).some_users(USERS)
    slates = [*new.recommend(users=[*users, None], n=10), new.recommend(history=[], n=10)]
    empty = sum(not slate.items for slate in slates)
    if empty:
        found.append(f"{empty} of {len(slates)} slates are empty")
    scores = np.array([r.score for slate in slates for r in slate.items])
    if not np.isfinite(scores).all():
        found.append("some scores are not finite")
    return found + _prediction_faults(new, present, users) if users else found


def _prediction_faults(new: Recommender, present: Recommender | None, users: list[Any]) -> list[str]:
    found: list[str] = []
    predicted = _predictions(new, users)
    before = None if present is None else _predictions(present, users)
    for at, name in enumerate(new.project.objectives):
        column = predicted[:, at]
        if not np.isfinite(column).all():
            found.append(f"some predictions of {name} are not finite")
            continue
        if len(column) > 1 and np.ptp(column) == 0:
            found.append(f"it predicts the same {name} for everything")
        if present is None or before is None or name not in present.project.objectives:
            continue
        was = float(before[:, list(present.project.objectives).index(name)].mean())
        now = float(column.mean())
        if was > 0 and not was / SCALE <= now <= was * SCALE:
            found.append(f"its mean {name} is {now:.3g}, and the present model's {was:.3g}")
    return found


def _predictions(recommender: Recommender, users: list[Any]) -> NDArray[np.float32]:
    batches = candidates(recommender.model, recommender.state, users)
    return np.concatenate([batch.predictions for batch in batches])
