"""What the pages before the present one have shown, for re-rankers that count over all pages of a slate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EarlierPages:
    """The items of the pages before the present one.

    Attributes
    ----------
    items : ndarray of shape (shown,), int32
        Codes of the items that were shown, each once, those that the catalogue still has.
    slots
        Number of slots of those pages: the position of the first slot of the present one.
    """

    items: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    slots: int = 0

    def __repr__(self) -> str:
        return f"EarlierPages({self.slots:,} slots)"


FIRST_PAGE = EarlierPages()
"""No page before this one."""
