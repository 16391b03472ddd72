"""Which kind of event records what a user does on the page."""

from __future__ import annotations

import pytest

from shortlist.serve.routes.page import actions_of


@pytest.mark.parametrize(
    ("kinds", "main", "found"),
    [
        (
            ["click", "cart", "purchase", "return"],
            "purchase",
            {"click": "click", "cart": "cart", "buy": "purchase"},
        ),
        (
            ["view_item", "add_to_cart", "Order Completed", "remove_from_cart"],
            "Order Completed",
            {"click": "view_item", "cart": "add_to_cart", "buy": "Order Completed"},
        ),
        (["event"], "event", {"buy": "event", "use": "event"}),
        (["play", "dismiss"], "play", {"use": "play", "dismiss": "dismiss"}),
        (["app_install"], "app_install", {"install": "app_install"}),
        (["dislike", "like"], "like", {"like": "like"}),
    ],
)
def test_actions(kinds: list[str], main: str, found: dict[str, str]) -> None:
    """The usual name comes first, then the meaning of a name; kinds that say no are never recorded for a yes."""
    actions = actions_of(kinds, main)
    assert {name: actions[name] for name in found} == found
    assert set(actions.values()) <= set(kinds)
    assert not {"return", "remove_from_cart", "dislike"} & set(actions.values())


def test_what_the_log_has_no_kind_for_is_left_out() -> None:
    assert actions_of(["event"], "event").keys().isdisjoint({"click", "cart", "like", "dismiss"})
