"""Small encoders: real files of weights, in the formats of Model2Vec and of sentence transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from model2vec import StaticModel
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["red", "blue", "fox", "hen", "crimson", "azure"]
VECTORS = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 2], [0.5, 0, 1], [0.9, 0.1, 0], [0.1, 0.8, 0.2]], np.float32
)
"""float32 (1 + words, 3): the first is that of unknown words; red is near crimson, and blue near azure."""


def tokenizer() -> Tokenizer:
    vocabulary = {word: at for at, word in enumerate(["[UNK]", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def model2vec_weights(folder: Path) -> Path:
    StaticModel(VECTORS, tokenizer(), {"normalize": False}).save_pretrained(folder)
    return folder


def vector_of(text: str) -> NDArray[np.float32]:
    """The vector that Model2Vec defines: the mean of those of the known words."""
    rows = [1 + WORDS.index(word) for word in text.split() if word in WORDS]
    return np.asarray(VECTORS[rows].mean(0), np.float32)


def onnx_weights(folder: Path, inputs: tuple[str, ...] = ("input_ids", "attention_mask")) -> Path:
    """A network whose state of a token is the sum of the vectors up to it, so that the order of words counts."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
        helper.make_node("CumSum", ["tokens", "axis"], ["last_hidden_state"]),
    ]
    constants = [
        numpy_helper.from_array(VECTORS, "table"),
        numpy_helper.from_array(np.array(1, np.int64), "axis"),
    ]
    shape: list[Any] = ["texts", "length"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 3])],
        constants,
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(network, str(folder / "model.onnx"))
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder
