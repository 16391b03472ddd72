"""Searching texts without regard to case, against Python's `in`."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from shortlist.rerank import text_search
from shortlist.rerank.text_search import BLOCK, TextSearch

WORDS = st.text(alphabet="abAB é\u00dfx", max_size=12)


@given(st.lists(WORDS, max_size=12), st.text(alphabet="abAB éx", max_size=4))
def test_texts_that_contain_a_text(texts: list[str], wanted: str) -> None:
    found = TextSearch(pa.array(texts, pa.string())).containing(wanted)
    assert found.tolist() == [wanted.casefold() in text.casefold() for text in texts]


def test_texts_across_blocks_and_slices() -> None:
    """Matches lie on both sides of the borders of blocks; none reaches from one text into the next."""
    texts = ["x" * (n % 97) + ("Star" if n % 3 == 0 else "sta") for n in range(400)]
    assert sum(map(len, texts)) > 2 * BLOCK
    search = TextSearch(pa.array([*texts, "r"], pa.string()).slice(1))
    assert search.containing("STAR").tolist() == [("Star" in text) for text in [*texts[1:], "r"]]
    assert search.containing("x" * 96).sum() == sum("x" * 96 in text for text in texts[1:])
    assert not search.containing("y" * 100_000).any()


def test_large_texts_are_searched_as_they_are() -> None:
    """Without a folded copy, the same texts are found."""
    texts = pa.array([f"{'Moon' if n % 2 else 'STAR'} {n}" for n in range(60)])
    kept = TextSearch(texts)
    most = text_search.LARGEST
    text_search.LARGEST = 100
    try:
        large = TextSearch(texts)
    finally:
        text_search.LARGEST = most
    assert large.containing("star 1").tolist() == kept.containing("star 1").tolist()
