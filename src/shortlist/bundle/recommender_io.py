"""A recommender as a bundle, and back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from shortlist.bundle.format import read_bundled_project, read_manifest, write_bundle
from shortlist.data.serialize import load_dataset, save_dataset
from shortlist.errors import BundleError, ProjectError
from shortlist.rank.profile import Profile
from shortlist.rank.registry import load_ranker
from shortlist.retrieve import load_retriever
from shortlist.store.merge import StorePosition
from shortlist.version import __version__

if TYPE_CHECKING:
    from shortlist.recommender import Recommender

R = TypeVar("R", bound="Recommender")


def write_recommender(recommender: Recommender, folder: Path) -> Path:
    def fill(fresh: Path) -> None:
        (fresh / "project.json").write_text(recommender.project.model_dump_json(indent=2), encoding="utf-8")
        save_dataset(recommender.dataset, fresh / "data")
        for name, retriever in recommender.retrievers.items():
            retriever.save(fresh / "retrievers" / name)
        recommender.ranker.save(fresh / "ranker")
        recommender.profile.save(fresh / "profile.json")
        # of the log alone: a server that loads the bundle takes in by itself what has happened since
        untouched = (
            recommender.counts
            if not recommender.observed
            else recommender.features.counters(recommender.dataset)
        )
        untouched.save(fresh / "counters")
        state = {
            "scales": recommender.scales.tolist(),
            "priors": recommender.features.priors,
            "mark": recommender.mark.to_json(),
            "retired": np.flatnonzero(recommender.retired).tolist(),
        }
        (fresh / "state.json").write_text(json.dumps(state), encoding="utf-8")

    facts = {
        "model_version": recommender.version,
        "shortlist": __version__,
        "name": recommender.project.name,
        "made": int(time.time() * 1000),
    }
    write_bundle(folder, fill, facts)
    return folder


def read_recommender(cls: type[R], folder: Path) -> R:
    manifest = read_manifest(folder)
    try:
        project = read_bundled_project(folder)
        recommender = cls(project)
        for name in recommender.retrievers:
            recommender.retrievers[name] = load_retriever(folder / "retrievers" / name)
        recommender.ranker = load_ranker(folder / "ranker", project)
        recommender.profile = Profile.load(folder / "profile.json")
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        recommender.scales = np.array(state["scales"], np.float64)
        recommender.version = manifest["model_version"]
        recommender.ready(load_dataset(folder / "data", project), state["priors"], folder / "counters")
        recommender.mark = StorePosition(**state["mark"])
        recommender.retired[state["retired"]] = True
    except (BundleError, ProjectError):
        raise
    except Exception as error:  # what is inside may be anything: every way of failing to read it is a refusal
        raise BundleError(f"{folder} cannot be loaded: {type(error).__name__}: {error}") from None
    return recommender
