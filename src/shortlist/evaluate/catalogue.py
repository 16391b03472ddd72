"""Catalogue statistics of a fold: what training knows about the items and about the histories of the requests."""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.data.attributes import CategoryAttribute, CodedAttribute, ListAttribute
from shortlist.data.no_time import NO_TIME
from shortlist.evaluate.fold import REAL_TIME, Fold
from shortlist.evaluate.measures import CatalogueStatistics
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
    train, settings = fold.train, recommender.project.rerank
    n = len(train.items)
    histories = histories_of(fold)
    taken = train.log.item[train.log.acted]
    provider = train.items.attributes[settings.exposure_by] if settings.exposure_by else None
    assert provider is None or isinstance(provider, CategoryAttribute)
    genres = _genres(fold, settings.diversity_by)
    first_seen = recommender.state.catalogue.first_seen
    age = np.where(first_seen == NO_TIME, np.nan, (fold.moment - first_seen.astype(np.float64)) / DAY)
    if settings.diversity_by or recommender.state.catalogue.factors is not None:
        vectors: Any = recommender.state.catalogue.pipeline.vectors(np.arange(n))
    else:
        vectors = interactions(train, recommender.project.retrieve).T.tocsr()
    return CatalogueStatistics(
        n,
        popularity=np.bincount(taken, minlength=n) / max(len(train.users), 1),
        indptr=histories.indptr,
        taken=histories.item.astype(np.int64),
        vectors=vectors,
        genres=None if genres is None else genres.matrix(),
        provider=None if provider is None else provider.codes.astype(np.int64),
        providers=0 if provider is None else len(provider.vocabulary),
        age=age if int(train.log.time[-1]) > REAL_TIME else None,
    )


def _genres(fold: Fold, diversity_by: str | None) -> CodedAttribute | None:
    """The category or list that diversity uses, otherwise the first list."""
    attributes = fold.train.items.attributes
    chosen = attributes.get(diversity_by or "")
    if isinstance(chosen, CodedAttribute):
        return chosen
    return next((a for a in attributes.values() if isinstance(a, ListAttribute)), None)
