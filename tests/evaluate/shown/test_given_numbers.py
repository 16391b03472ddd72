"""Models are judged by what was shown with the numbers that were given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.evaluate.shown.logged_slates import read_logged_slates
from shortlist.evaluate.shown.model_answers import SHOWN, ask_models
from shortlist.recommender import Recommender
from support.given_lists import ITEMS, list_log, list_project


def test_given_numbers_are_used() -> None:
    project = list_project()
    dataset = Dataset.from_frames(list_log(), ITEMS, None, project)
    cut, end = int(np.quantile(dataset.log.time, 0.85)), int(dataset.log.time[-1]) + 1
    recommender = Recommender(project).fit(dataset.before(cut))
    logged = read_logged_slates(project, dataset, cut, end)
    assert logged is not None
    lists = logged.lists.is_list
    assert 0 < (~lists).sum() < lists.sum()  # every tenth slate of the log has no numbers
    found = ask_models({"model": recommender}, dataset, logged, cut)["model"].predictions[SHOWN]["click"]
    recommender.reset()
    blind = replace(logged, lists=replace(logged.lists, is_list=np.zeros(len(lists), bool)))
    without = ask_models({"model": recommender}, dataset, blind, cut)["model"].predictions[SHOWN]["click"]
    outcome = logged.outcomes["click"]

    def error(predicted: np.ndarray, rows: np.ndarray) -> float:
        p = np.clip(predicted[rows], 1e-6, 1 - 1e-6)
        return float(-np.mean(outcome[rows] * np.log(p) + (1 - outcome[rows]) * np.log(1 - p)))

    assert error(found, lists) < 0.8 * error(without, lists)
    np.testing.assert_array_equal(found[~lists], without[~lists])
    # a list of the log, given to a recommender with the same history, is predicted the same
    recommender.reset()
    first = int(np.flatnonzero(lists)[0])
    assert first == 0
    items = dataset.items.ids.ids(logged.items[first])
    prices = {
        name: dict(zip(dataset.items.ids.ids(logged.lists.items(first)), numbers.tolist(), strict=False))
        for name, numbers in logged.lists.given.items()
    }
    slate = recommender.rank(
        dataset.users.ids.id(int(logged.users[first])),
        [{"item": item, **{name: of[item] for name, of in prices.items()}} for item in items],
        context=logged.contexts[first],
        now=int(logged.moments[first]),
    )
    predicted = {one.item: one.predictions["click"] for one in slate}
    np.testing.assert_allclose(found[first], [predicted[item] for item in items], rtol=1e-6)
