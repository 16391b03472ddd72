"""Which column of a table is what, by its name: the vocabulary of common exports."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.guess.kinds import Stage, meaning_of
from shortlist.data.guess.names import concepts, plain, unknown_words
from shortlist.data.guess.value import Meaning
from shortlist.data.numbers import read_numbers

NAMES: dict[str, str] = {
    "user": "user_id user userid uid customer_id customer visitor_id visitor household_id member_id account_id client_id person_id "
    "person buyer_id reviewer_id reviewer subscriber_id user_pseudo_id anonymous_id profile_id shopper_id steam_id consumer_id "
    "cust_id player_id learner_id student_id reader_id guest_id session_id session device_id cookie_id",
    "item": "item_id item itemid iid product_id product movie_id movie film_id video_id video app_id article_id news_id track_id "
    "song_id song sku content_id stock_code business_id book_id isbn parent_asin asin artist_id game_id recipe_id job_id "
    "course_id place_id location_id poi_id venue_id hotel_id listing_id property_id variant_id post_id show_id anime_id episode_id "
    "podcast_id ad_id aid offer_id doc_id document_id photo_id restaurant_id track artist book article app game object_id",
    "timestamp": "timestamp time ts event_time datetime date created_at occurred_at event_timestamp unix_review_time review_time "
    "original_timestamp sent_at received_at invoice_date order_date purchase_date transaction_date t_dat event_date rating_timestamp "
    "tstamp unix_time time_ms time_stamp",
    "kind": "kind event event_type event_name type action action_type behavior behaviour behavior_type interaction interaction_type "
    "activity activity_type verb reaction feedback_type",
    "event_id": "event_id eventid insert_id message_id",
    "slate": "slate slate_id impression_id request_id recommendation_id",
    "position": "position pos slot",
    "propensity": "propensity propensity_score pscore",
}
"""Role → names of columns, the likeliest first. Case, spaces and underscores do not matter: `User ID` is `user_id`."""
VALUES: dict[Meaning, str] = {
    Meaning.RATING: "rating ratings stars star star_rating user_rating review_rating review_score book_rating overall score user_score "
    "rate grade feedback sentiment vote votes preference opinion thumbs thumb polarity satisfaction explicit_rating label target",
    Meaning.GENERIC: "value event_value val weight strength points interaction_value event_weight",
    Meaning.TIME: "seconds watch_seconds watch_time watched_seconds play_time play_duration played_seconds play_seconds ms_played dwell_time "
    "dwell time_spent minutes hours hours_played playtime_forever listen_time view_time read_time watch_ratio play_ratio completion "
    "percent_watched watch_duration listened_seconds played_ms play_time_ms progress completion_rate percent_complete duration duration_ms",
    Meaning.COUNT: "plays play_count listens listen_count listening_count scrobbles cnt count freq frequency quantity qty units num_plays "
    "line_item_quantity order_quantity visits times",
    Meaning.MONEY: "amount revenue sales sales_value total total_price spend price unit_price gmv purchase_amount transaction_amount paid",
}
"""Meaning → names of columns that hold the value of an event."""
_ROLE_NAMES = {role: tuple(re.sub("_", "", name) for name in names.split()) for role, names in NAMES.items()}
_VALUE_NAMES = {
    meaning: tuple(re.sub("_", "", name) for name in names.split()) for meaning, names in VALUES.items()
}
_OF_ITEM = frozenset(
    {"item", "product", "video", "movie", "user", "avg", "mean", "average", "total", "list", "age", "num"}
)
"""A longer name that begins so describes the item or a summary: `item_price`, `avg_rating`."""
_PART_OF_EVENT = frozenset({"disc", "discount", "tax", "fee", "profit", "margin", "refund", "reordered"})
_NO_VALUES = frozenset({"id", "date", "at", "timestamp", "type", "name"})
_OTHER_CONCEPTS = frozenset(
    {
        "id",
        "person",
        "session",
        "name",
        "time",
        "at",
        "status",
        "currency",
        "tax",
        "shipping",
        "discount",
        "country",
        "email",
        "born",
    }
)
_CONCEPT_MEANINGS = (
    ("rating", Meaning.RATING),
    ("duration", Meaning.TIME),
    ("price", Meaning.MONEY),
    ("amount", Meaning.MONEY),
    ("quantity", Meaning.COUNT),
)
_OUTCOMES = frozenset({"tax", "shipping", "discount", "payment"})
"""Concepts of columns that describe what came of an order."""
_UNIT = re.compile(r"\s*[(\[][^)\]]*[)\]]\s*$")
"""The unit behind a name: `Total (USD)`."""
_FLAG_PREFIX = re.compile(r"^(?:is|has|did|was)[\W_]+", re.IGNORECASE)


def normal(name: str) -> str:
    """Return a name without case, spaces and punctuation: `User ID` → `userid`."""
    return re.sub(r"[\W_]+", "", name).lower()


def find_column(table: pa.Table, role: str, extra: tuple[str, ...] = ()) -> str | None:
    """Return the column of a role, by its name; None where there is none."""
    known = {normal(column): column for column in reversed(table.column_names)}
    return next((known[name] for name in (*_ROLE_NAMES[role], *extra) if name in known), None)


def value_meaning(name: str) -> Meaning | None:
    """Return what the name of a column says about the values in it; None: nothing.

    Examples
    --------
    >>> value_meaning("Book-Rating"), value_meaning("playCount"), value_meaning("device")
    (<Meaning.RATING: 'rating'>, <Meaning.COUNT: 'count'>, None)
    """
    name = _UNIT.sub("", name) or name
    bare = normal(name)
    for meaning, names in _VALUE_NAMES.items():
        if bare in names:
            return meaning
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    if (words and words[0] in _OF_ITEM) or (words[-1:] and words[-1] in _NO_VALUES):
        return None
    found = (
        next((meaning for meaning, names in _VALUE_NAMES.items() if words[-1] in names), None)
        if len(words) > 1
        else None
    )
    return found or _meaning_of_concepts(name)


def _meaning_of_concepts(name: str) -> Meaning | None:
    """Return what the name of a column in another language says, or one whose words are in another order: `Prix unitaire`, `Menge`."""
    found = concepts(name)
    if unknown_words(name) or not found or found & _OTHER_CONCEPTS:
        return None
    return next((meaning for concept, meaning in _CONCEPT_MEANINGS if concept in found), None)


def comes_with_event(name: str) -> bool:
    """Return whether a column describes what came of an event, which a request cannot know: a rating, a price, a discount."""
    found = concepts(name)
    return (
        value_meaning(name) is not None
        or bool(_PART_OF_EVENT.intersection(re.findall(r"[a-z]+", name.lower())))
        or bool(found & _OUTCOMES)
        or ("status" in found and not found & {"country", "person", "session"})
    )


@dataclass(frozen=True, repr=False)
class ValueColumn(ShortRepr):
    """A column that looks like the value of an event.

    Attributes
    ----------
    name
        The column.
    meaning
        What its name says.
    numbers : ndarray of shape (n,), float64
        Its values.
    wanted
        False: 1 says that the item was not wanted (`skipped`, `hate`).
    """

    name: str
    meaning: Meaning
    numbers: NDArray[np.float64]
    wanted: bool = True

    @property
    def true(self) -> int:
        """The number of events with the value 1."""
        return int((self.numbers == 1).sum())


def value_columns(table: pa.Table, others: frozenset[str] = frozenset()) -> list[ValueColumn]:
    """Return the columns that look like the value of an event, the likeliest first: by name, and mostly readable as numbers.

    others: columns that have another role. Values that are no numbers are reported when the events are checked.
    """
    found: list[ValueColumn] = []
    for name in table.column_names:
        meaning = None if name in others else value_meaning(name)
        flag = None if name in others or meaning is not None else _flag(name, table.column(name))
        if flag is not None:
            found.append(flag)
        elif meaning is not None:
            reading = read_numbers(table.column(name))
            if reading is not None and reading.mostly_numbers:
                found.append(ValueColumn(name, meaning, reading.numbers))
    order = list(Meaning)
    return sorted(
        found,
        key=lambda one: (
            normal(one.name) not in _VALUE_NAMES.get(one.meaning, (normal(one.name),)),
            order.index(one.meaning),
            _rank(one),
        ),
    )


def _rank(column: ValueColumn) -> int:
    if column.meaning is Meaning.OUTCOME:
        return -int(meaning_of(flag_name(column.name)).stage)  # the furthest stage first
    names = _VALUE_NAMES[column.meaning]
    return names.index(normal(column.name)) if normal(column.name) in names else len(names)


def flag_name(name: str) -> str:
    """Return the outcome that a column of 0 and 1 is called by: `is_like` → `like`."""
    return _FLAG_PREFIX.sub("", name)


def is_outcome(name: str) -> bool:
    """Return whether a name says what came of an event: `clicked`, `is_like`, `hate`."""
    meaning = meaning_of(flag_name(name))
    words = re.findall(r"[a-z]+", plain(name))
    if not 0 < len(words) <= 3 or words[0] in _OF_ITEM or words[-1] == "id" or not meaning.about_item:
        return False
    if "status" in concepts(name) or concepts(name) >= {"order", "id"}:
        return False
    last = meaning_of(words[-1])
    if last.wanted and last.about_item and last.stage is Stage.UNKNOWN:
        return False  # the channel of sales, the page of a click
    return "reordered" not in words and (not meaning.wanted or meaning.stage is not Stage.UNKNOWN)


def _flag(name: str, column: pa.ChunkedArray) -> ValueColumn | None:
    """Return a column of 0 and 1 whose name is an outcome."""
    if not is_outcome(name) or pa.types.is_nested(column.type) or column.null_count == len(column):
        return None
    if (
        not (pa.types.is_boolean(column.type) or pa.types.is_integer(column.type))
        and pc.count_distinct(column).as_py() > 3
    ):
        return None
    reading = read_numbers(column)
    if reading is None or reading.unreadable.any():
        return None
    present = reading.numbers[np.isfinite(reading.numbers)]
    if not len(present) or not np.isin(present, (0.0, 1.0)).all():
        return None
    return ValueColumn(name, Meaning.OUTCOME, reading.numbers, meaning_of(flag_name(name)).wanted)
