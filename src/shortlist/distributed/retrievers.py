"""Retrievers that learn from a whole log on the executors.

What the driver collects for each, and the bound:

| model | collected | bound |
| --- | --- | --- |
| `popular` | a decayed count of each item | items |
| `neighbours` | the k nearest of each item | items · k |
| `als`, `content` | item factors of MLlib, and those of `INDEX_USERS` users | items · factors |
| `slim` | the Gram matrix of the items, up to `exact_items` of them | items² / 2 |
| `again` | nothing | |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress
from shortlist.distributed.entries import Entries, decayed_counts
from shortlist.distributed.factors import learn_factors
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.errors import ProjectError
from shortlist.retrieve import Retriever
from shortlist.retrieve.again import Again
from shortlist.retrieve.als import ALS
from shortlist.retrieve.content import Content
from shortlist.retrieve.neighbours import Neighbours, neighbours_kept
from shortlist.retrieve.popular import Popular
from shortlist.retrieve.slim import SLIM

NEAREST = "i int, j int, value double"


class WholeRetrievers:
    """Fits retrievers on what a whole log held before a moment.

    Parameters
    ----------
    whole
        The log.
    dataset
        The catalogue, and the log of some users.
    until
        A moment, ms (default: everything).
    """

    def __init__(self, whole: WholeLog, dataset: Dataset, until: int | None) -> None:
        self._whole, self._dataset, self._until = whole, dataset, until
        self._entries: Entries | None = None
        self._of_model: Mapping[type[Retriever], Callable[[Any], None]] = {
            Popular: self._popular,
            Neighbours: self._neighbours,
            SLIM: self._slim,
            ALS: self._als,
            Content: self._content,
            Again: self._again,
        }

    def __repr__(self) -> str:
        return f"WholeRetrievers({self._whole!r})"

    def fit(self, retrievers: Mapping[str, Retriever], progress: Progress, step: str) -> None:
        """Fit retrievers that `check_retrievers` accepts."""
        for number, retriever in enumerate(retrievers.values()):
            self._of_model[type(retriever)](retriever)
            retriever.attach(self._dataset)
            progress(step, (number + 1) / len(retrievers))
        if self._entries is not None:
            self._entries.release()

    def _entries_of(self, retriever: Retriever) -> Entries:
        if self._entries is None:  # all retrievers of a project have the same event weighting
            self._entries = Entries.of(self._whole, retriever.event_weighting, self._until)
        return self._entries

    def _popular(self, model: Popular) -> None:
        known = self._dataset if self._until is None else self._dataset.before(self._until)
        counts = decayed_counts(self._whole, model.config, model.half_life_on(known.log), self._until)
        model.of_counts(counts[None].astype(np.float32))

    def _again(self, model: Again) -> None:
        model.fit(self._dataset)

    def _neighbours(self, model: Neighbours) -> None:
        config, entries = model.config, self._entries_of(model)
        counts = np.maximum(entries.item_users, 1)
        pairs = entries.gram(config.repeats, ("items", config.spread / 2))
        k = neighbours_kept(config, len(counts))
        own, others = counts ** (1 - config.power), counts**config.power
        found = collected(_nearest(pairs, own, others, config.shrink, k))
        model.of_weights(_sparse(found, len(counts)))

    def _slim(self, model: SLIM) -> None:
        config, entries = model.config, self._entries_of(model)
        n = len(entries.item_users)
        found = collected(entries.gram(config.repeats, ("weight", config.spread)))
        i, j = found.column("i").to_numpy(), found.column("j").to_numpy()
        gram = np.zeros((n, n), np.float32, order="F")
        gram[i, j] = gram[j, i] = found.column("c").to_numpy().astype(np.float32)
        model.of_gram(gram, entries.damped_weights(config.repeats))

    def _als(self, model: ALS) -> None:
        learn_factors(model, self._entries_of(model))

    def _content(self, model: Content) -> None:
        entries = self._entries_of(model)
        model.fit_with(
            self._dataset,
            entries.item_weights,
            lambda factors: learn_factors(ALS(factors=factors), entries),
        )


def check_retrievers(project: Project, retrievers: Mapping[str, Retriever], items: int = 0) -> None:
    """Refuse retrievers that cannot learn from a log that is on executors.

    Raises
    ------
    ProjectError
        Names the source, those that can, and what to set.
    """
    kinds = (Popular, Neighbours, SLIM, ALS, Content, Again)
    for number, (name, retriever) in enumerate(retrievers.items()):
        field = f"retrieve.sources.{number}"
        config, reason = retriever.config, ""
        if type(retriever) not in kinds:
            reason = f"{retriever.name} learns on one machine only"
        elif isinstance(retriever, Popular) and config.by:
            reason = f"by = {config.by!r} needs an attribute of every user; leave it out"
        elif isinstance(retriever, Neighbours) and config.similarity != "cosine":
            reason = 'similarity = "bm25" is not divided; set similarity = "cosine"'
        elif isinstance(retriever, SLIM) and items > config.exact_items:
            reason = (
                f"its Gram matrix of {items:,} items would be collected, and exact_items = {config.exact_items:,}; increase it, or "
                "use neighbours and als"
            )
        if reason:
            raise ProjectError(
                f"{project.where(field)}{field} ({name}): {reason}. A log of more than spark.events = {project.spark.events:,} events "
                f"is learned on the executors by: {', '.join(kind.name for kind in kinds)}. Use these, or increase spark.events so "
                "that the log fits the driver",
                field=field,
            )


def _nearest(pairs: Any, own: NDArray[np.float64], others: NDArray[np.float64], shrink: float, k: int) -> Any:
    """Return the k nearest of each item, as a frame of (i, j, value). pairs: (i, j, c) with i ≤ j."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    valued = pairs.mapInArrow(partial(_values, own, others, shrink), NEAREST)
    rank = sql.row_number().over(Window.partitionBy("i").orderBy(sql.desc("value"), "j"))
    return valued.withColumn("rank", rank).where(f"rank <= {k}").drop("rank")


def _values(own: NDArray[np.float64], others: NDArray[np.float64], shrink: float, batches: Any) -> Any:
    """Make similarities of both directions of each pair. Runs on an executor."""
    for batch in batches:
        i, j, c = (batch.column(name).to_numpy() for name in ("i", "j", "c"))
        different = (i != j) & (c > 0)
        i, j, c = i[different], j[different], c[different]
        for one, other in ((i, j), (j, i)):
            yield pa.RecordBatch.from_pydict(
                {"i": one, "j": other, "value": c / (own[one] * others[other] + shrink)}
            )


def _sparse(found: pa.Table, n: int) -> sp.csr_matrix:
    """Return (i, j, value) rows as a sparse float32 (n, n) matrix."""
    rows = (found.column("i").to_numpy(), found.column("j").to_numpy())
    W = sp.csr_matrix((found.column("value").to_numpy().astype(np.float32), rows), shape=(n, n))
    W.sort_indices()
    return W
