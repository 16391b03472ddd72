"""Names of columns as concepts: without case, accents and punctuation, split into words, in several languages."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from shortlist.data.guess.languages import IGNORED, WORDS

_DOTTED = re.compile(r"\b(\w)\.(\w{1,2})\b")
"""Abbreviations such as `Q.tà` and `N.ro`."""
_ABBREVIATED = re.compile(r"\bart\.[\s\-]*", re.IGNORECASE)
"""Art.-Nr. is the number of an article."""
_TAILS = ("datum", "nummer", "preis", "name", "zeit", "menge", "bezeichnung", "kennung", "betrag")
"""Ends of compounds whose beginning can be any word: `ausleihdatum`."""
_SIGNS = re.compile(r"(?:\bn\s*[°º]|[№#]|\bn[ro]?\.)", re.IGNORECASE)
_WRITTEN = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "œ": "oe"}
SHORTEST = 3
"""The shortest part of a compound, but for `id`, `nr` and `no` at its end."""
_ENDINGS = ("id", "ids", "nr", "no", "ts", "at")


def plain(text: str) -> str:
    """Return a text in lower case without accents: `Größe` → `groesse`."""
    lower = "".join(_WRITTEN.get(letter, letter) for letter in text.lower())
    return "".join(
        letter for letter in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(letter)
    )


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a name.

    Examples
    --------
    >>> words("N° client"), words("Kundennummer"), words("invoiceDate"), words("Lineitem quantity")
    (('nr', 'client'), ('kunden', 'nummer'), ('invoice', 'date'), ('lineitem', 'quantity'))
    """
    parted = re.sub(
        r"(?<=[a-zß-ÿ0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])",
        " ",
        _SIGNS.sub(" nr ", _ABBREVIATED.sub("artikel ", _DOTTED.sub(r"\1\2", name))),
    )
    found = [word for word in re.findall(r"[^\W_]+", plain(parted)) if word]
    return tuple(part for word in found for part in _compound(word))


def _compound(word: str) -> tuple[str, ...]:
    """Split a compound into words that are known: `bestelldatum` → bestell, datum. Other words stay whole."""
    if word in WORDS or word in IGNORED:
        return (word,)
    for at in range(len(word) - 2, SHORTEST - 1, -1):
        head, tail = word[:at], word[at:]
        short = len(tail) < SHORTEST or tail in _ENDINGS
        if head not in WORDS or (short and tail not in _ENDINGS):
            continue
        for rest in (tail, tail[1:] if tail[0] in "sn" else ""):
            if rest in WORDS or rest in _ENDINGS:
                return (head, rest)
            if len(rest) > 2 * SHORTEST and len(parts := _compound(rest)) > 1:
                return (head, *parts)
    for end in _TAILS:
        if word.endswith(end) and len(word) >= len(end) + SHORTEST:
            return (word.removesuffix(end), end)
    return (word,)


@lru_cache(maxsize=4096)
def concepts(name: str) -> frozenset[str]:
    """Return what the words of a name stand for.

    Examples
    --------
    >>> sorted(concepts("Kundennummer")), sorted(concepts("Réf. produit"))
    (['id', 'person'], ['id', 'item'])
    """
    return frozenset(concept for word in words(name) for concept in WORDS.get(word, ()))


def unknown_words(name: str) -> list[str]:
    """Return the words of a name that stand for no concept."""
    return [word for word in words(name) if word not in WORDS and word not in IGNORED and not word.isdigit()]
