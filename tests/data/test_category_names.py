"""Short names of nested categories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.category_names import CategoryNames


@pytest.mark.parametrize(
    ("words", "short"),
    [
        (["Home > Kitchen > Knives", "Home > Garden"], ["Knives", "Garden"]),
        (["Home>Kitchen", "Home"], ["Kitchen", "Home"]),
        (["Women > Shoes", "Men > Shoes", "Men > Hats"], ["Women › Shoes", "Men › Shoes", "Hats"]),
        (["Home/Kitchen", "Home/Garden", "Toys/Cars"], ["Home/Kitchen", "Home/Garden", "Toys/Cars"]),
        (["Home/Kitchen", "Home/Garden", "Home", "Toys/Cars"], ["Kitchen", "Garden", "Home", "Cars"]),
        (["A/B/C", "A/B/D", "E/F/G"], ["C", "D", "G"]),
        (["/Home/Kitchen/", "/Home/Garden/", "/Home/"], ["Kitchen", "Garden", "Home"]),
        (["Hip-Hop/Rap", "R&B/Soul", "Pop", "Rock"], ["Hip-Hop/Rap", "R&B/Soul", "Pop", "Rock"]),
        (["Drama", "Sci-Fi"], ["Drama", "Sci-Fi"]),
        ([">", "a > b"], [">", "b"]),
        ([], []),
    ],
)
def test_the_last_level_is_the_name(words: list[str], short: list[str]) -> None:
    names = CategoryNames(words)
    assert [names.short(word) for word in words] == short


@given(st.lists(st.text("ab>/ ", min_size=1, max_size=8), max_size=12, unique=True))
def test_every_word_has_a_name(words: list[str]) -> None:
    names = CategoryNames(words)
    for word in words:
        assert names.short(word).strip() or not word.strip()
        assert set(names.short(word)) <= set(word) | set(" ›")
