"""Retrievers of other packages: registered, named in a project, saved and loaded; and the guide that shows it."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.config.plugins import PluginRegistry
from shortlist.config.project import parse_project, read_project
from shortlist.data.dataset import Dataset
from shortlist.errors import BundleError, ProjectError
from shortlist.retrieve import (
    RETRIEVERS,
    Popular,
    Requests,
    Retriever,
    load_retriever,
    make_retrievers,
    parse_sources,
    register_retriever,
)
from shortlist.retrieve.fusion.search_space import search_space

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the classes that a test registers after it."""
    monkeypatch.setattr(RETRIEVERS, "_classes", dict(RETRIEVERS._classes))


def registered() -> type[Retriever]:
    @register_retriever("even")
    class Even(Retriever):
        """Recommend items with even codes."""

        arrays: ClassVar = {"even_": "even"}
        search_space: ClassVar = ((("seed",), ((0,), (1,))),)
        even_: NDArray[np.float32]

        def _fit(self, dataset: Dataset) -> None:
            codes = np.arange(len(dataset.items))
            self.even_ = np.where(codes % 2, -np.inf, 1 / (1 + codes)).astype(np.float32)

        def score(self, requests: Requests) -> NDArray[np.float32]:
            return np.tile(self.even_, (len(requests), 1))

    return Even


def test_a_registered_retriever_is_used_by_name(dataset: Dataset, tmp_path: Path) -> None:
    kind = registered()
    assert "even" in RETRIEVERS
    assert RETRIEVERS["even"] is kind
    assert search_space("even")
    project = parse_project({"retrieve": {"sources": [{"model": "even"}, {"model": "popular"}]}})
    model = make_retrievers(project.retrieve)["even"].fit(dataset)
    user = dataset.users.ids.id(0)
    codes = dataset.items.ids.codes([r.item for r in model.recommend([user], 5)[0]])
    assert (codes % 2 == 0).all()
    model.save(tmp_path / "even")
    again = load_retriever(tmp_path / "even")
    again.attach(dataset)
    assert [r.item for r in again.recommend([user], 5)[0]] == [r.item for r in model.recommend([user], 5)[0]]


def test_a_bundle_of_an_unknown_model_names_the_class(dataset: Dataset, tmp_path: Path) -> None:
    registered()().fit(dataset).save(tmp_path / "even")
    del RETRIEVERS._classes["even"]
    with pytest.raises(BundleError, match=r"'even' \(saved from the class .*Even\), which is not registered"):
        load_retriever(tmp_path / "even")


def test_names_are_taken_once() -> None:
    with pytest.raises(ProjectError, match=r"taken by shortlist\.retrieve\.als:ALS"):
        register_retriever("als")(Popular)
    with pytest.raises(ProjectError, match="does not extend"):
        register_retriever("mine")(dict)  # type: ignore[type-var]
    registered()
    registered()  # the same class again, as when a notebook cell is run twice
    assert Popular.name == "popular"


def test_entry_points_are_found_and_checked() -> None:
    registry: PluginRegistry[Any] = PluginRegistry("retriever", Retriever, "shortlist.retrievers", {})
    registry._announced = {
        "theirs": EntryPoint("theirs", "shortlist.retrieve.popular:Popular", registry.group),
        "broken": EntryPoint("broken", "no_such_package:Model", registry.group),
        "wrong": EntryPoint("wrong", "shortlist.data.dataset:Dataset", registry.group),
    }
    name = Popular.name
    try:
        assert registry["theirs"] is Popular
        assert set(registry) == {"theirs", "broken", "wrong"}
    finally:
        Popular.name = name
    with pytest.raises(ProjectError, match="cannot be imported"):
        registry["broken"]
    with pytest.raises(ProjectError, match="does not extend"):
        registry["wrong"]


def test_errors_name_file_line_and_setting(tmp_path: Path) -> None:
    file = tmp_path / "shortlist.toml"
    file.write_text('[data]\nevents = "e.parquet"\n\n[[retrieve.sources]]\nmodel = "als"\nfactros = 64\n')
    project = read_project(file)
    with pytest.raises(ProjectError, match=r"shortlist\.toml, line 6: .*did you mean 'factors'") as error:
        parse_sources(project.retrieve.sources, project.where)
    assert error.value.field == "retrieve.sources.0.factros"
    file.write_text('[data]\nevents = "e.parquet"\n\n[[retrieve.sources]]\nmodel = "neighbors"\n')
    project = read_project(file)
    with pytest.raises(ProjectError, match=r"line 5: .*did you mean 'neighbours'") as error:
        parse_sources(project.retrieve.sources, project.where)
    assert error.value.field == "retrieve.sources.0.model"


def test_two_sources_need_two_names() -> None:
    sources = [{"model": "als"}, {"model": "als"}]
    with pytest.raises(ProjectError, match="two sources are called 'als'"):
        parse_sources(sources)
    found = parse_sources([{"model": "als"}, {"model": "als", "name": "wide", "factors": 256}])
    assert [(source.name, source.model) for source in found] == [("als", "als"), ("wide", "als")]
    assert found[1].settings.model_dump()["factors"] == 256


@pytest.mark.usefixtures("quick_training")
def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "how-to" / "own-retriever.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, "own-retriever.md", "exec"), {"__name__": "guide"})
