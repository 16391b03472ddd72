"""Which items are not shown again to a user who already had them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rerank import RerankSettings
from shortlist.data.attributes import NumberAttribute
from shortlist.data.entities import Entities


def hidden_once_seen(
    items: Entities, codes: NDArray[np.integer], settings: RerankSettings
) -> NDArray[np.bool_]:
    """Return which items are not shown again to a user who had them.

    All of them are hidden by default. `rerank.show_seen` hides none, and `rerank.show_again` names a number attribute:
    items where it is above 0, such as food that is bought again, are shown again.

    Parameters
    ----------
    items
        The catalogue.
    codes
        Codes of items, shape (m,).
    settings
        The project's `[rerank]`.

    Returns
    -------
    ndarray of shape (m,), bool
        True: the item is hidden.
    """
    if settings.show_seen:
        return np.zeros(len(codes), bool)
    if settings.show_again is None:
        return np.ones(len(codes), bool)
    again = items.attribute(settings.show_again, NumberAttribute).values[codes]
    return np.asarray(np.nan_to_num(again) == 0)
