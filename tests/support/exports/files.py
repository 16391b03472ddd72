"""Write tables of texts as exports do."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_csv(
    path: Path,
    columns: Mapping[str, Sequence[object]],
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Path:
    """Write columns as a text table; None is an empty cell."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(
            ["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)
        )
    return path


def comma(numbers: Iterable[float]) -> list[str]:
    """Write amounts of money with a decimal comma."""
    return [f"{number:.2f}".replace(".", ",") for number in numbers]
