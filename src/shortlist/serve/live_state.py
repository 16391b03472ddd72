"""Whether all is well with a server, in one word and in sentences, for the page's Live tab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from shortlist.cascade.drift import Drift

State = Literal["well", "quiet", "attention"]
DRIFTS = 8
"""Features that are listed, those that drift most."""
STRONG = 0.25
"""Stability index of strong drift."""
STEADY = 64
"""Users from which a stability index is more than chance."""
MANY_EMPTY = 0.01
"""Share of empty slates that needs attention."""


@dataclass(frozen=True)
class Traffic:
    """Requests and failed answers of the last minute; slates and empty slates since the start."""

    requests: int
    failed: int
    slates: float
    empty: float


def state_of(faults: Sequence[str], traffic: Traffic, drift: Drift | None) -> tuple[State, str]:
    """Return the state and a note. All is well only where there are requests, answers, items, and features as in training."""
    found = list(faults)
    if traffic.failed:
        found.append(
            f"{traffic.failed} of {max(traffic.requests, traffic.failed)} answers failed in the last minute"
        )
    if traffic.slates and traffic.empty > MANY_EMPTY * traffic.slates:
        found.append(f"{traffic.empty / traffic.slates:.0%} of the slates since the start were empty")
    if drift is not None:
        found += [str(column) for column in drift.missing]
    if found:
        return "attention", f"Needs attention: {'; '.join(found)}."
    if not traffic.requests:
        return (
            "quiet",
            "No request in the last minute. Open another tab, or send requests to POST /v1/recommend.",
        )
    moved = [n for n, index in drift.features.items() if index >= STRONG] if _is_steady(drift) else []
    if moved:
        differ = "feature differs" if len(moved) == 1 else "features differ"
        return (
            "quiet",
            f"This process, the last minute. Answers are in order; {len(moved)} {differ} from training.",
        )
    return "well", "This process, the last minute. All is well."


def drift_table(drift: Drift | None) -> list[list[str]]:
    """Return a row for each missing column, then for the features that drift most: name, stability index, meaning."""
    if drift is None:
        return []
    features = sorted(drift.features.items(), key=lambda pair: -pair[1])[:DRIFTS]
    few = f"measured on {drift.users} users, too few to tell"
    return [
        *([column.column, "–", str(column)] for column in drift.missing),
        *([name, f"{value:.3f}", _meaning(value) if _is_steady(drift) else few] for name, value in features),
    ]


def _is_steady(drift: Drift | None) -> TypeGuard[Drift]:
    """Whether so many users were measured that an index is more than chance."""
    return drift is not None and drift.users >= STEADY


def _meaning(index: float) -> str:
    """A population stability index in words, by the usual thresholds 0.1 and 0.25."""
    if index < 0.1:
        return "as in training"
    return "a little different" if index < STRONG else "different: train again"
