"""Every retriever by the name that a project file calls it."""

from __future__ import annotations

import json
from pathlib import Path

from shortlist.errors import BundleError
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.content import Content
from shortlist.retrieve.neighbours import Neighbours
from shortlist.retrieve.popular import Popular
from shortlist.retrieve.sequence import Sequence
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.spectral import Spectral
from shortlist.retrieve.together import Together

MODELS: dict[str, type[Retriever]] = {
    "popular": Popular,
    "neighbours": Neighbours,
    "als": ALS,
    "slim": SLIM,
    "spectral": Spectral,
    "sequence": Sequence,
    "content": Content,
    "together": Together,
}


def load_retriever(folder: Path) -> Retriever:
    """The retriever that was saved into a folder, whichever it is. Raises `BundleError`."""
    path = folder / "model.json"
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["model"]
        return MODELS[name].load(folder)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{folder} holds no retriever that this version knows: {error}") from None
