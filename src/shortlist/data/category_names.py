"""Names of categories for people: of a nested category such as `Home > Kitchen > Knives`, the last level."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from shortlist.data.lazy import lazy_property

ARROWS = (">", "»", "›", "→", "::")
"""Marks between levels that occur in no other meaning."""
EXAMPLES = 2_000
"""Words by which the mark between levels is found."""


class CategoryNames:
    """Short names of the words of one category or list.

    Words are nested if an arrow such as `>` stands between their levels. A slash can also belong to a name (`Hip-Hop/Rap`): it is
    read as a mark between levels if levels repeat, that is if a word is the beginning of another one, most words with a slash have
    three levels, or most words have a slash and first levels have several words each.

    Parameters
    ----------
    words
        All words of the category.

    Examples
    --------
    >>> names = CategoryNames(["Home", "Home > Knives", "Women > Shoes", "Men > Shoes"])
    >>> [names.short(word) for word in names.words]
    ['Home', 'Knives', 'Women › Shoes', 'Men › Shoes']
    >>> CategoryNames(["Hip-Hop/Rap", "R&B/Soul", "Pop"]).short("Hip-Hop/Rap")
    'Hip-Hop/Rap'
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    @lazy_property
    def mark(self) -> str | None:
        """The mark between levels; None where the words are not nested."""
        some = list(itertools.islice(iter(self.words), EXAMPLES))
        for arrow in ARROWS:
            if any(len(_split(word, arrow)) > 1 for word in some):
                return arrow
        return "/" if _is_nested(some) else None

    @lazy_property
    def _repeated(self) -> frozenset[str]:
        """Last levels that several words have."""
        assert self.mark is not None
        last = Counter(levels[-1] for word in self.words if (levels := _split(word, self.mark)))
        return frozenset(name for name, count in last.items() if count > 1)

    def short(self, word: str) -> str:
        """Return the last level of a word, with the level before it where another word ends with the same one."""
        if self.mark is None:
            return word
        levels = _split(word, self.mark)
        if not levels:
            return word
        return " › ".join(levels[-2:]) if levels[-1] in self._repeated else levels[-1]

    def __repr__(self) -> str:
        return f"CategoryNames({len(self.words):,} words)"


def _split(word: str, mark: str) -> list[str]:
    return [level for part in re.split(re.escape(mark), word) if (level := part.strip())]


def _is_nested(words: Sequence[str]) -> bool:
    levels = [_split(word, "/") for word in words]
    nested = [own for own in levels if len(own) > 1]
    if not nested:
        return False
    known = {tuple(own) for own in levels}
    if any(tuple(own[:depth]) in known for own in nested for depth in range(1, len(own))):
        return True
    if 2 * sum(len(own) > 2 for own in nested) > len(nested):
        return True
    return 2 * len(nested) >= len(words) and 2 * len({own[0] for own in nested}) <= len(nested)
