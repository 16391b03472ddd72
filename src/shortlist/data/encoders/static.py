"""Static word vectors (Model2Vec)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shortlist.data.encoders.base import Encoder
from shortlist.errors import ProjectError


class Model2VecEncoder(Encoder):
    """The mean of the vectors of a text's tokens, which were distilled from a sentence transformer.

    There is no network to run: a text takes some microseconds, so that a catalogue is encoded in seconds and a changed item at
    once. Word order has no effect. The weights of good models have 8 to 120 MB.

    References
    ----------
    Tulkens & van Dongen 2024, "Model2Vec: fast state-of-the-art static embeddings", https://github.com/MinishLab/model2vec.
    """

    name = "model2vec"
    needs: ClassVar = ("model2vec",)
    weights: ClassVar = ("config.json", "model.safetensors", "tokenizer.json")
    weights_from = (
        "Save a model once where there is a network: "
        "model2vec.StaticModel.from_pretrained('minishlab/potion-base-8M').save_pretrained('weights/potion')"
    )

    def __init__(self, folder: Path | None, options: Mapping[str, Any]) -> None:
        super().__init__(folder, options)
        if self.options:
            raise ProjectError(
                f"options: model2vec has none, and there are: {', '.join(self.options)}", field="options"
            )
        from model2vec import StaticModel

        try:
            self._model = StaticModel.from_pretrained(str(folder))
        except Exception as error:
            raise ProjectError(
                f"path: the model2vec model in {folder} cannot be read: {error}", field="path"
            ) from error
        self._lock = (
            Lock()
        )  # a call sets the tokenizer's longest text, which is not safe while another one reads

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean token vectors; NaN for texts without a known token."""
        with self._lock:
            vectors = self._model.encode(list(texts), use_multiprocessing=False)
        found: NDArray[np.float32] = np.asarray(vectors, np.float32)
        found[~found.any(axis=1)] = np.nan
        return found
