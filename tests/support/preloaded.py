"""What the process has loaded from which the commands of tests are forked (`support/forked.py`): imported there, by name."""

from __future__ import annotations

import gc
import importlib

from shortlist.recommender import Recommender
from support.cache import existing_folder

SERVING = ("granian.server", "pandas", "uvloop", "shortlist.cli.main", "shortlist.serve.app")
"""Modules that a server imports when it starts, also where Arrow and Granian import them."""


def preload() -> None:
    """Import what a server needs, and answer a request, so that Numba's kernels are loaded."""
    for name in SERVING:
        importlib.import_module(name)
    bundle = existing_folder("bundle")
    if bundle is not None:
        Recommender.load(bundle).recommend(users=["u00001"], n=5)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it looks at


preload()
