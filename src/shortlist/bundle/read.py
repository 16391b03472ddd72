"""Read a bundle back as a trained recommender."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shortlist.bundle.format import read_bundled_project, read_manifest
from shortlist.cascade.model import Model
from shortlist.data.serialize import load_dataset
from shortlist.errors import BundleError, ProjectError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.online import OnlineCounters
from shortlist.rank.profile import Profile
from shortlist.rank.registry import load_ranker
from shortlist.retrieve import load_retriever, parse_sources
from shortlist.store.merge import StorePosition

ATTEMPTS = 5
"""How often a bundle is read that is being replaced."""


def read_bundle(folder: Path) -> tuple[Model, OnlineCounters]:
    """Read a model and the counters as they stood after its log.

    A bundle that is replaced while it is read is read again. Raises `BundleError` where the bundle is damaged, incomplete
    or of another version. Nothing in it can run.
    """
    for attempt in range(1, ATTEMPTS + 1):
        before = _identity(folder)
        try:
            return _read(folder)
        except (BundleError, ProjectError):
            if attempt == ATTEMPTS or _identity(folder) == before:
                raise
    raise AssertionError("the last attempt returns or raises")


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder it is at the moment; None for none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read(folder: Path) -> tuple[Model, OnlineCounters]:
    manifest = read_manifest(folder)
    try:
        project = read_bundled_project(folder)
        facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        dataset = load_dataset(folder / "data")
        features = FeatureSet.from_project(project, dataset, facts["priors"])
        retired = np.zeros(len(dataset.items), bool)
        retired[facts["retired"]] = True
        sources = [source.name for source in parse_sources(project.retrieve.sources, project.where)]
        retrievers = {name: load_retriever(folder / "retrievers" / name) for name in sources}
        for retriever in retrievers.values():
            retriever.attach(dataset)
        model = Model(
            project,
            dataset,
            retrievers,
            load_ranker(folder / "ranker", project),
            features,
            Profile.load(folder / "profile.json"),
            np.array(facts["scales"], np.float64),
            manifest["model_version"],
            StorePosition(**facts["mark"]),
            retired,
        )
        return model, features.counters(dataset, folder / "counters")
    except (BundleError, ProjectError):
        raise
    except Exception as error:  # noqa: BLE001 - the content may be anything: every failure to read it is a refusal
        raise BundleError(f"{folder} cannot be loaded: {type(error).__name__}: {error}") from None
