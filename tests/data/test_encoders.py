"""Encoders: embeddings made of texts, equal at training and for changed items, with real weights of a few words."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import shortlist
from shortlist.config.project import parse_project, read_project
from shortlist.data.attributes import EmbeddingAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.encoders import ENCODERS, Encoder, register_encoder
from shortlist.data.encoders.base import FunctionEncoder
from shortlist.data.entities import Entities, EntityChange
from shortlist.data.serialize import load_dataset, save_dataset
from shortlist.errors import BundleError, DataError, MissingExtraError, ProjectError, RequestError
from support.encoders import VECTORS, WORDS, model2vec_weights, onnx_weights, vector_of

ITEMS: list[dict[str, Any]] = [
    {"id": "i0", "name": "red fox", "about": "hen", "tags": ["crimson"], "price": 1.0},
    {"id": "i1", "name": "i1", "about": "", "tags": [], "price": 2.0},
    {"id": "i2", "name": "blue hen", "about": None, "tags": ["azure", "blue"], "price": None},
]
ATTRIBUTES = {"about": "text", "tags": "list", "price": "number"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {
        "model2vec": model2vec_weights(folder / "static"),
        "onnx": onnx_weights(folder / "network"),
    }


def settings(**encode: Any) -> dict[str, Any]:
    own = {"texts": ["name", "about", "tags"], **encode}
    return {
        "items": {"id": "id", "title": "name", "attributes": ATTRIBUTES, "encode": {"meaning": own}},
    }


def dataset(items: Sequence[dict[str, Any]] = ITEMS, **encode: Any) -> Dataset:
    events = [{"user_id": "u", "item_id": item["id"]} for item in items]
    return Dataset.from_frames(events, items, project=parse_project(settings(**encode)))


def meaning(items: Entities) -> NDArray[np.float32]:
    return items.attribute("meaning", EmbeddingAttribute).values


def lengths(texts: Sequence[str]) -> list[list[float]]:
    return [[len(text), text.count("\n"), 1] for text in texts]


@pytest.fixture
def own() -> Iterator[str]:
    """A registered function, taken out again after the test."""
    register_encoder("lengths", version="1")(lengths)
    yield "lengths"
    ENCODERS._classes.pop("lengths", None)


# -------------------------------------------------------------------- encoders


def test_model2vec_is_the_mean_of_the_vectors_of_words(weights: dict[str, Path]) -> None:
    encoder = ENCODERS["model2vec"](weights["model2vec"], {})
    found = encoder.encode(["red hen", "owl", "azure owl"])
    np.testing.assert_allclose(found[0], (VECTORS[1] + VECTORS[4]) / 2)
    assert np.isnan(found[1]).all(), "no word is known"
    np.testing.assert_allclose(found[2], VECTORS[6])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_network_is_pooled_and_scaled(weights: dict[str, Path], pooling: str) -> None:
    encoder = ENCODERS["onnx"](weights["onnx"], {"pooling": pooling, "max_tokens": 3, "prefix": "red "})
    [found] = encoder.encode(["hen blue fox"])  # the fourth token is cut off
    states = np.cumsum(VECTORS[[1, 4, 2]], axis=0)
    pooled = states.mean(0) if pooling == "mean" else states[0]
    np.testing.assert_allclose(found, pooled / np.linalg.norm(pooled), rtol=1e-5)


def test_a_text_has_one_vector_whatever_is_encoded_with_it(weights: dict[str, Path]) -> None:
    texts = ["red", "blue hen fox azure", "crimson hen", "fox " * 40]
    for name, folder in weights.items():
        encoder = ENCODERS[name](folder, {})
        alone = np.vstack([encoder.encode([text]) for text in texts])
        np.testing.assert_array_equal(encoder.encode(texts), alone)


def test_a_network_with_other_inputs_is_refused(tmp_path: Path) -> None:
    folder = onnx_weights(tmp_path, ("input_ids", "pixel_values"))
    with pytest.raises(ProjectError, match="inputs that a sentence transformer does not have: pixel_values"):
        ENCODERS["onnx"](folder, {})


@pytest.mark.parametrize("name", ["model2vec", "onnx"])
def test_missing_and_damaged_weights_are_refused(weights: dict[str, Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError, match=r"reads .* from a local folder"):
        ENCODERS[name](None, {})
    with pytest.raises(
        ProjectError, match=r"no such folder; nothing is fetched\. .*where there is a network"
    ):
        ENCODERS[name](tmp_path / "minishlab/potion-base-8M", {})
    folder = shutil.copytree(weights[name], tmp_path / name)
    heavy = folder / ("model.onnx" if name == "onnx" else "model.safetensors")
    heavy.write_bytes(b"no weights")
    with pytest.raises(ProjectError, match="cannot be read"):
        ENCODERS[name](folder, {})
    heavy.unlink()
    with pytest.raises(ProjectError, match=f"has no {heavy.name}"):
        ENCODERS[name](folder, {})
    with pytest.raises(ProjectError, match=r"options.*poolin"):
        ENCODERS[name](weights[name], {"poolin": "cls"})


def test_a_missing_library_is_named(weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in (("model2vec", "model2vec"), ("onnx", "onnxruntime")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=rf"{module} is required.*shortlist\[text\]"):
            ENCODERS[name](weights[name], {})


# -------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        ({"encoder": "model2vek"}, r"items\.encode\.meaning\.encoder.*did you mean 'model2vec'"),
        (
            {"encoder": "model2vec", "path": "nowhere"},
            r"items\.encode\.meaning\.path: nowhere: no such folder",
        ),
        (
            {"encoder": "onnx", "texts": ["abuot"]},
            r"items\.encode\.meaning\.texts\.0: .*did you mean 'about'",
        ),
        (
            {"encoder": "onnx", "texts": ["price"]},
            r"texts\.0: 'price' is not the title and no attribute of kind",
        ),
        ({"encoder": "onnx", "texts": []}, r"items\.encode\.meaning\.texts"),
    ],
)
def test_wrong_settings_name_their_field(encode: dict[str, Any], words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        dataset(**encode)


def test_an_embedding_needs_a_name_of_its_own_and_items() -> None:
    wrong = settings(encoder="onnx")
    wrong["items"]["encode"] = {"about": {"texts": ["name"], "encoder": "onnx"}}
    with pytest.raises(ProjectError, match=r"items\.encode\.about: 'about' is a column"):
        parse_project(wrong)
    with pytest.raises(ProjectError, match=r"users\.encode: encoders make embeddings of items only"):
        parse_project({"users": {**settings(encoder="onnx")["items"]}})
    wrong["items"] = {**settings(encoder="onnx")["items"], "text": {"encoder": "model2vec"}}
    with pytest.raises(ProjectError, match=r"items\.text: .* declared in \[items\.encode\.text\]"):
        parse_project(wrong)


def test_the_folder_is_relative_to_the_project_file(tmp_path: Path) -> None:
    text = (
        "[items]\nid = 'id'\ntitle = 'name'\n"
        "[items.encode.meaning]\ntexts = ['name']\nencoder = 'model2vec'\npath = 'weights'\n"
        "[rerank]\ndiversity_by = 'meaning'\n"
    )
    (tmp_path / "shortlist.toml").write_text(text)
    items = read_project(tmp_path).items
    assert items is not None
    assert items.encode["meaning"].path == str(tmp_path / "weights")
    assert items.kinds == {"meaning": "embedding"}


# -------------------------------------------------------------------- training and changes


def test_items_are_encoded_at_training(weights: dict[str, Path]) -> None:
    items = dataset(encoder="model2vec", path=str(weights["model2vec"])).items
    np.testing.assert_allclose(meaning(items)[0], vector_of("red fox hen crimson"), rtol=1e-6)
    assert np.isnan(meaning(items)[1]).all(), "its title is its id, and nothing else is known"
    np.testing.assert_allclose(meaning(items)[2], vector_of("blue hen azure blue"), rtol=1e-6)


@pytest.mark.parametrize("name", ["model2vec", "onnx", "lengths"])
def test_changed_items_are_encoded_as_at_training(weights: dict[str, Path], own: str, name: str) -> None:
    encode: dict[str, Any] = (
        {"encoder": name} if name == own else {"encoder": name, "path": str(weights[name])}
    )
    items = dataset(**encode).items
    changed = [
        {**ITEMS[0], "name": "azure hen"},
        {**ITEMS[1], "about": "red"},
        {**ITEMS[2], "tags": []},
        {"id": "i3", "name": "crimson fox", "about": "blue", "tags": ["red"], "price": 3.0},
        {"id": "i4", "name": None, "about": None, "tags": None, "price": 3.0},
    ]
    changes = [
        EntityChange("i0", "red red"),
        EntityChange("i3", "crimson fox", {"about": "hen", "tags": ["red"]}),
        EntityChange("i0", "azure hen"),
        EntityChange("i1", attributes={"about": "red"}),
        EntityChange("i2", attributes={"tags": []}),
        EntityChange("i3", attributes={"about": "blue", "price": 3}),
        EntityChange("i4", attributes={"price": 3}),
    ]
    fresh = items.with_changes(changes)
    np.testing.assert_array_equal(meaning(fresh), meaning(dataset(changed, **encode).items))
    one_by_one = items
    for change in changes:
        one_by_one = one_by_one.with_changes([change])
    np.testing.assert_array_equal(meaning(one_by_one), meaning(fresh))
    assert list(fresh.attributes) == list(items.attributes)
    assert np.isnan(meaning(items)[1]).all(), "the earlier catalogue stays"


def test_other_changes_encode_nothing(own: str) -> None:
    items = dataset(encoder=own).items
    changed = items.with_changes([EntityChange("i0", attributes={"price": 9.0})])
    assert changed.attributes["meaning"] is items.attributes["meaning"]


def test_an_encoded_vector_cannot_be_given(own: str) -> None:
    items = dataset(encoder=own).items
    change = EntityChange("i0", attributes={"meaning": [1.0, 2.0, 3.0]})
    with pytest.raises(
        RequestError, match=r"it is made of a title, about, tags by the encoder 'lengths'"
    ) as caught:
        items.check_change(change)
    assert caught.value.field == "attributes.meaning"
    np.testing.assert_array_equal(meaning(items.with_changes([change])), meaning(items))


def test_an_encoder_that_fails_is_named() -> None:
    results: list[Any] = [[1.0], [[1.0], [2.0]], "x", [[1.0, 2.0]], [[np.inf, 0, 0], [1, 2, 3], [1, 2, 3]]]

    def faulty(texts: Sequence[str]) -> Any:
        return results.pop(0)

    register_encoder("faulty")(faulty)
    try:
        for words in ("shape \\(1,\\) for 2 texts", None, "ValueError"):
            if words is None:
                items = dataset(encoder="faulty").items
                assert meaning(items)[[0, 2]].tolist() == [[1.0], [2.0]]
                continue
            with pytest.raises(DataError, match=rf"'faulty' of the embedding 'meaning' returned .*{words}"):
                dataset(encoder="faulty")
        with pytest.raises(DataError, match="vectors of 2 numbers, and there are 1"):
            items.with_changes([EntityChange("i1", "red")])
        with pytest.raises(DataError, match="no item has a title, about, tags"):
            dataset(ITEMS[1:2], encoder="faulty")
    finally:
        ENCODERS._classes.pop("faulty")


def test_own_encoders_are_registered() -> None:
    class WithFolder(Encoder):
        """The number of letters and a number in a file."""

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            assert self.folder is not None
            number = float((self.folder / "number").read_text())
            return np.array([[len(text), number] for text in texts], np.float32)

    try:
        assert shortlist.register_encoder("folder")(WithFolder) is WithFolder
        assert shortlist.register_encoder("lengths")(lengths) is lengths
        assert issubclass(ENCODERS["lengths"], FunctionEncoder)
        with pytest.raises(ProjectError, match="'model2vec' is taken"):
            shortlist.register_encoder("model2vec")(lengths)
        with pytest.raises(ProjectError, match="does not extend"):
            shortlist.register_encoder("other")(dict)
    finally:
        for name in ("folder", "lengths"):
            ENCODERS._classes.pop(name, None)


# -------------------------------------------------------------------- bundles


@pytest.mark.parametrize("name", ["model2vec", "onnx", "lengths"])
def test_a_bundle_contains_the_encoder(weights: dict[str, Path], own: str, name: str, tmp_path: Path) -> None:
    source = None if name == own else shutil.copytree(weights[name], tmp_path / "weights")
    path: dict[str, Any] = {} if source is None else {"path": str(source)}
    data = dataset(encoder=name, **path)
    save_dataset(data, tmp_path / "bundle")
    if source is not None:
        shutil.rmtree(source)  # the bundle needs it no longer
    loaded = load_dataset(tmp_path / "bundle")
    np.testing.assert_array_equal(meaning(loaded.items), meaning(data.items))
    change = [EntityChange("i9", "crimson hen"), EntityChange("i0", "blue")]
    expected = meaning(data.items.with_changes(change))
    for items in (loaded.items, copy.deepcopy(loaded.items), pickle.loads(pickle.dumps(loaded.items))):
        np.testing.assert_array_equal(meaning(items.with_changes(change)), expected)
    save_dataset(loaded, tmp_path / "again")
    assert load_dataset(tmp_path / "again").items.encodings[0].texts == ("", "about", "tags")


def test_a_bundle_refuses_another_encoder(weights: dict[str, Path], own: str, tmp_path: Path) -> None:
    save_dataset(dataset(encoder=own), tmp_path / "own")
    ENCODERS._classes.pop(own)
    with pytest.raises(BundleError, match=r"the encoder 'lengths', which is not registered; install"):
        load_dataset(tmp_path / "own")
    register_encoder("lengths", version="2")(lengths)
    with pytest.raises(BundleError, match="another encoder than the 'lengths' that is here"):
        load_dataset(tmp_path / "own")
    save_dataset(dataset(encoder="onnx", path=str(weights["onnx"])), tmp_path / "network")
    tokenizer = tmp_path / "network/encoders/0/tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"crimson"', '"scarlet"'))
    with pytest.raises(BundleError, match="another encoder than the 'onnx' that is here"):
        load_dataset(tmp_path / "network")
    tokenizer.unlink()
    with pytest.raises(BundleError, match=r"embedding 'meaning': .*has no tokenizer\.json"):
        load_dataset(tmp_path / "network")


@pytest.mark.parametrize(
    "change", [{"texts": ["nothing"]}, {"name": "price"}, {"texts": 1}, {"encoder": None}, {"options": [1]}]
)
def test_a_damaged_description_is_refused(own: str, tmp_path: Path, change: dict[str, Any]) -> None:
    save_dataset(dataset(encoder=own), tmp_path)
    meta = json.loads((tmp_path / "dataset.json").read_text())
    meta["encodings"][0] |= change
    (tmp_path / "dataset.json").write_text(json.dumps(meta))
    with pytest.raises(BundleError):
        load_dataset(tmp_path)


def test_copies_refuse_replaced_weights(weights: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(weights["model2vec"], tmp_path / "weights")
    copied = pickle.dumps(dataset(encoder="model2vec", path=str(folder)).items)
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text().replace(WORDS[0], "rosy"))
    with pytest.raises(BundleError, match="another encoder than the 'model2vec' that is here"):
        pickle.loads(copied)
