"""Does a new model behave like one? What is asked of it before it may answer anybody.

- **schema**: it knows every kind of event that the present one takes, or live events would be lost.
- **smoke**: people with histories and a visitor all get slates, with finite scores.
- **scores**: for the same people, each objective's predictions are on the same scale as the present model's, and tell items apart.

A model may be better or worse and pass: that is what the gate after training (`shortlist train --from-store`) is for. What is found
here is a model that is broken.
"""

from __future__ import annotations

import numpy as np

from shortlist.recommender import Recommender

PEOPLE = 40
APART = 5.0
"""A mean prediction that is so many times the present model's, or so small a part of it, is another scale."""


def faults(new: Recommender, old: Recommender | None) -> list[str]:
    """What is wrong with a new recommender, in sentences; empty where it may serve. old: the one that serves now."""
    found: list[str] = []
    if old is not None:
        lost = [kind for kind in old.dataset.log.kinds if kind not in new.dataset.log.kinds]
        if lost:
            found.append(f"it does not know the events {', '.join(lost)}, which the present model takes")
    people = (old or new).some_users(PEOPLE)
    slates = [*new.recommend(users=[*people, None], n=10), new.recommend(history=[], n=10)]
    empty = sum(not slate.items for slate in slates)
    if empty:
        found.append(f"{empty} of {len(slates)} slates are empty")
    scores = np.array([r.score for slate in slates for r in slate.items])
    if not np.isfinite(scores).all():
        found.append("some scores are not finite")
    if not people:
        return found
    predicted = new.candidates(people)[2]
    before = old.candidates(people)[2] if old is not None else None
    for at, name in enumerate(new.project.objectives):
        column = predicted[:, at]
        if not np.isfinite(column).all():
            found.append(f"some predictions of {name} are not finite")
            continue
        if len(column) > 1 and np.ptp(column) == 0:
            found.append(f"it predicts the same {name} for everything")
        if old is None or before is None or name not in old.project.objectives:
            continue
        was = float(before[:, list(old.project.objectives).index(name)].mean())
        now = float(column.mean())
        if was > 0 and not was / APART <= now <= was * APART:
            found.append(f"its mean {name} is {now:.3g}, and the present model's {was:.3g}")
    return found
