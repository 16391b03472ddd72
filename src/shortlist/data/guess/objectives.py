"""Guess objectives that fit the kinds of events of a log and their values, and say why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shortlist.data.guess.columns import flag_name, normal
from shortlist.data.guess.events import EventKind, EventKinds, is_enough
from shortlist.data.guess.kinds import Stage
from shortlist.data.guess.value import Meaning, Shape

MOST = 3
"""Objectives at most, beside a grade and one for what is not wanted."""
WEIGHTS = {
    Stage.BUY: 1.0,
    Stage.CART: 0.5,
    Stage.LIKE: 0.5,
    Stage.USE: 0.5,
    Stage.CLICK: 0.25,
    Stage.VIEW: 0.1,
}
"""Stage → weight, in proportion to the furthest stage that is weighed."""
ONE_ROW = "1s"
"""Rows of a log without times are a second apart."""
REVENUE_WEIGHT = 0.5
"""Weight of what a purchase brings in, beside 1 for the purchase. Chosen on the validation of The Complete Journey, where both the NDCG of
purchases and the dollars are higher than without it."""
UNWANTED_WEIGHT, TAKEN_BACK_WEIGHT = -0.5, -1.0
"""A return takes back a whole purchase; a skip says less than a play."""
_UNDONE = frozenset({Stage.CART, Stage.LIKE})
"""Taking something out of the cart or off a list undoes an event of that stage; it says little against the item."""
_WORDS = {
    Stage.UNKNOWN: "its name is not known here; it counts as wanted",
    Stage.SHOWN: "it was shown",
    Stage.VIEW: "it was looked at",
    Stage.CLICK: "it was clicked",
    Stage.USE: "it was used",
    Stage.LIKE: "it was liked or saved",
    Stage.CART: "it was put into the cart",
    Stage.BUY: "it was bought, installed or booked",
}


@dataclass
class ObjectiveGuess:
    """Guessed objectives.

    Attributes
    ----------
    objectives
        Name → settings.
    retrieve
        Settings of `[retrieve]`: kinds that are left out of histories.
    notes
        Section of the project file → why it is what it is.
    """

    objectives: dict[str, dict[str, Any]] = field(default_factory=dict)
    retrieve: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, settings: dict[str, Any], note: str) -> None:
        """Add an objective with its reason, under a name that is free."""
        self.objectives[name] = settings
        self.notes[f"objectives.{name}"] = note


def guess_objectives(kinds: EventKinds, each_row: bool = False) -> ObjectiveGuess:
    """Guess objectives: what was wanted by kind of event and value, and what was not with a negative weight.

    Parameters
    ----------
    kinds
        The kinds of events.
    each_row
        Whether each row of the log is a request, as in a log without times that has a context: what later rows say is no answer to it.
    """
    guess = ObjectiveGuess()
    wanted = _chosen(kinds.wanted)
    if len(kinds.wanted) == 1 and wanted[0].values is not None:
        _add_valued(guess, kinds, wanted[0])
    else:
        top = max(WEIGHTS.get(kind.meaning.stage, 1.0) for kind in wanted)
        for kind in wanted:
            weight = WEIGHTS.get(kind.meaning.stage, 1.0) / top
            _add_kind(guess, kind, {"weight": round(weight, 2)} if weight < 1 else {})
    _add_revenue(guess, kinds, wanted[0])
    _add_unwanted(guess, kinds)
    _add_unwanted_flag(guess, kinds, wanted)
    guess.notes["objectives"] = _summary(kinds, wanted)
    if each_row:
        for settings in guess.objectives.values():
            settings["window"] = ONE_ROW
        guess.notes["objectives"] += (
            "\nRows have a context and no time: each is a request of its own, and the window ends before the next one."
        )
    return guess


def _chosen(wanted: list[EventKind]) -> list[EventKind]:
    """Return the main kind, the furthest and the broadest ones of the funnel; at most three, in order of the funnel."""
    if len(wanted) <= MOST:
        return wanted
    known = [kind for kind in wanted[1:] if kind.meaning.stage is not Stage.UNKNOWN] or wanted[1:]
    broadest = min(known, key=lambda kind: (kind.meaning.stage, -kind.count))
    others = [kind for kind in (*known, *wanted[1:]) if kind is not broadest]
    chosen = [wanted[0], others[0], broadest]
    return [kind for kind in wanted if kind in chosen]


def _add_valued(guess: ObjectiveGuess, kinds: EventKinds, kind: EventKind) -> None:
    """Add the objectives of a log in which one kind of event says what was wanted, by its value."""
    values, column = kind.values, kinds.value
    assert values is not None
    assert column is not None
    if kind.at_least is None or column.meaning in {Meaning.TIME, Meaning.COUNT, Meaning.MONEY}:
        _add_kind(guess, kind, {})
        return
    name = normal(flag_name(column.name)) if column.meaning is Meaning.OUTCOME else "like"
    settings = {"events": [kind.name], "at_least": kind.at_least, "window": "30d"}
    guess.add(name, settings, f"{column.name} is {values.sentence}.")
    if values.shape is Shape.SCALE:
        grade = {"kind": "grade", "events": [kind.name], "window": "30d", "weight": 0.0}
        guess.add("rating", grade, "The grade itself is predicted, and weighs nothing in the order.")


def _add_kind(guess: ObjectiveGuess, kind: EventKind, more: dict[str, Any]) -> None:
    """Add the objective of a kind of event; its value limits what counts, where it says what was wanted."""
    settings: dict[str, Any] = {"events": [kind.name]}
    note = f"{kind.name} ({_events(kind.count)}): {_WORDS[kind.meaning.stage]}."
    if not kind.named:
        note = "There is no column of kinds of events."
    if not kind.meaning.wanted:
        note = f"{kind.name} ({_events(kind.count)}) is not wanted by its name, and there is no other kind of event. Review this."
    if kind.at_least is not None:
        settings["at_least"] = kind.at_least
    if kind.values is not None and kind.values.shape is not Shape.CONSTANT:
        note += f" Its value is {kind.values.sentence}."
    window = "30d" if kind.is_scale else "7d"
    guess.add(kind.name, {**settings, "window": window, **more}, note)


def _add_revenue(guess: ObjectiveGuess, kinds: EventKinds, kind: EventKind) -> None:
    """Add what purchases bring in, where their value can be money."""
    values, column, name = kind.values, kinds.value, "revenue"
    if kind.meaning.stage is not Stage.BUY or values is None or column is None or name in guess.objectives:
        return
    if values.shape is Shape.AMOUNT and column.meaning in {Meaning.MONEY, Meaning.GENERIC} and kind.is_valued:
        window = guess.objectives[kind.name]["window"]
        settings = {"kind": "amount", "events": [kind.name], "window": window, "weight": REVENUE_WEIGHT}
        note = "What a purchase brings in: an item that costs more counts more. 0 orders by the probability of a purchase alone; requests can change it."
        guess.add(name, settings, note)


def _add_unwanted(guess: ObjectiveGuess, kinds: EventKinds) -> None:
    """Leave unwanted kinds out of histories, and give an objective with a negative weight to those that speak against an item."""
    shown = [kind for kind in kinds.all if kind.meaning.stage is Stage.SHOWN and kind not in kinds.wanted]
    if not kinds.unwanted and not shown:
        return
    guess.retrieve["weights"] = {kind.name: 0.0 for kind in (*kinds.unwanted, *shown)}
    names = ", ".join(kind.name for kind in (*kinds.unwanted, *shown))
    guess.notes["retrieve.weights"] = (
        f"Not taken for a wish, and left out of the histories that retrieval learns from: {names}."
    )
    against = [kind for kind in kinds.unwanted if kind.meaning.stage not in _UNDONE]
    if not is_enough(sum(kind.count for kind in against), sum(kind.count for kind in kinds.all)):
        return
    name = against[0].name if len(against) == 1 else "unwanted"
    weight = TAKEN_BACK_WEIGHT if any(kind.meaning.taken_back for kind in against) else UNWANTED_WEIGHT
    settings = {"events": [kind.name for kind in against], "window": "30d", "weight": weight}
    words = ", ".join(f"{kind.name} ({_events(kind.count)})" for kind in against)
    if name not in guess.objectives:
        guess.add(name, settings, f"{words}: the item was turned down, so the weight is negative.")


def _add_unwanted_flag(guess: ObjectiveGuess, kinds: EventKinds, wanted: list[EventKind]) -> None:
    """Add the objective of a column such as `skipped`, which is 1 where an item was not wanted, with a negative weight."""
    value = kinds.value
    if value is None or value.wanted:
        return
    name = normal(flag_name(value.name))
    settings = {"events": [kind.name for kind in wanted], "at_least": 1.0, "window": "30d", "weight": -1.0}
    note = f"{value.name} is 1 in {_events(value.true)}: the item was not wanted, so the weight is negative."
    guess.add("unwanted" if name in guess.objectives else name, settings, note)


def _summary(kinds: EventKinds, wanted: list[EventKind]) -> str:
    """Say which kinds are objectives and which are not; the evaluation uses the first objective."""
    lines = []
    left = [kind for kind in kinds.all if kind not in wanted and kind.wants]
    if left:
        lines.append(f"No objective yet for: {_list(left)}.")
    silent = [kind for kind in kinds.all if not kind.meaning.about_item and kind not in wanted]
    if silent:
        lines.append(f"Not taken for a wish, since the names say nothing about an item: {_list(silent)}.")
    undone = [kind for kind in kinds.unwanted if kind.meaning.stage in _UNDONE]
    if undone:
        lines.append(f"Undoes an earlier event, and is no objective: {_list(undone)}.")
    shown = [kind for kind in kinds.all if kind.meaning.stage is Stage.SHOWN and kind not in wanted]
    if shown:
        lines.append(
            f"Shown only: {_list(shown)}. If these are impressions, call the kind `impression` (with a query in data.events)."
        )
    return "\n".join(lines)


def _list(kinds: list[EventKind]) -> str:
    names = ", ".join(f"{kind.name} ({kind.count:,})" for kind in kinds[:10])
    return names + (f" and {len(kinds) - 10} more" if len(kinds) > 10 else "")


def _events(count: int) -> str:
    return f"{count:,} event{'s' if count != 1 else ''}"
