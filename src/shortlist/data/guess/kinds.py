"""The meaning of a kind of event: how far it is down the funnel, and whether the item was wanted.

The vocabulary covers the export styles of Google Analytics 4 (`view_item`, `add_to_cart`), Segment (`Product Added`), Shopify
(`checkout_completed`), RetailRocket (`addtocart`, `transaction`), Taobao (`pv`, `fav`) and common app logs. Names are split into
words (`removeFromCart`, `Product Removed`), and endings (-s, -ed, -ing) are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from shortlist.data.guess.names import plain


class Stage(IntEnum):
    """How strongly an event says that the item was wanted, from seen to bought."""

    UNKNOWN = 0
    """The name is in no vocabulary: taken as wanted, and said so."""
    SHOWN = 1
    """It was shown. Only the kind `impression` records this for rates and ranker examples."""
    VIEW = 2
    CLICK = 3
    USE = 4
    """Played, watched, read."""
    LIKE = 5
    """Liked, saved, shared, followed."""
    CART = 6
    """In the cart, checkout started."""
    BUY = 7
    """Bought, installed, subscribed, booked."""


@dataclass(frozen=True)
class KindMeaning:
    """The meaning of a kind of event.

    Attributes
    ----------
    stage
        Its stage in the funnel.
    wanted
        False: the item was turned down (dislike, return, removal from the cart).
    about_item
        False: it says nothing about the item (search, login).
    taken_back
        It takes back what an earlier event did: return, refund, cancel, uninstall.
    """

    stage: Stage
    wanted: bool = True
    about_item: bool = True
    taken_back: bool = False


_STEMS: dict[str, str] = {
    "shown": "show shown display expose exposure impression recommend suggest deliver sent serve",
    "view": "ansicht ansehen angesehen seitenaufruf produktansicht vue consulte consultation voir vista visto visualizzazione visualizacao visualizacion weergave bekeken view pageview pv detail visit browse open see seen preview look hover land landing enter image info photo deal gallery",
    "click": "klick geklickt clic clique cliquer click tap select clickout pick choose expand ctr",
    "use": "abgespielt gelesen wiedergabe ecoute lecture lu reproduccion reproducao riproduzione leitura ascolto afgespeeld play watch listen read stream complete finish scrobble start engage consume download run use launch checkin check review rate"
    " rating star long attend progress hear heard pause stop load seek resume",
    "like": "favorit gemerkt merkliste merkzettel aime favori favoris favorito preferito gusta wunschliste like love heart favorite favourite fav wish wishlist bookmark save follow share comment upvote good positive"
    " pos up thumbsup recommended forward repost retweet pin collect superlike swiperight interested enjoy happy want accept yes"
    " subscribe approve relevant engagement",
    "cart": "warenkorb panier carrito carrello carrinho winkelwagen winkelmand kasse cart addtocart basket bag checkout payment shipping add contact inquiry enquiry lead quote bid",
    "buy": "kauf gekauft bestellung bestellt achat achete commande compra comprado acquisto acquistato ordine pedido aankoop gekocht bestelling installiert installation gebucht buchung reserva prenotazione ausleihe ausgeliehen emprunt prestamo prestito lent buy bought purchase transaction order pay paid install book reserve reservation rent borrow checkoutcompleted"
    " conversion convert apply application enroll enrol hire donate donation sale sold trial signup acquire redeem contract loan reorder rebuy",
}
_UNWANTED = (
    "dislike hate downvote thumbsdown skip hide hidden notinterested uninterested report block ban unlike unfollow unsubscribe uninstall"
    " return refund cancel cancellation canceled cancelled delete dismiss reject refuse swipeleft bounce spam complain complaint"
    " chargeback churn mute abandon remove removed removal negative neg bad down no nope pass decline angry irrelevant unhappy boring"
    " retoure rueckgabe zurueckgegeben storno storniert stornierung retour remboursement annule annulation devolucion devuelto reembolso"
    " cancelado cancelacion reso rimborso annullato devolucao cancelamento terugbetaling geannuleerd uebersprungen ignore"
    " quit withdraw void exclude left lost dropped drop"
)
_NO_ITEM = (
    "suche recherche busqueda ricerca zoeken anmeldung abmeldung connexion search filter sort login logout register session scroll ping heartbeat error app home homepage notification query filtering"
    " sorting destination poi promotion profile account settings config coupon update"
)
_STAGES = {
    "shown": Stage.SHOWN,
    "view": Stage.VIEW,
    "click": Stage.CLICK,
    "use": Stage.USE,
    "like": Stage.LIKE,
    "cart": Stage.CART,
    "buy": Stage.BUY,
}
_STAGE_OF = {word: _STAGES[name] for name, words in _STEMS.items() for word in words.split()}
_UNWANTED_WORDS = frozenset(_UNWANTED.split())
_TAKEN_BACK = frozenset(
    [
        *[
            "retoure",
            "rueckgabe",
            "zurueckgegeben",
            "storno",
            "storniert",
            "stornierung",
            "retour",
            "remboursement",
            "annule",
            "annulation",
            "devolucion",
            "devuelto",
        ],
        *[
            "reembolso",
            "cancelado",
            "cancelacion",
            "reso",
            "rimborso",
            "annullato",
            "devolucao",
            "cancelamento",
            "terugbetaling",
            "geannuleerd",
        ],
        "return",
        "refund",
        "cancel",
        "cancellation",
        "canceled",
        "cancelled",
        "uninstall",
        "unsubscribe",
        "chargeback",
        "churn",
        "unfollow",
        "unlike",
        "withdraw",
        "void",
    ]
)
_NO_ITEM_WORDS = frozenset(_NO_ITEM.split())
_ALL_WORDS = frozenset(_STAGE_OF) | _UNWANTED_WORDS | _NO_ITEM_WORDS
_NOT = frozenset({"not", "no", "non", "never", "un", "dis", "de", "without", "dont"})
_JOINED = (
    "notinterested",
    "thumbsdown",
    "swipeleft",
    "removefrom",
    "deletefrom",
    "dislike",
    "unlike",
    "unfollow",
    "unsubscrib",
) + ("uninstall", "downvot", "unfav", "unsave", "unwish", "dontlike")
"""Parts of names that are written as one word, and say that the item was turned down."""
_LISTS = (("item", "list"), ("product", "list"), ("collection",), ("search", "result"), ("promotion",))
_STARTED = frozenset({"start", "begin", "initiate", "started", "begun"})
_OF_APP = frozenset(
    {
        "view",
        "detail",
        "click",
        "tap",
        "install",
        "download",
        "visit",
        "page",
        "like",
        "buy",
        "rate",
        "review",
    }
)
_DONE = frozenset({"complete", "success", "succeed", "finish", "done", "confirm"})


def meaning_of(kind: str) -> KindMeaning:
    """Return what a kind of event says, by its name.

    Examples
    --------
    >>> meaning_of("Product Removed from Wishlist").wanted
    False
    >>> meaning_of("addtocart").stage.name
    'CART'
    """
    emoji = _EMOJI.get(kind.strip().replace("\ufe0f", ""))
    if emoji is not None:
        return emoji
    words = [_stem(word) for word in _words(kind)]
    if not words:
        return KindMeaning(Stage.UNKNOWN)
    stage = _stage(words)
    if _is_unwanted(words, "".join(_words(kind))):
        back = bool(_TAKEN_BACK.intersection(words)) or any(word.startswith("un-") for word in words)
        return KindMeaning(stage, wanted=False, taken_back=back)
    silent = _NO_ITEM_WORDS.intersection(words)
    if silent == {"app"} and _OF_APP.intersection(words):
        silent = frozenset()  # `app_view` is about an app of a store, `app_open` about the visitor's own
    return KindMeaning(stage, about_item=not silent)


_EMOJI = {
    **dict.fromkeys(("👍", "❤", "♥", "😍", "😀", "😊", "⭐", "+"), KindMeaning(Stage.LIKE)),
    **dict.fromkeys(("👎", "💔", "😡", "☹", "🙁", "😞", "-"), KindMeaning(Stage.UNKNOWN, wanted=False)),
}


def _words(kind: str) -> list[str]:
    """Split a name into lower-case words: `removeFromCart` → remove, from, cart."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", kind)
    return re.findall(r"[^\W_]+", plain(parted))


