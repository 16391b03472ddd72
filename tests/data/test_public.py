"""Public formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.data.public import read_public
from shortlist.errors import DataError


def test_movielens_folder_and_recbole(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t10\t5\t874724710\n2\t11\t3\t874724711\n")
    (tmp_path / "u.item").write_bytes(
        "10|Amélie (2001)|01-Jan-2001||url|0|1|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n11|Heat (1995)|01-Jan-1995||url|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0\n".encode(
            "latin-1"
        )
    )
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n")
    tables = read_public(str(tmp_path))
    assert tables is not None
    assert tables.items is not None
    assert tables.items.to_pylist()[0] == {
        "item_id": 10,
        "title": "Amélie (2001)",
        "released": "01-Jan-2001",
        "genres": ["Action", "Comedy"],
    }
    folder = tmp_path / "recbole"
    folder.mkdir()
    (folder / "x.inter").write_text("user_id:token\titem_id:token\trating:float\n1\t2\t3.5\n")
    (folder / "x.item").write_text("item_id:token\tgenre:token_seq\n2\tA B\n")
    both = read_public(str(folder))
    assert both is not None
    assert both.items is not None
    assert both.items.to_pylist() == [{"item_id": "2", "genre": ["A", "B"]}]
    (folder / "x.inter").write_text("user_id\titem_id:token\n1\t2\n")
    with pytest.raises(DataError, match="name:type"):
        read_public(str(folder))


RATINGS = "1::10::5::874724710\n2::11::3::874724711\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ratings.dat": RATINGS + "5::6\n"}, r"ratings.dat: line 3 .*: 2 values where there are 4 columns: 5\s+6\. Correct"),
        ({"ratings.dat": ""}, "ratings.dat: the file is empty"),
        ({"ratings.csv": "user,movie\n1,2\n"}, "ratings.csv: there is no column userId, which MovieLens has; there are: user, movie"),
        ({"x.inter": "user_id:token\titem_id:token\trating:float\n1\t2\tgood\n"}, "x.inter: line 2 .*: rating: 'good' is no number"),
        ({"x.inter": "user_id:token\tuser_id:token\n1\t2\n"}, "x.inter: there are two columns 'user_id'"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_its_format_is_named_with_the_line(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_public(str(tmp_path))


def test_zip_codes_of_movielens_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text(RATINGS)
    (tmp_path / "users.dat").write_text("1::F::1::10::02139\n")
    tables = read_public(str(tmp_path))
    assert tables is not None
    assert tables.users is not None
    assert tables.users.column("zip").to_pylist() == ["02139"]
