"""Catalogue statistics of a fold: what training knows about the items and about the histories of the requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from shortlist.data.attributes import CategoryAttribute, CodedAttribute, ListAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.no_time import NO_TIME
from shortlist.evaluate.fold import REAL_TIME, Fold
from shortlist.evaluate.measures import CatalogueStatistics, FloatArray
from shortlist.evaluate.policies import histories_of
from shortlist.recommender import Recommender
from shortlist.retrieve import interactions

DAY = 86_400_000


def catalogue_statistics(recommender: Recommender, fold: Fold) -> CatalogueStatistics:
    """Return the statistics of the training part of a fold.

    Parameters
    ----------
    recommender : Recommender
        Trained on `fold.train`. Its re-ranking settings name the attributes of genres and providers.
    fold : Fold
        The fold.
    """
    train, n = fold.train, len(fold.train.items)
    taken = train.log.item[train.log.acted]
    popularity = np.bincount(taken, minlength=n) / max(len(train.users), 1)
    histories = histories_of(fold)
    return replace(
        item_statistics(recommender, popularity, fold.moment),
        indptr=histories.indptr,
        taken=histories.item.astype(np.int64),
    )


def item_statistics(recommender: Recommender, popularity: FloatArray, moment: int) -> CatalogueStatistics:
    """Return what a recommender knows about its items; the histories of requests are not in it.

    Parameters
    ----------
    recommender : Recommender
        Its re-ranking settings name the attributes of genres and providers.
    popularity : ndarray of float64, shape (items,)
        The share of people who took each item.
    moment : int
        The moment of the requests (ms).
    """
    train, settings = recommender.dataset, recommender.project.rerank
    n = len(train.items)
    provider = train.items.attributes[settings.exposure_by] if settings.exposure_by else None
    assert provider is None or isinstance(provider, CategoryAttribute)
    genres = _genres(train, settings.diversity_by)
    first_seen = recommender.state.catalogue.first_seen[:n]
    age = np.where(first_seen == NO_TIME, np.nan, (moment - first_seen.astype(np.float64)) / DAY)
    if settings.diversity_by or recommender.state.catalogue.factors is not None:
        vectors: Any = recommender.state.catalogue.pipeline.vectors(np.arange(n))
    else:
        vectors = interactions(train, recommender.project.retrieve).T.tocsr()
    return CatalogueStatistics(
        n,
        popularity=popularity,
        vectors=vectors,
        genres=None if genres is None else genres.matrix(),
        provider=None if provider is None else provider.codes.astype(np.int64),
        providers=0 if provider is None else len(provider.vocabulary),
        age=age if int(train.log.time[-1]) > REAL_TIME else None,
    )


def _genres(train: Dataset, diversity_by: str | None) -> CodedAttribute | None:
    """The category or list that diversity uses, otherwise the first list."""
    attributes = train.items.attributes
    chosen = attributes.get(diversity_by or "")
    if isinstance(chosen, CodedAttribute):
        return chosen
    return next((a for a in attributes.values() if isinstance(a, ListAttribute)), None)