def _stem(word: str) -> str:
    """Return the form of a word that the vocabulary has, without -s, -ed or -ing; the word itself where it has none."""
    if word in _ALL_WORDS or word == "returning":
        return word
    for ending in ("s", "es", "d", "ed", "ing"):
        if word.endswith(ending):
            root = word[: -len(ending)]
            for form in (root, root + "e", root[:-1] if root[-2:-1] == root[-1:] else root, root[:-1] + "y"):
                if form in _ALL_WORDS:
                    return form
    for prefix in ("un", "dis", "add", "item", "product", "page", "detail"):
        if word.startswith(prefix) and len(word) > len(prefix) + 2:
            rest = _stem(word[len(prefix) :])
            if rest in _ALL_WORDS:
                return f"{prefix}-{rest}" if prefix in {"un", "dis"} else rest
    return word


def _is_unwanted(words: list[str], joined: str) -> bool:
    if any(part in joined for part in _JOINED) or any(word.startswith(("un-", "dis-")) for word in words):
        return True
    if words[0] in _NOT and len(words) > 1:
        return True
    bad = _UNWANTED_WORDS.intersection(words)
    return bool(bad) and not (
        bad <= {"down", "left", "no", "pass"} and len(words) > 1 and "thumb" not in joined[:5]
    )


def _stage(words: list[str]) -> Stage:
    """Return the furthest stage that the words name; `checkout_started` is no purchase, and `view_cart` no new item in it."""
    found = {_STAGE_OF[word] for word in words if word in _STAGE_OF}
    if words[:2] in (["swipe", "right"], ["thumb", "up"], ["thumbs", "up"]):
        return Stage.LIKE
    if not found:
        return Stage.UNKNOWN
    if Stage.VIEW in found and any(set(part) <= set(words) for part in _LISTS):
        return Stage.SHOWN
    if words[0] in {"view", "interaction"} or (words[-1] == "view" and Stage.CART in found):
        return Stage.VIEW
    if "checkout" in words and _DONE.intersection(words) and "step" not in words:
        return Stage.BUY
    if _STARTED.intersection(words) and Stage.BUY in found:
        return Stage.CART
    if "wishlist" in words or "wish" in words:
        return Stage.LIKE
    return max(found)
