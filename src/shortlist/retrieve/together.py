"""Together: complements, items that are taken with each other."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Duration, duration_ms
from shortlist.data.attributes import CategoryAttribute
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.kernels.cooccurrence import sparse_rows
from shortlist.retrieve.kernels.select import top_k_rows

HEAD_ITEMS = 10
"""Number of items of a category, the most taken, that back up its pairs."""
PARTNER_CATEGORIES = 8
"""Number of partner categories of a category that back up its pairs."""


class TogetherConfig(ItemItemConfig):
    """Settings of `Together`."""

    event: str | None = None
    """The kind of event that fills a basket, such as "purchase". None: every kind except impressions."""
    basket: Duration = "3d"
    """The longest gap between two events of one basket; a duration."""
    apart: str | None = None
    """A category attribute of items: items of the same category are no complements. None: any two items can be."""
    k: int = Field(100, ge=1)
    """Number of partners that each item keeps, 1 or more."""
    shrink: float = Field(5.0, ge=0)
    """Shrinks pairs that rest on few baskets towards zero; in baskets, 0 or more."""
    fewest: int = Field(2, ge=1)
    """The least number of baskets that a pair must share, 1 or more."""
    back_off: float = Field(0.1, ge=0, le=1)
    """With `apart`: weight of the categories beside the pairs, from 0 to 1."""


class Together(ItemItem):
    """Recommend complements: items that go with each other, not items that replace each other.

        W_ij = c_ij / (c_i + shrink) · max(log(lift_ij), 0),    lift_ij = c_ij · B / (c_i · c_j)

    over B baskets; a basket is what one user takes with no gap longer than `basket`, and c_ij counts the baskets that hold
    both items. The first factor is how often j comes with i, the second how much more often than by chance; a bestseller that
    is in every basket goes with nothing. Pairs of the same category in the attribute `apart` are left out: two tents in one
    basket are rare, and users who view one tent compare it with others, which `neighbours` learns.

    Most pairs of items never share a basket, but their categories do. With `apart`, the same formula over categories gives
    the categories that go with one, and their most taken items are added to the pairs with the weight `back_off`. A new
    tent has sleeping bags beside it from its first day.

    Use it for a product page, a basket, or the next item. Do not use it for general taste, nor where users rarely take two
    items at a time.

    Cost: Σ_baskets (size)² to fit; memory items · k.

    Parameters
    ----------
    config : TogetherConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        W, float32 (items, items), sparse.

    Raises
    ------
    ProjectError
        From `fit`, where the log has no such kind of event, or items have no such attribute.

    References
    ----------
    Brin, Motwani & Silverstein 1997, "Beyond market baskets: generalizing association rules to correlations".
    McAuley, Pandey & Leskovec 2015, "Inferring networks of substitutable and complementary products".

    Examples
    --------
    >>> Together(event="purchase", apart="category")
    Together(event='purchase', apart='category')
    """

    Config = TogetherConfig
    config: TogetherConfig
    name = "together"

    def _fit(self, dataset: Dataset) -> None:
        config, log = self.config, dataset.log
        if config.event is not None and config.event not in log.kinds:
            raise ProjectError(
                f"together: event = {config.event!r} is no kind of event of the log; there are: {', '.join(log.kinds)}",
                field="event",
            )
        rows = np.flatnonzero(log.acted if config.event is None else log.is_kind([config.event]))
        order = rows[np.lexsort((log.time[rows], log.user[rows]))]
        user, time = log.user[order], log.time[order]
        X = basket_matrix(user, log.item[order], time, duration_ms(config.basket), len(dataset.items))
        self._fit_baskets(X, self.categories(dataset))

    def categories(self, dataset: Dataset) -> NDArray[np.int32] | None:
        """Return the category of each item in `apart`, int32 (items,), −1 for none; None where any two items can be complements.

        Raises
        ------
        ProjectError
            Items have no such attribute.
        """
        by = self.config.apart
        if by is None:
            return None
        attribute = dataset.items.attributes.get(by)
        if not isinstance(attribute, CategoryAttribute):
            raise ProjectError(f"together: apart = {by!r} is no category attribute of items", field="apart")
        return np.asarray(attribute.codes, np.int32)

    def fit_baskets(self, X: sp.csr_matrix, categories: NDArray[np.integer] | None = None) -> Self:
        """Learn from a (baskets, items) matrix of ones, float32; categories int (items,), −1 for none."""
        self._fit_baskets(X, categories)
        return self._finish(X.shape[1])

    def _fit_baskets(self, X: sp.csr_matrix, categories: NDArray[np.integer] | None) -> None:
        config, n = self.config, X.shape[1]
        counts = np.bincount(X.indices, minlength=n).astype(np.float64)
        pairs = self._pairs(X, counts)
        if categories is None:
            self.weights_ = largest_of_rows(pairs, config.k)
            return
        pairs.data[alike(pairs.row, pairs.col, categories)] = 0
        baskets = category_baskets(X, categories)
        partners = self._pairs(baskets, np.asarray(baskets.sum(0), np.float64).ravel())
        by_category = of_categories(partners, counts, categories)
        self.weights_ = largest_of_rows(pairs.tocsr() + config.back_off * by_category, config.k)

    def _pairs(self, X: sp.csr_matrix, counts: NDArray[np.float64]) -> sp.coo_matrix:
        """Return the weight of each pair of columns that enough rows share."""
        both = (X.T @ X).tocoo()
        kept = (both.row != both.col) & (both.data >= self.config.fewest)
        i, j, c = both.row[kept], both.col[kept], both.data[kept].astype(np.float64)
        values = lift_weights(c, counts[i], counts[j], X.shape[0], self.config.shrink)
        return sp.coo_matrix((values.astype(np.float32), (i, j)), shape=both.shape)


def basket_matrix(
    user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.int64], gap: int, items: int
) -> sp.csr_matrix:
    """Return the (baskets, items) matrix of ones, float32, of events that are ordered by user and time (ms); see `Together`."""
    new = np.ones(len(user), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(time) > gap)
    basket = np.cumsum(new) - 1
    X = sp.csr_matrix((np.ones(len(user), np.float32), (basket, item)), shape=(int(new.sum()), items))
    X.sum_duplicates()
    X.data[:] = 1.0
    return X


def category_baskets(X: sp.csr_matrix, categories: NDArray[np.integer]) -> sp.csr_matrix:
    """Return which categories each basket holds, as ones, (baskets, categories)."""
    baskets = (X @ _categories_of(categories)).tocsr()
    baskets.data[:] = 1.0
    return baskets


def _categories_of(categories: NDArray[np.integer]) -> sp.csr_matrix:
    known = categories >= 0
    shape = (len(categories), int(categories.max(initial=-1)) + 1)
    ones = np.ones(int(known.sum()), np.float32)
    return sp.csr_matrix((ones, (np.flatnonzero(known), categories[known])), shape=shape)


def alike(
    i: NDArray[np.integer], j: NDArray[np.integer], categories: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Return which pairs are of one category."""
    return np.asarray((categories[i] == categories[j]) & (categories[i] >= 0))


