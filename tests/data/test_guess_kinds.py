"""Names of kinds of events, as common exports write them."""

from __future__ import annotations

import pytest

from shortlist.data.guess.kinds import Stage, meaning_of

WANTED = {
    Stage.SHOWN: "impression view_item_list collection_viewed Product_List_Viewed exposure",
    Stage.VIEW: "view view_item pageview pv detail detailview product_viewed ViewContent visit Cart_Viewed view_cart",
    Stage.CLICK: "click clicks select_item clickout_item Product_Clicked tap",
    Stage.USE: "play watched listen scrobble read stream video_complete rating",
    Stage.LIKE: "like likes Liked fav favourite add_to_wishlist Product_Added_to_Wishlist share follow upvote thumbs_up swipeRight yes good",
    Stage.CART: "cart carts addtocart add_to_cart AddToCart Product_Added product_added_to_cart begin_checkout Checkout_Started InitiateCheckout",
    Stage.BUY: "buy buys purchase transaction order orders Order_Completed checkout_completed install installs booking signup rented",
}
UNWANTED = (
    "dislike disliked remove_from_cart removeFromCart removefromcart Product_Removed product_removed_from_cart skip skipped hide return "
    "returned refund Order_Refunded order_cancelled cancellation uninstall unsubscribe unlike unfollow downvote thumbs_down thumbsDown "
    "not_interested notInterested dismiss report block swipe_left nope hate ban negative bad Product_Removed_from_Wishlist not_recommended"
)


@pytest.mark.parametrize(
    ("kind", "stage"), [(kind, stage) for stage, kinds in WANTED.items() for kind in kinds.split()]
)
@pytest.mark.parametrize("separator", ["_", " ", "-"])
def test_stages(kind: str, stage: Stage, separator: str) -> None:
    meaning = meaning_of(kind.replace("_", separator))
    assert (meaning.stage, meaning.wanted) == (stage, True)
    assert meaning_of(kind.upper() if "_" in kind else kind).wanted


@pytest.mark.parametrize("kind", UNWANTED.split())
def test_unwanted(kind: str) -> None:
    assert not meaning_of(kind).wanted
    assert not meaning_of(kind.replace("_", " ")).wanted


@pytest.mark.parametrize(
    "kind",
    ["search", "filter selection", "change of sort order", "login", "session_start", "Products Searched"],
)
def test_not_about_an_item(kind: str) -> None:
    assert not meaning_of(kind).about_item


@pytest.mark.parametrize("kind", ["event", "foo", "0", "", "returning_visit", "🙂"])
def test_unknown_names_count_as_wanted(kind: str) -> None:
    assert meaning_of(kind).wanted


def test_emoji() -> None:
    assert meaning_of("👍").wanted
    assert not meaning_of("👎").wanted
