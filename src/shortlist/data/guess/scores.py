"""How likely a column has a role, by its name in any of several languages and by its values."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from shortlist.data.guess.columns import NAMES, normal
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.names import concepts, plain, unknown_words, words
from shortlist.data.numbers import is_text

SURE = 60.0
"""A column with at least this score has its role by its name."""
MANY_ROWS, FEW_ITEMS = 500, 12
LEAST = 15.0
"""With less than this, a column has no role at all: the day on which a film was released is not when it was seen."""
_NO_ENTITY = frozenset(
    {
        "time",
        "at",
        "price",
        "amount",
        "quantity",
        "rating",
        "duration",
        "status",
        "currency",
        "tax",
        "shipping",
        "discount",
    }
    | {"payment", "address", "country", "position", "kind", "born", "order"}
)
MARGIN = 8.0
"""The second column comes into question where its score is nearer to the first one's than this."""
_PARTS_OF_ITEM = frozenset(
    [
        "category",
        "categorie",
        "kategorie",
        "categoria",
        "categ",
        "group",
        "gruppe",
        "groupe",
        "grupo",
        "gruppo",
        "groep",
        "brand",
        "marke",
        "marque",
        "marca",
        "merk",
        "type",
        "typ",
        "tipo",
        "genre",
        "colour",
        "color",
        "farbe",
        "size",
        "groesse",
        "url",
        "image",
        "img",
        "bild",
        "photo",
        "parent",
        "family",
        "class",
        "department",
        "section",
        "sector",
        "vendor",
        "supplier",
        "collection",
        "tag",
        "tags",
        "list",
        "warengruppe",
    ]
)
"""Words of columns that describe items and are no ids of items: `product_group_id`."""
_NAMES = {
    role: {name.replace("_", ""): at for at, name in enumerate(names.split())}
    for role, names in NAMES.items()
}


def exact(role: str, name: str) -> float:
    """Return the score of a name of the vocabulary of common exports: the likeliest first; 0 for any other name."""
    at = _NAMES[role].get(normal(plain(name)))
    return 0.0 if at is None else 100.0 - 0.1 * at


def score_user(name: str, evidence: Evidence) -> float:
    """Score a column as the user: an id of a person, then an email, then a session or device."""
    found, unknown = concepts(name), unknown_words(name)
    score = 0.0
    if "session" in found:
        score = 50.0 if found <= {"session", "id", "person"} else 0.0
    elif exact("user", name):
        score = exact("user", name)
    elif "person" in found and not found & {
        "item",
        "order",
        "status",
        "country",
        "time",
        "kind",
        "rating",
        "amount",
    }:
        if found & {"id", "email"}:
            score = 85.0 - 5 * len(unknown)
        elif not unknown and found == {"person"}:
            score = 75.0
        elif "name" in found:
            score = 40.0
    elif "email" in found and found <= {"email", "id"} and not unknown:
        score = 65.0
    return _with_values(score, name, evidence)


def score_item(name: str, evidence: Evidence) -> float:
    """Score a column as the item: an id of a product, then a product, then its name."""
    found, parts = concepts(name), _PARTS_OF_ITEM.intersection(words(name))
    unknown = [word for word in unknown_words(name) if word not in parts]
    score = 0.0
    if exact("item", name):
        score = exact("item", name)
    elif parts:
        score = 15.0 if "id" in found else 0.0
    elif "item" in found and found <= {"item", "id", "name", "order", "kind"}:
        if "order" in found:
            score = 60.0 if "id" in found else 40.0
        elif "id" in found:
            score = 85.0 - 5 * len(unknown)
        elif "name" in found and words(name) != ("title",):
            score = 45.0 if not unknown else 20.0
        else:
            score = 75.0 if not unknown else 20.0
    elif found <= {"name"} and found and not unknown:
        score = 30.0
    elif found == {"id"} and unknown:
        score = 50.0  # the id of a thing that is not known here: `Fiets-ID`
    elif words(name)[:1] in {("event",), ("veranstaltung",), ("evento",), ("performance",)}:
        score = 58.0 if "id" in found else 35.0 if "name" in found else 0.0
    if evidence.rows >= MANY_ROWS and evidence.distinct(name) <= FEW_ITEMS:
        score -= 30.0  # a dozen things among many rows are shops or stations rather than what is chosen
    return _with_values(score, name, evidence)