def lift_weights(
    c: NDArray[np.float64],
    of_i: NDArray[np.float64],
    of_j: NDArray[np.float64],
    baskets: float,
    shrink: float,
) -> NDArray[np.float64]:
    """Return the weight of pairs i → j that share c baskets, from the numbers of baskets of i, of j, and of all; see `Together`."""
    lift = np.log(np.maximum(c * baskets / (of_i * of_j), 1.0))
    return np.asarray(c / (of_i + shrink) * lift)


def of_categories(
    partners: sp.spmatrix, counts: NDArray[np.float64], categories: NDArray[np.integer]
) -> sp.csr_matrix:
    """Return weights (items, items) from categories: the most taken items of each partner category, by their share.

    Parameters
    ----------
    partners
        The weights of pairs of categories, (categories, categories).
    counts
        float64 (items,): the baskets of each item.
    categories
        int (items,), −1 for none.
    """
    n, size, known = len(categories), partners.shape[0], categories >= 0
    total = np.bincount(categories[known], counts[known], size)
    order = np.lexsort((-counts, categories))
    place = np.arange(n) - np.searchsorted(categories[order], categories[order])
    head = order[(place < HEAD_ITEMS) & (categories[order] >= 0) & (counts[order] > 0)]
    share = counts[head] / np.maximum(total[categories[head]], 1)
    heads = sp.csr_matrix((share.astype(np.float32), (categories[head], head)), shape=(size, n))
    kept = largest_of_rows(sp.csr_matrix(partners), PARTNER_CATEGORIES)
    return (_categories_of(categories) @ (kept @ heads)).tocsr()


def largest_of_rows(whole: sp.spmatrix, k: int) -> sp.csr_matrix:
    """Return the k largest entries of each row."""
    whole, n = sp.csr_matrix(whole, dtype=np.float32), whole.shape[0]
    whole.eliminate_zeros()
    parts = []
    for start in range(0, n, 1024):
        dense = whole[start : start + 1024].toarray()
        dense[dense == 0] = -np.inf
        parts.append(top_k_rows(dense, k))
    if not parts:
        return whole
    items, values = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    return sparse_rows(items, values, n)
