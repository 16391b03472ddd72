"""Retrievers that learn from a whole log on the executors.

The driver collects for each, with this bound:

| model | collected | bound |
| --- | --- | --- |
| `popular` | a decayed count of each item, with `by` in each segment; for the ranker, as of eight moments | items · (segments + 1) · 8 |
| `neighbours`, `sequence` | the k strongest of each item | items · k |
| `together` | the same, and with `apart` pairs of categories | items · k + categories² |
| `als`, `content` | item factors of MLlib, and those of `INDEX_USERS` users | items · factors |
| `slim` | the Gram matrix of the items, up to `exact_items` of them | items² / 2 |
| `again` | nothing | |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.attributes import CategoryAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress
from shortlist.distributed.entries import Entries
from shortlist.distributed.factors import LearnedFactors, learn_factors
from shortlist.distributed.item_counts import Moments, decayed_counts, segment_counts
from shortlist.distributed.item_pairs import Codes, Values
from shortlist.distributed.ordered_events import learn_sequence, learn_together
from shortlist.distributed.whole_log import WholeLog
from shortlist.errors import ProjectError
from shortlist.retrieve import Retriever
from shortlist.retrieve.again import Again
from shortlist.retrieve.als import ALS
from shortlist.retrieve.als_settings import ALSConfig, usual_factors
from shortlist.retrieve.content import Content
from shortlist.retrieve.kernels.decay import Decay
from shortlist.retrieve.neighbours import Bm25Totals, Neighbours, neighbours_kept
from shortlist.retrieve.popular import Popular
from shortlist.retrieve.sequence import Sequence as SequenceModel
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.together import Together

FACTORS_OF_CONTENT = 32
"""From so many factors on, `content` maps descriptions to the factors of the project's `als`: learning its own would take as long again."""


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
        self._of_project: ALSConfig | None = None
        self._factors: dict[str, LearnedFactors] = {}
        self._of_model: Mapping[type[Retriever], Callable[[Any], None]] = {
            Popular: self._popular,
            Neighbours: self._neighbours,
            SequenceModel: self._sequence,
            Together: self._together,
            SLIM: self._slim,
            ALS: self._als,
            Content: self._content,
            Again: self._again,
        }

    def __repr__(self) -> str:
        return f"WholeRetrievers({self._whole!r})"

    def fit(self, retrievers: Mapping[str, Retriever], progress: Progress, step: str) -> None:
        """Fit retrievers that `check_retrievers` accepts."""
        self._of_project = next((one.config for one in retrievers.values() if isinstance(one, ALS)), None)
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
        decay = model.decay_on(known.log)
        model.of_counts(_popular_counts(self._whole, self._dataset, model, decay, [self._until])[0], decay)

    def _again(self, model: Again) -> None:
        model.fit(self._dataset)

    def _neighbours(self, model: Neighbours) -> None:
        config, entries = model.config, self._entries_of(model)
        n, counts, totals = len(entries.item_users), np.maximum(entries.item_users, 1), None
        if config.similarity == "bm25":
            users, weights = self._whole.count_users(), entries.damped_weights(config.repeats)
            totals = Bm25Totals(users, float(weights.sum() / max(users, 1)), entries.item_users)
            counts = np.ones(n)
        pairs = entries.gram(config.repeats, ("items", config.spread / 2), totals)
        value = partial(_cosine, counts ** (1 - config.power), counts**config.power, config.shrink)
        model.of_weights(pairs.strongest(value, neighbours_kept(config, n), n))

    def _sequence(self, model: SequenceModel) -> None:
        learn_sequence(model, self._whole, self._until, self._entries_of(model).item_weights)

    def _together(self, model: Together) -> None:
        learn_together(model, self._whole, self._dataset, self._until)

    def _slim(self, model: SLIM) -> None:
        config, entries = model.config, self._entries_of(model)
        n = len(entries.item_users)
        found = entries.gram(config.repeats, ("weight", config.spread)).rows(_upper)
        i, j = found.column("i").to_numpy(), found.column("j").to_numpy()
        gram = np.zeros((n, n), np.float32, order="F")
        gram[i, j] = gram[j, i] = found.column("c").to_numpy().astype(np.float32)
        model.of_gram(gram, entries.damped_weights(config.repeats))

    def _als(self, model: ALS) -> None:
        model.of_learned(*self._learned(model.config, self._entries_of(model)))

    def _learned(self, config: ALSConfig, entries: Entries) -> LearnedFactors:
        """Return factors by these settings, which are learned once."""
        factors = config.factors or usual_factors(len(entries.item_weights))
        key = config.model_copy(update={"factors": factors}).model_dump_json()
        if key not in self._factors:
            self._factors[key] = learn_factors(config, entries)
        return self._factors[key]

    def _content(self, model: Content) -> None:
        entries, shared = self._entries_of(model), self._of_project
        if shared is not None:
            factors = shared.factors or usual_factors(len(entries.item_weights))
            shared = shared if factors >= FACTORS_OF_CONTENT else None

        def als(factors: int) -> ALS:
            config = shared or ALSConfig(factors=factors)
            return ALS(**config.model_dump()).of_learned(*self._learned(config, entries))

        model.fit_with(self._dataset, entries.item_weights, als)


def _popular_counts(
    whole: WholeLog, dataset: Dataset, model: Popular, decay: Decay, moments: Moments
) -> list[NDArray[np.float32]]:
    """Return `Popular.counts_` as of each moment."""
    config = model.config
    counts = decayed_counts(whole, config, decay, moments)
    if not config.by:
        return [own[None].astype(np.float32) for own in counts]
    words = dataset.users.attributes.get(config.by)
    if not isinstance(words, CategoryAttribute):
        raise ProjectError(f"popular: by = {config.by!r} is no category attribute of users", field="by")
    segments = segment_counts(whole, config, decay, moments, words.vocabulary)
    return [model.smoothed(of_segments, own) for of_segments, own in zip(segments, counts, strict=True)]


def refit_popular(whole: WholeLog, dataset: Dataset, model: Popular, moments: Sequence[int]) -> list[Popular]:
    """Return a fitted `popular` as it would be if it learned again from what was known before each moment (ms), in one pass over the log.

    The driver gets a count of each item, segment and moment.
    """
    found = model.unfitted()
    decay = found.decay_on(dataset.log)
    refitted = [
        model.unfitted().of_counts(counts, decay)
        for counts in _popular_counts(whole, dataset, found, decay, moments)
    ]
    for one in refitted:
        one.attach(dataset)
    return refitted


def check_retrievers(project: Project, retrievers: Mapping[str, Retriever], items: int = 0) -> None:
    """Refuse retrievers that cannot learn from a log that is on executors.

    Raises
    ------
    ProjectError
        Names the source, those that can, and what to set.
    """
    kinds = (Popular, Neighbours, SequenceModel, Together, SLIM, ALS, Content, Again)
    for number, (name, retriever) in enumerate(retrievers.items()):
        field = f"retrieve.sources.{number}"
        config, reason = retriever.config, ""
        if type(retriever) not in kinds:
            reason = f"{retriever.name} learns on one machine only"
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


def _upper(i: Codes, j: Codes, c: Values) -> NDArray[np.bool_]:  # noqa: ARG001 - as `PairChoice`
    """Return which pairs are in the upper half of a symmetric matrix. Runs on an executor."""
    return i <= j


def _cosine(own: Values, others: Values, shrink: float, i: Codes, j: Codes, c: Values) -> Values:
    """Return the similarities of pairs. Runs on an executor."""
    return c / (own[i] * others[j] + shrink)
