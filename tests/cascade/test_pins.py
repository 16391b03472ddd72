"""Pins of items that no source proposes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist.config.project import Project
from shortlist.config.rerank import RerankSettings, Rule
from shortlist.recommender import Recommender

USERS = [f"u{user:05}" for user in range(1, 13)]


def narrow(recommender: Recommender, *rules: Rule) -> Project:
    """The project with ten candidates and these rules."""
    project = recommender.project
    retrieve = project.retrieve.model_copy(update={"candidates": 10})
    return project.model_copy(update={"retrieve": retrieve, "rerank": RerankSettings(rules=list(rules))})


@pytest.fixture(scope="module")
def unlikely(recommender: Recommender) -> str:
    """An item that is no candidate of any of the users, and that none of them has had."""
    narrowed = recommender.with_project(narrow(recommender))
    proposed = {one.item for slate in narrowed.recommend(users=[*USERS, None], n=10) for one in slate}
    data = recommender.dataset
    had = {
        item
        for code in data.users.ids.codes(USERS).tolist()
        for item in data.items.ids.ids(data.histories.item[slice(*data.histories.indptr[code : code + 2])])
    }
    ids = data.items.ids.ids(np.arange(len(data.items)))
    return str(next(item for item in ids if item not in proposed | had))


def pin(item: str, slot: int = 1) -> Rule:
    return Rule(name="tonight", when=f'id = "{item}"', action="pin", slot=slot)


def test_a_pinned_item_is_in_its_slot_for_everybody(recommender: Recommender, unlikely: str) -> None:
    pinned = recommender.with_project(narrow(recommender, pin(unlikely)))
    slates = pinned.recommend(users=[*USERS, None], n=5)
    assert [slate.items[1].item for slate in slates] == [unlikely] * 13
    assert all(slate.items[1].predictions.keys() == {"play", "seconds", "rating"} for slate in slates)
    assert slates[12].items[1].reason == "Picked for you"
    assert [one.item for one in pinned.recommend(USERS[0], 5)] == [one.item for one in slates[0]]


def test_filters_hidden_and_seen_items_hold_for_pins(recommender: Recommender, unlikely: str) -> None:
    hide = Rule(name="not this one", when=f'id = "{unlikely}"', action="hide")
    hidden = recommender.with_project(narrow(recommender, pin(unlikely), hide))
    pinned = recommender.with_project(narrow(recommender, pin(unlikely)))
    asked: list[tuple[Recommender, dict[str, Any]]] = [
        (hidden, {"user": USERS[0]}),
        (pinned, {"user": USERS[0], "filters": f'id != "{unlikely}"'}),
        (pinned, {"history": [unlikely]}),
        (pinned, {"after": unlikely}),
    ]
    for one, fields in asked:
        slate = one.recommend(n=5, **fields)
        assert len(slate) == 5
        assert unlikely not in [shown.item for shown in slate]


def test_a_pin_of_a_later_page_is_a_candidate_there(recommender: Recommender, unlikely: str) -> None:
    pinned = recommender.with_project(narrow(recommender, pin(unlikely, slot=6)))
    first = pinned.recommend(USERS[0], 4)
    second = pinned.recommend(USERS[0], 4, cursor=first.cursor)
    assert unlikely not in [one.item for one in first]
    assert second.items[2].item == unlikely


def test_a_preview_makes_the_slates_that_the_pin_makes(recommender: Recommender, unlikely: str) -> None:
    narrowed = recommender.with_project(narrow(recommender))
    preview = narrowed.preview(narrow(recommender, pin(unlikely)), USERS, 5)
    assert preview.changed == 1.0
    assert preview.gains[0][1] == len(USERS)
    (part,) = preview.parts
    assert (part.part, part.changed) == ("rule: tonight", 1.0)
    assert part.price.value > 0
