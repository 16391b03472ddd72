"""Networks in the automatic choice: taken where their gain is clear, left out where it is not or where the data are too few."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.evaluate.train_test import evaluate_retriever
from shortlist.evaluate.train_test_tables import train_test_tables
from shortlist.metrics.significance import Estimate
from shortlist.retrieve import Neighbours, Popular, Retriever, Transformer
from shortlist.retrieve.fusion.auto import Choice, choose
from shortlist.retrieve.fusion.families import kept_families
from shortlist.retrieve.fusion.holdout import hold_out
from shortlist.retrieve.fusion.networks import clear_networks, is_network
from shortlist.retrieve.fusion.search_space import given_settings
from shortlist.retrieve.fusion.tuner import Trial, Tuner
from support.deep import TINY, cycles

LEARNING = {**TINY, "epochs": 10, "dropout": 0.0, "learning_rate": 0.03, "batch": 64}


def tuner_of(dataset: Dataset, models: dict[str, Retriever]) -> tuple[Tuner, list[Trial]]:
    """Return a tuner that has fitted these models, and a trial of each."""
    tuner = Tuner(hold_out(dataset, "last", 0.2), 5, 0)
    tuner.fitted = {name: model.fit(tuner.holdout.train) for name, model in models.items()}
    tuner.trials = [Trial(name, {}, tuner.value(model), 1.0) for name, model in models.items()]
    return tuner, tuner.trials


def test_which_families_are_networks() -> None:
    assert [is_network(name) for name in ("transformer", "two_tower", "slim", "sequence")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_search_trains_two_members_where_that_does_not_take_hours() -> None:
    assert given_settings("transformer", 500_000) == {"members": 2}
    assert given_settings("transformer", 500_001) == {}
    assert given_settings("slim", 1_000) == {}
    tuner, _ = tuner_of(cycles(30, 12, 6), {})
    made = tuner.make(Trial("transformer", given_settings("transformer", 180), 0.1, 1.0))
    assert made.config.members == 2


def test_a_network_whose_gain_is_clear_stays() -> None:
    """In a circle only the order says what follows, which counts of items do not know."""
    models = {"transformer": Transformer(**LEARNING), "popular": Popular()}
    tuner, trials = tuner_of(cycles(120, 12, 6), models)
    kept, gains = clear_networks(tuner, trials, tuner.sample(1_000), 5)
    assert kept == trials
    assert gains["transformer"].low > 0.05


def test_a_network_whose_gain_is_not_clear_goes(dataset: Dataset) -> None:
    """Its weights are the initial ones: a step size of nearly nothing."""
    models = {"neighbours": Neighbours(), "transformer": Transformer(**{**TINY, "learning_rate": 1e-9})}
    tuner, trials = tuner_of(dataset, models)
    tuner.trials[1] = replace(trials[1], ndcg=trials[0].ndcg)  # far behind, it would go for that reason
    kept, gains = kept_families(tuner, 5)
    assert [t.model for t in kept] == ["neighbours"]
    assert gains["transformer"].low <= 0
    alone, none = clear_networks(tuner, trials[1:], tuner.sample(1_000), 5)
    assert (alone, none) == (trials[1:], {})  # nothing to compare with


def test_families_far_behind_the_best_are_left_out(dataset: Dataset) -> None:
    models = {"popular": Popular(), "neighbours": Neighbours()}
    tuner, trials = tuner_of(dataset, models)
    tuner.trials = [replace(trials[0], ndcg=0.1), replace(trials[1], ndcg=0.3)]
    assert kept_families(tuner, 5) == ([tuner.trials[1]], {})
    tuner.trials[0] = replace(trials[0], ndcg=0.15)
    assert [t.model for t in kept_families(tuner, 5)[0]] == ["neighbours", "popular"]


def test_a_network_that_refuses_the_data_is_named(dataset: Dataset) -> None:
    choice = choose(dataset, k=10, families=["neighbours"], networks=["transformer"])
    assert choice.retriever.name == "neighbours"
    assert "not trained: transformer: " in choice.sentence()
    assert "events are too few" in choice.refused["transformer"]


def test_the_sentence_tells_the_gains() -> None:
    trials = [Trial("als", {}, 0.2, 1.0), Trial("transformer", {}, 0.3, 9.0)]
    gains = {"transformer": Estimate(0.01, -0.002, 0.03)}
    said = Choice(Popular(), "time", trials, None, gains).sentence()
    assert "transformer adds +0.0100 (-0.0020 to +0.0300), not clear, so it is left out" in said


def test_only_networks_are_added_by_name() -> None:
    table = pa.table({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"]})
    tables = train_test_tables(table, pa.table({"user_id": ["v"], "item_id": ["b"]}))
    with pytest.raises(ProjectError, match=r"'slim' is no network; there are: transformer, two_tower"):
        evaluate_retriever(tables, "auto+slim", k=5)
    with pytest.raises(ProjectError, match="did you mean 'transformer'"):
        evaluate_retriever(tables, "auto+transfomer", k=5)
