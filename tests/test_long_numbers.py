"""Numbers of thousands of digits, at every door of Python."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest


def test_numbers_of_any_length_are_named_wherever_they_are_given(recommender: Recommender) -> None:
    """Python cannot write a whole number of more than 4,300 digits: no door may try to."""
    huge = 10**5000
    doors: list[tuple[str, Callable[[], object]]] = [
        ("n", lambda: recommender.recommend("u00001", huge)),
        ("user", lambda: recommender.recommend(huge)),
        ("weights.play", lambda: recommender.recommend("u00001", weights={"play": huge})),
        ("filters.minutes", lambda: recommender.recommend("u00001", filters={"minutes": {"max": huge}})),
        (
            "boosts.0.amount",
            lambda: recommender.recommend("u00001", boosts=[{"when": "minutes < 9", "amount": huge}]),
        ),
        ("at_least.play", lambda: recommender.recommend("u00001", at_least={"play": huge})),
        ("context.country", lambda: recommender.recommend("u00001", context={"country": huge})),
        ("rows", lambda: recommender.page(RecommendRequest("u00001"), huge)),
        ("item", lambda: recommender.similar(huge)),
        ("n", lambda: recommender.similar("m00001", huge)),
        ("by", lambda: recommender.similar("m00001", by=huge)),  # type: ignore[arg-type]
        ("items.0.item", lambda: recommender.rank("u00001", [huge])),
        ("items.0.title", lambda: recommender.rank("u00001", [{"item": "new", "title": huge}])),
        ("items.0.minutes", lambda: recommender.rank("u00001", [{"item": "new", "minutes": huge}])),
        ("item", lambda: recommender.why("u00001", huge)),
        ("n", lambda: recommender.similar_users("u00001", huge)),
        ("n", lambda: recommender.audience(["m00001"], n=-huge)),
        ("cap", lambda: recommender.audience(["m00001"], cap=-huge)),
        ("items", lambda: recommender.audience([huge])),
        ("timestamp", lambda: recommender.observe("u00001", "m00001", "play", huge)),
        ("value", lambda: recommender.observe("u00001", "m00001", "play", value=huge)),
        ("value", lambda: recommender.observe("u00001", "m00001", "play", value="3")),  # type: ignore[arg-type]
        ("kind", lambda: recommender.observe("u00001", "m00001", huge)),  # type: ignore[arg-type]
        ("item", lambda: recommender.change_item(huge, {"title": "x"})),
        ("attributes.minutes", lambda: recommender.change_item("new", {"attributes": {"minutes": huge}})),
        ("attributes.country", lambda: recommender.change_user("u00001", {"country": [huge]})),
    ]
    for field, door in doors:
        with pytest.raises(RequestError) as error:
            door()
        named = (error.value.field or "").removeprefix("item.").removeprefix("user.")
        assert named.startswith(field), (field, error.value.field, error.value.message)
