"""The slates that recommenders would have shown instead of logged ones, and the predictions for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.encode import ResolvedRequest
from shortlist.cascade.given_items import ItemList
from shortlist.cascade.rank_list import score_lists
from shortlist.cascade.run import BATCH, Cascade
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.evaluate.policies import log_events
from shortlist.evaluate.shown.logged_slates import FloatArray, IntArray, LoggedSlates
from shortlist.rank.list_members import ListMembers
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest


@dataclass(frozen=True, eq=False, repr=False)
class ModelAnswers:
    """The answers of one recommender to the requests of logged slates.

    Attributes
    ----------
    target : ndarray of int, shape (n_slates, n_slots)
        Item codes of the data set that it would have shown, −1 for an empty slot.
    predictions : dict of str to dict of str to ndarray of float, shape (n_slates, n_slots)
        Name of a slate ("shown", or the name of a recommender for its target) → objective → prediction of each item; NaN for
        an empty slot or an item that this model does not know. Empty for a recommender that predicts nothing.
    scores : ndarray of float, shape (n_slates, n_slots), optional
        Scores by which it orders the items that were shown. Default: the utility of its predictions.
    """

    target: IntArray
    predictions: dict[str, dict[str, FloatArray]]
    scores: FloatArray | None = None

    def __repr__(self) -> str:
        return f"ModelAnswers({len(self.target):,} slates)"


SHOWN = "shown"


def ask_models(
    models: Mapping[str, Recommender],
    dataset: Dataset,
    logged: LoggedSlates,
    since: int,
    progress: Progress = silent,
    others: Mapping[str, IntArray] | None = None,
) -> dict[str, ModelAnswers]:
    """Ask recommenders for a slate at each logged one, without exploration, and for predictions of all items concerned.

    Requests are answered in batches in order of time; before each batch, every recommender receives the events that happened
    since the one before, as a server does. Their live state ends at the last slate.

    Parameters
    ----------
    models
        Name → recommender. Their live state has the events before `since`.
    dataset
        The log. Recommenders may have been trained on data sets with other codes: items are matched by id.
    logged
        The slates, with codes of `dataset`.
    since
        The moment until which the live states know the log, ms.
    progress
        Called with a description and the share that is done.
    others
        Name → targets of further recommenders, int (n_slates, n_slots), of which predictions are needed.
    """
    asked = {name: _Asked(recommender, dataset) for name, recommender in models.items()}
    n, slots = logged.items.shape
    targets = {name: np.full((n, slots), -1, np.int64) for name in models}
    given = dict(others or {})
    sets = [SHOWN, *models, *given]
    predictions = {
        name: {of: {o: np.full((n, slots), np.nan) for o in one.objectives} for of in sets}
        for name, one in asked.items()
    }
    known_until = since
    progress("slates that were shown", 0.0)
    for start in range(0, n, BATCH):
        batch = slice(start, min(start + BATCH, n))
        moment = max(int(logged.moments[start]), known_until)
        low, high = np.searchsorted(dataset.log.time, [known_until, moment])
        resolved = {}
        for name, one in asked.items():
            one.recommender.replay(log_events(dataset, np.arange(low, high)))
            resolved[name] = one.resolve(dataset, logged, batch, moment)
            targets[name][batch] = one.slates(resolved[name], slots)
        known_until = moment
        lists = np.hstack([logged.items[batch], *({**targets, **given}[of][batch] for of in sets[1:])])
        for name, one in asked.items():
            for objective, values in one.predict(resolved[name], lists).items():
                for at, of in enumerate(sets):
                    predictions[name][of][objective][batch] = values[:, at * slots : (at + 1) * slots]
            for objective, values in one.predict_lists(resolved[name], logged, batch).items():
                shown = predictions[name][SHOWN][objective][batch]
                shown[~np.isnan(values)] = values[~np.isnan(values)]
        progress("slates that were shown", batch.stop / n)
    return {name: ModelAnswers(targets[name], predictions[name]) for name in models}


class _Asked:
    """One recommender, with the translation between its item codes and those of the data set."""

    def __init__(self, recommender: Recommender, dataset: Dataset) -> None:
        self.recommender = recommender
        ids = recommender.state.catalogue.items.ids
        self.own = ids.codes(dataset.items.ids.ids(np.arange(len(dataset.items))))
        self.back = dataset.items.ids.codes(ids.ids(np.arange(len(ids))))
        self.objectives = recommender.model.objectives

    def resolve(
        self, dataset: Dataset, logged: LoggedSlates, batch: slice, moment: int
    ) -> list[ResolvedRequest]:
        """The requests of a batch of slates, all at one moment."""
        users = dataset.users.ids.ids(logged.users[batch])
        columns = self.recommender.dataset.log.context
        requests = [
            RecommendRequest(
                user,
                logged.items.shape[1],
                context={name: value for name, value in context.items() if name in columns} or None,
                explore=0.0,
                now=moment,
            )
            for user, context in zip(users, logged.contexts[batch], strict=True)
        ]
        return Cascade.resolve(self.recommender.model, self.recommender.state, requests)

    def slates(self, resolved: Sequence[ResolvedRequest], slots: int) -> IntArray:
        """The items of each slate, in codes of the data set."""
        ranked = Cascade.run(self.recommender.model, self.recommender.state, resolved)
        found = np.full((len(resolved), slots), -1, np.int64)
        for row, (batch, place) in enumerate(ranked.places):
            answered = ranked.batches[batch]
            chosen = answered.scored.rows.item[answered.slates[place].chosen]
            found[row, : len(chosen)] = self.back[chosen]
        return found

    def predict(self, resolved: Sequence[ResolvedRequest], lists: IntArray) -> dict[str, FloatArray]:
        """Objective → prediction of each item of the lists, (requests, items); NaN where there is none."""
        own = np.where(lists >= 0, self.own[np.maximum(lists, 0)], -1)
        required = [np.unique(row[row >= 0]) for row in own]
        scored = Cascade.score(self.recommender.model, self.recommender.state, resolved, required=required)
        values: NDArray[np.float64] = np.full((*own.shape, len(self.objectives)), np.nan)
        for row in range(len(resolved)):
            part = scored.of(row)
            items, predicted = scored.rows.item[part], scored.predictions[part]
            order = np.argsort(items, kind="stable")
            if not len(order):
                continue
            at = order[np.minimum(np.searchsorted(items, own[row], sorter=order), len(order) - 1)]
            found = (own[row] >= 0) & (items[at] == own[row])
            values[row, found] = predicted[at[found]]
        return {name: values[:, :, at] for at, name in enumerate(self.objectives)}

    def predict_lists(
        self, resolved: Sequence[ResolvedRequest], logged: LoggedSlates, batch: slice
    ) -> dict[str, FloatArray]:
        """Objective → prediction of the shown items of given lists, (slates, slots), with the numbers that were given; else NaN."""
        lists, first = logged.lists, batch.start
        chosen = [at for at in range(len(resolved)) if lists.is_list[first + at]]
        values: NDArray[np.float64] = np.full(
            (len(resolved), logged.items.shape[1], len(self.objectives)), np.nan
        )
        if chosen:
            given = [self._own_list(lists, first + at) for at in chosen]
            model, state = self.recommender.model, self.recommender.state
            found = score_lists(model, state, [resolved[at] for at in chosen], given)
            for number, at in enumerate(chosen):
                part = found.scored.of(number)
                own = self.own[np.maximum(logged.items[first + at], 0)]
                item, predicted = found.scored.rows.item[part], found.scored.predictions[part]
                for slot in np.flatnonzero((logged.items[first + at] >= 0) & (own >= 0)).tolist():
                    values[at, slot] = predicted[np.flatnonzero(item == own[slot])[0]]
        return {name: values[:, :, at] for at, name in enumerate(self.objectives)}

    def _own_list(self, lists: ListMembers, slate: int) -> ItemList:
        """A given list in codes of this recommender, without items that it does not know."""
        part = slice(int(lists.indptr[slate]), int(lists.indptr[slate + 1]))
        own = self.own[lists.item[part]]
        known = own >= 0
        return ItemList(own[known], {name: numbers[part][known] for name, numbers in lists.given.items()})
