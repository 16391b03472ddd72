"""Write a trained recommender as a bundle."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist.bundle.format import write_folder
from shortlist.cascade.model import Model
from shortlist.cascade.state import LiveState
from shortlist.data.serialize import save_dataset
from shortlist.version import __version__


def write_bundle(model: Model, state: LiveState, folder: Path) -> Path:
    """Write a model as a bundle, in the place of an earlier one.

    Items that were added, changed or retired since training are in it. Events since training are not: a server that
    loads the bundle takes them from its store.
    """

    def fill(fresh: Path) -> None:
        catalogue = state.catalogue
        (fresh / "project.json").write_text(model.project.model_dump_json(indent=2), encoding="utf-8")
        save_dataset(replace(model.dataset, items=catalogue.items), fresh / "data")
        for name, retriever in catalogue.retrievers.items():
            retriever.save(fresh / "retrievers" / name)
        model.ranker.save(fresh / "ranker")
        model.profile.save(fresh / "profile.json")
        counters = model.features.counters(model.dataset) if state.observed else state.counters
        counters.save(fresh / "counters")
        facts = {
            "scales": model.scales.tolist(),
            "priors": model.features.priors,
            "mark": model.position.to_json(),
            "retired": np.flatnonzero(catalogue.retired).tolist(),
        }
        (fresh / "state.json").write_text(json.dumps(facts), encoding="utf-8")

    facts = {
        "model_version": model.version,
        "shortlist": __version__,
        "name": model.project.name,
        "made": int(time.time() * 1000),
    }
    write_folder(folder, fill, facts)
    return folder
