"""`sources = "auto"`: which sources training chooses, and where the choice is refused or passed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist.cascade.train import with_chosen_sources
from shortlist.config.project import parse_project
from shortlist.config.retrieve import RetrieveSettings
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError, TrainingWarning
from shortlist.recommender import Recommender
from shortlist.retrieve import make_retrievers, parse_sources
from shortlist.retrieve.auto_sources import AutoSourcesConfig
from shortlist.retrieve.fusion import choose_sources as module
from shortlist.retrieve.fusion.choose_sources import SourceContext, choose_sources
from shortlist.retrieve.fusion.tuner import Tuner
from support.retrievers import small_dataset

CONTEXT = SourceContext(show_seen=False, seed=0)


def project(sources: Any) -> Any:
    return parse_project({"data": {"events": "e.csv"}, "retrieve": {"sources": sources}})


def half(dataset: Dataset) -> Dataset:
    """The first half of a log."""
    return dataset.before(int(dataset.log.time[len(dataset.log) // 2]))


def test_auto_is_written_as_a_word_or_as_a_table() -> None:
    assert project("auto").retrieve.sources == [{"model": "auto"}]
    assert parse_sources(project("auto").retrieve.sources) == []
    assert parse_sources(project([{"model": "auto", "most": 2, "budget": "1m"}]).retrieve.sources) == []
    with pytest.raises(ProjectError, match=r"retrieve.sources: .*array of tables"):
        project("best")
    with pytest.raises(ProjectError, match="stands alone"):
        project([{"model": "auto"}, {"model": "als"}])
    with pytest.raises(ProjectError, match="did you mean 'most'"):
        parse_sources([{"model": "auto", "mots": 2}])
    with pytest.raises(ProjectError, match="chosen by training"):
        make_retrievers(RetrieveSettings(sources="auto"))


def test_the_best_families_become_sources(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Families are replaced by known values: those below half of the best are left out, and at most two are taken."""
    known = {"neighbours": 0.30, "slim": 0.10, "als": 0.40, "spectral": 0.25}
    monkeypatch.setattr(module, "FAMILIES", tuple(known))

    def values(tuner: Tuner, model: Any) -> Any:
        return np.full(3, known[model.name])

    monkeypatch.setattr(Tuner, "values", values)
    past = half(dataset)
    chosen = choose_sources(past, RetrieveSettings(), AutoSourcesConfig(most=2), CONTEXT)
    assert [one["model"] for one in chosen] == ["popular", "als", "neighbours", "content"]
    more = choose_sources(past, RetrieveSettings(), AutoSourcesConfig(), SourceContext(True, 0))
    assert [one["model"] for one in more] == ["popular", "als", "neighbours", "spectral", "content", "again"]
    parse_sources(more)  # every setting is one of its model


def test_progress_tells_the_families_and_the_best_so_far(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAMILIES", ("als", "neighbours"))
    steps: list[str] = []
    choose_sources(
        half(dataset), RetrieveSettings(), AutoSourcesConfig(), CONTEXT, lambda step, _: steps.append(step)
    )
    first, second = dict.fromkeys(steps)
    assert first == "choosing sources: als, 1 of 2"
    assert second.startswith("choosing sources: neighbours, 2 of 2; best of ")


def test_networks_that_refuse_the_log_are_named(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAMILIES", ("als",))
    past = dataset.before(int(dataset.log.time[len(dataset.log) // 6]))
    assert len(past.log) < 10_000
    with pytest.warns(TrainingWarning, match=r"two_tower is no source: two_tower: .* events are too few"):
        chosen = choose_sources(past, RetrieveSettings(), AutoSourcesConfig(deep=True), CONTEXT)
    assert [one["model"] for one in chosen][:2] == ["popular", "als"]


def test_a_log_that_is_too_short_gets_the_usual_sources() -> None:
    with pytest.warns(TrainingWarning, match="too short to choose sources"):
        chosen = choose_sources(small_dataset().before(1), RetrieveSettings(), AutoSourcesConfig(), CONTEXT)
    assert [one["model"] for one in chosen][:3] == ["popular", "neighbours", "als"]


def test_training_records_the_choice_and_retraining_keeps_it(
    dataset: Dataset, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def choose(past: Dataset, *_: Any) -> list[dict[str, Any]]:
        asked.append(len(past.log))
        return [{"model": "popular"}, {"model": "neighbours", "k": 50}]

    monkeypatch.setattr(module, "choose_sources", choose)
    auto = project("auto")
    past = half(dataset)
    resolved = with_chosen_sources(auto, past)
    assert resolved.retrieve.sources == [{"model": "popular"}, {"model": "neighbours", "k": 50}]
    assert asked == [len(past.log)], "what follows the past does not choose"
    again = with_chosen_sources(auto, past, earlier=recommender.model)
    assert again.retrieve.sources == recommender.project.retrieve.sources
    assert len(asked) == 1
    explicit = recommender.project
    assert with_chosen_sources(explicit, past) is explicit
