"""The settings that are searched for each family of retrievers."""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.retrieve.als_settings import usual_unobserved
from shortlist.retrieve.registry import RETRIEVERS
from shortlist.retrieve.spectral import usual_components

Values = tuple[tuple[Any, ...], ...]
Axis = tuple[tuple[str, ...], Values]
"""Settings that move together, and the values that they take, in order."""


def axis(name: str, *values: Any) -> Axis:
    """Return the axis of one setting."""
    return (name,), tuple((v,) for v in values)


AXES: dict[str, list[Axis]] = {
    "popular": [
        axis("half_life", None, "auto", "30d", "14d", "7d", "3d", "1d"),
        axis("window", None, "90d", "30d", "14d", "7d", "3d", "1d"),
    ],
    "neighbours": [
        axis("spread", 0.0, 0.25, 0.5, 0.75, 1.0),
        axis("power", 0.0, 0.1, 0.25, 0.4, 0.5, 0.6),
        axis("k", 50, 100, 200, 500),
        axis("shrink", 0.0, 5.0, 20.0),
    ],
    "slim": [
        axis("regularisation", 0.3, 1.0, 2.5, 6.0, 15.0, 40.0, 100.0, 250.0, 600.0),
        (("power", "lift"), ((0.0, 0.0), (0.15, 0.15), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5))),
        axis("spread", 0.0, 0.08, 0.15, 0.25, 0.4),
        axis("lift", 0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    ],
    "als": [
        axis("unobserved", 0.1, 0.3, 1.0, 3.0, 10.0),  # × 5 / √items
        axis("regularisation", 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        axis("factors", 16, 32, 64, 128, 256, 512),
        axis("scaling", 0.5, 0.75, 1.0),
    ],
    "spectral": [
        axis("components", 0.5, 1.0, 1.5, 2.5, 4.0),  # × the usual number
        (("power", "lift"), ((0.2, 0.2), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5))),
        axis("direct", 0.0, 0.4, 0.8, 1.5, 3.0),
        axis("flatten", 0.0, 0.3, 0.7, 1.2, 2.0),
        axis("flatten_by_popularity", -0.4, -0.3, -0.2, -0.1, 0.0),
        axis("spread", 0.1, 0.2, 0.3, 0.4, 0.5),
        axis("lift", 0.2, 0.3, 0.4, 0.5),
        axis("residual", 0.0, 0.25, 0.5, 1.0),
    ],
    "sequence": [
        axis("recency", 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97),
        axis("window", 1, 3, 5, 10, 20, 40),
        axis("power", 0.0, 0.15, 0.3, 0.5),
        axis("fading", 0.5, 0.65, 0.8, 0.9, 0.95),
        axis("backward", 0.0, 0.25, 0.5, 1.0),
    ],
    "sequential_slim": [
        axis("recency", 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97),
        axis("regularisation", 0.1, 0.3, 1.0, 2.5, 6.0, 15.0, 40.0),
        (("power", "lift"), ((0.0, 0.0), (0.15, 0.15), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5))),
        axis("lift", 0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        axis("spread", 0.0, 0.15, 0.3, 0.5),
    ],
}
"""Model → the axes along which its settings are searched, the most important first."""

ORDERED: Axis = axis("recency", 0.2, 0.3, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0)
"""A further axis of models that read a history without regard to order, where the order of histories has a meaning."""

QUICK: dict[str, dict[str, Any]] = {
    "slim": {"support": 64},
    "sequential_slim": {"support": 64},
    "als": {"factors": 64, "iterations": 6},
    # components × the usual number
    "spectral": {"components": 0.25, "nearby": 96, "k": 96, "broad": 0, "residual": 0.0},
}
"""Model → what is smaller in its quick form, whose other settings have their best values at nearly the same place."""

WHOLE: dict[str, dict[str, Any]] = {"spectral": {"residual": 0.5}}
"""Model → settings that its quick form leaves out, and that its whole form is tried with in the end."""

MEMBERS = {"transformer": 2}
"""Model → the number of networks whose scores are averaged, where the choice of settings is left to a search: it has none for them to find."""
MOST_EVENTS_OF_MEMBERS = 500_000
"""Beyond this many events, one network is trained: each takes hours, and what two have learned by chance differs less."""

INCLUDED = {"slim": ("spectral", "residual")}
"""Model → another one that contains it on large data where that setting is above 0, so that the model need not be tuned beside it: its
regressions over a support. On Gowalla, a fusion gains nothing by `slim` then."""

CHEAP, CHEAP_TRIALS = frozenset({"neighbours", "popular", "sequence"}), 3
"""Models that have no quick form, because they are fitted within a second or two, and how many times as many trials they get."""


def search_space(model: str, ordered: bool = False) -> list[Axis]:
    """Return the axes of a model: ours, or those that a registered class declares as `search_space`.

    `ordered`: what is recommended follows on the history in time, so that late events can say more than early ones.
    """
    axes = AXES.get(model) or list(RETRIEVERS[model].search_space)
    known = {name for names, _ in axes for name in names}
    fades = ordered and "recency" in RETRIEVERS[model].Config.model_fields and "recency" not in known
    return [ORDERED, *axes] if fades and axes else axes


def given_settings(model: str, events: int) -> dict[str, Any]:
    """Return the settings of a model that are not searched, for so many events."""
    return {"members": MEMBERS[model]} if model in MEMBERS and events <= MOST_EVENTS_OF_MEMBERS else {}


def absolute(settings: dict[str, Any], n_items: int) -> dict[str, Any]:
    """Return settings of `AXES` as a model takes them; some are given there relative to what is usual for the catalogue."""
    settings = dict(settings)
    if "components" in settings:
        settings["components"] = min(1536, round(settings["components"] * usual_components(n_items)))
    if "unobserved" in settings:
        settings["unobserved"] = settings["unobserved"] * usual_unobserved(n_items)
    return settings


def default_place(model: str, names: tuple[str, ...], values: Values, n_items: int) -> int:
    """Return the position of the default on an axis."""
    if names == ("factors",):
        return position(values, (nearest_factors(n_items),))
    return values.index(nearest_to_default(model, names, values))


def nearest_factors(n_items: int) -> int:
    """Return the number of factors, of those in `AXES`, that is nearest to the default for a catalogue."""
    return min((64, 128, 256), key=lambda d: abs(d - float(np.sqrt(n_items))))


def nearest_to_default(model: str, names: tuple[str, ...], values: Values) -> tuple[Any, ...]:
    """Return the value of an axis that is nearest to the default; a relative setting starts at 1."""
    default = RETRIEVERS[model].Config()
    own = tuple(getattr(default, n) for n in names)
    if own in values:
        return own
    start = tuple(1.0 if getattr(default, n) is None else getattr(default, n) for n in names)
    return values[position(values, start)]


def position(values: Values, current: tuple[Any, ...]) -> int:
    """Return the position of a value on an axis, or of the nearest where it is not on it."""
    if current in values:
        return values.index(current)
    if not all(isinstance(part, (int, float)) for part in current):
        return 0
    return min(
        range(len(values)), key=lambda at: sum(abs(a - b) for a, b in zip(values[at], current, strict=True))
    )