def _with_values(score: float, name: str, evidence: Evidence) -> float:
    """Take away from a score where the values cannot be repeated ids, or are hardly ever there."""
    kind = evidence.type_of(name)
    if score <= 0 or not evidence.is_plain(name) or pa.types.is_boolean(kind):
        return 0.0
    if evidence.present(name) == 0:
        return LEAST if score > SURE else 0.0  # its name says it, and a report has to say that it is empty
    if evidence.is_unique(name):
        score -= 40.0
    if evidence.distinct(name) < 2 and evidence.rows >= 20:
        score -= 40.0
    if evidence.present(name) < 0.5:
        score -= 25.0
    if pa.types.is_temporal(kind):
        score -= 60.0
    return max(score, 0.0)


def score_time(name: str, evidence: Evidence, item: str, user: str) -> float:
    """Score a column as the time of the event: one that is neither the item's nor the user's, with the time of day first."""
    found = concepts(name)
    typed = pa.types.is_timestamp(evidence.type_of(name)) or pa.types.is_date(evidence.type_of(name))
    score = 0.0
    if exact("timestamp", name):
        score = exact("timestamp", name)
    elif found & {"time", "at"}:
        score = _time_score(found, typed)
    elif "created" in found and evidence.is_plain(name) and (typed or evidence.is_dated(name)):
        score = 62.0  # `visited`, with a date
    elif typed or (evidence.is_plain(name) and not found and evidence.is_dated(name)):
        score = 30.0
    if not score or not evidence.is_plain(name):
        return 0.0
    named = exact("timestamp", name) > 0
    if evidence.times(name) is None and not evidence.is_dated(name):
        if not named:
            return 0.0
        score = score if not is_text(evidence.type_of(name)) else 20.0
    if (evidence.distinct(name) > 1 and evidence.settles(item, name)) or (
        evidence.distinct(name) > 1 and found & {"born", "person"} and evidence.settles(user, name)
    ):
        score -= 60.0
    if evidence.present(name) < 0.5:
        score -= 30.0
    return max(score + (3.0 if evidence.has_clock(name) else 0.0), 0.0)


def _time_score(found: frozenset[str], typed: bool) -> float:
    if "born" in found or "shipping" in found:
        return 12.0
    if "item" in found or "status" in found or "session" in found:
        return 25.0
    if "created" in found or ("order" in found and "payment" not in found):
        return 86.0
    if "bought" in found:
        return 84.0 if "payment" not in found else 70.0
    if found <= {"time", "at"}:
        return 80.0 if "time" in found else 65.0  # some verb and `at`
    return 45.0 if typed or "time" in found else 20.0


def by_values(role: str, name: str, evidence: Evidence) -> float:
    """Score a column whose name says nothing, as a last resort: repeated values of many, ids before other texts."""
    kind = evidence.type_of(name)
    if (
        not evidence.is_plain(name)
        or not (is_text(kind) or pa.types.is_integer(kind))
        or concepts(name) & _NO_ENTITY
    ):
        return 0.0
    distinct = evidence.distinct(name)
    if evidence.rows < 50 or not 10 <= distinct <= 0.8 * evidence.rows or evidence.is_dated(name):
        return 0.0
    named = 2.0 if "id" in concepts(name) else 0.0
    return LEAST + 1 + named + distinct / evidence.rows if role in {"user", "item"} else 0.0


def ranked(
    names: list[str], score: Callable[[str], float], bonus: dict[str, float] | None = None
) -> list[tuple[str, float]]:
    """Return the columns that can have a role, the likeliest first, with their scores."""
    more = bonus or {}
    scores = [(name, value) for name in names if (value := score(name) + more.get(name, 0.0)) >= LEAST]
    return sorted(scores, key=lambda one: -one[1])
