"""Items that an encoder describes: trained on, changed while serving, given on a list, saved and served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.cascade.given_items import read_list
from shortlist.config.project import parse_project
from shortlist.data.attributes import EmbeddingAttribute
from shortlist.data.dataset import Dataset
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from support.embedded import EmbeddedServer
from support.encoders import model2vec_weights, vector_of
from support.http import call

REDS, BLUES = ("red fox", "crimson fox", "red hen"), ("blue fox", "azure fox", "blue hen")
CRIMSON, AZURE = "crimson", "azure"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """Users who like red things and users who like blue things; the colour is said in several words."""
    rng = np.random.default_rng(0)
    items = [{"id": f"i{k}", "name": (REDS if k % 2 else BLUES)[k // 2 % 3]} for k in range(60)]
    events = [
        {"user_id": f"u{u}", "item_id": f"i{2 * int(k) + u % 2}", "at": 1_760_000_000 + 600 * n + u}
        for u in range(40)
        for n, k in enumerate(rng.choice(30, 8, replace=False))
    ]
    path = model2vec_weights(tmp_path_factory.mktemp("weights"))
    settings: dict[str, Any] = {
        "data": {"columns": {"timestamp": "at"}},
        "items": {
            "id": "id",
            "title": "name",
            "encode": {"meaning": {"texts": ["name"], "encoder": "model2vec", "path": str(path)}},
        },
        "features": [{"name": "near", "kind": "similarity", "of": "item.meaning", "last": 5}],
        "retrieve": {"sources": [{"model": "content"}, {"model": "popular"}]},
        "rank": {"trees": 5},
        "rerank": {"diversity": 0.1, "diversity_by": "meaning"},
    }
    project = parse_project(settings)
    return Recommender(project).fit(Dataset.from_frames(events, items, project=project))


@pytest.fixture(scope="module")
def server(trained: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("served")
    running = EmbeddedServer(trained.save(folder / "bundle"), folder / "events.sqlite")
    yield running
    running.stop()


def is_red(items: list[Any]) -> list[bool]:
    return [int(item[1:]) % 2 == 1 for item in items]


def test_a_new_item_is_found_by_what_its_title_means(trained: Recommender, tmp_path: Path) -> None:
    recommender = Recommender.load(trained.save(tmp_path / "bundle"))
    recommender.change_item("new", {"title": CRIMSON})
    items = recommender.state.catalogue.items
    vector = items.attribute("meaning", EmbeddingAttribute).values[items.ids.code("new")]
    np.testing.assert_allclose(vector, vector_of(CRIMSON), rtol=1e-6)
    # every item with "red" shares no word with it, and is nearer than the blue ones
    assert all(is_red([one.item for one in recommender.similar("new", n=20, by="content")]))
    assert "new" in [one.item for one in recommender.recommend(user="u1", n=40).items]
    recommender.change_item("new", {"title": AZURE})
    again = Recommender.load(recommender.save(tmp_path / "changed"))
    kept = again.state.catalogue.items
    np.testing.assert_allclose(
        kept.attribute("meaning", EmbeddingAttribute).values[kept.ids.code("new")],
        vector_of(AZURE),
        rtol=1e-6,
    )


def test_given_items_have_the_vectors_of_their_titles(trained: Recommender) -> None:
    """Items that the catalogue does not have are encoded as well, so that features read their vectors."""
    given = [{"item": "r", "title": CRIMSON}, {"item": "i1"}, {"item": "n"}]
    described = read_list(given, trained.state.catalogue.items, ()).described
    assert list(described) == [0]
    np.testing.assert_allclose(described[0]["meaning"], vector_of(CRIMSON), rtol=1e-6)
    assert {one.item for one in trained.rank("u1", given).items} == {"r", "i1", "n"}
    with pytest.raises(RequestError, match=r"items\.0\.meaning: it is made of a title by the encoder"):
        trained.rank("u1", [{"item": "r", "meaning": [0.0, 0.0, 1.0]}])


def test_items_are_encoded_over_http(server: EmbeddedServer) -> None:
    status, _ = call(f"{server.url}/v1/items/fresh", {"title": CRIMSON}, method="PUT")
    assert status == 200
    status, found = call(f"{server.url}/v1/items/fresh/similar?n=10&by=content")
    assert status == 200
    assert all(is_red([one["item"] for one in found["items"]]))
    status, refused = call(
        f"{server.url}/v1/items/fresh", {"attributes": {"meaning": [1.0, 0.0, 0.0]}}, method="PUT"
    )
    assert status == 422
    assert refused["field"] == "attributes.meaning"
    assert "change those" in refused["error"]
