"""Sentence transformers in the ONNX format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.config.validate import validate_settings
from shortlist.data.encoders.base import Encoder
from shortlist.errors import ProjectError
from shortlist.threads import thread_limit


class OnnxOptions(Settings):
    """Options of `OnnxEncoder` (`[items.encode.NAME.options]`)."""

    pooling: Literal["mean", "cls"] = "mean"
    """How the vectors of tokens become that of the text: their mean, or that of the first token. A model's own is in its
    `1_Pooling/config.json`."""
    max_tokens: int = Field(256, ge=1)
    """Tokens of a text at most; the rest is cut off."""
    prefix: str = ""
    """Text that is put before each text; some models expect, for example, `"passage: "`."""


class OnnxEncoder(Encoder):
    """A sentence transformer (BERT and the like), run by ONNX Runtime on the processor.

    Tokens of a text are turned into vectors by the network, which are pooled and scaled to length 1. It reads the order of
    words, and costs some milliseconds a text. Texts are run one by one: the vectors of quantised networks depend on the other
    texts of a batch, and those of an item at training and after a change must be equal.

    References
    ----------
    Reimers & Gurevych 2019, "Sentence-BERT: sentence embeddings using siamese BERT-networks".
    """

    name = "onnx"
    needs: ClassVar = ("onnxruntime", "tokenizers")
    weights: ClassVar = ("model.onnx", "tokenizer.json")
    weights_from = (
        "Export a sentence transformer once where there is a network: "
        "optimum-cli export onnx --model sentence-transformers/all-MiniLM-L6-v2 weights/minilm"
    )

    def __init__(self, folder: Path | None, options: Mapping[str, Any]) -> None:
        super().__init__(folder, options)
        assert folder is not None
        self.settings = validate_settings(OnnxOptions, self.options, lambda field: f"options.{field}: ")
        import onnxruntime
        from tokenizers import Tokenizer

        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = thread_limit() or 0
        session.log_severity_level = 3
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), session, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ProjectError(
                f"path: the network in {folder} cannot be read: {error}", field="path"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.settings.max_tokens)
        self._inputs = {one.name for one in self._session.get_inputs()}
        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown:
            raise ProjectError(
                f"path: the network in {folder} has inputs that a sentence transformer does not have: {', '.join(sorted(unknown))}",
                field="path",
            )

    def files(self) -> list[Path]:
        """Return the network, with files of weights beside it, and the tokenizer."""
        assert self.folder is not None
        return [*sorted(self.folder.glob("model.onnx*")), self.folder / "tokenizer.json"]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the pooled vectors of texts, of length 1."""
        return np.array([self._encode(self.settings.prefix + text) for text in texts], np.float32)

    def _encode(self, text: str) -> NDArray[np.float32]:
        tokens = self._tokenizer.encode(text)
        values = {
            "input_ids": tokens.ids,
            "attention_mask": tokens.attention_mask,
            "token_type_ids": tokens.type_ids,
        }
        feed = {name: np.array([values[name]], np.int64) for name in self._inputs}
        states = np.asarray(self._session.run(None, feed)[0], np.float32)[0]
        # a network that pools itself returns one vector
        pooled = (
            states if states.ndim == 1 else states[0] if self.settings.pooling == "cls" else states.mean(0)
        )
        return np.asarray(pooled / max(float(np.linalg.norm(pooled)), 1e-12), np.float32)
