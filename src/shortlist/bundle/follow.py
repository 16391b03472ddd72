"""Follow bundles of an object store while a server runs: a process of its own copies what should serve.

The server's workers are forks of its main process, and the file systems of Arrow do not survive a fork. Therefore only child
processes that are started anew talk to the store, and the workers follow the local copy, as they follow any folder.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from shortlist.bundle.remote import ADDRESS, BundleMirror, local_bundle
from shortlist.engines.object_store import is_object_store
from shortlist.errors import ShortlistError

LOOK = 15.0
"""Seconds between looks at the store, where the environment variable does not say otherwise."""
LOOK_VARIABLE = "SHORTLIST_FOLLOW_SECONDS"
log = logging.getLogger("shortlist.models")


def copy_in_child(bundle: str) -> Path:
    """Return the folder of a bundle or of bundles, as `local_bundle` does, without a connection to the store in this process."""
    if not is_object_store(bundle):
        return Path(bundle)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(local_bundle, bundle).result()


@contextmanager
def following(folder: Path) -> Iterator[None]:
    """Keep the local copy of an address up to date while the block runs; nothing is done for any other folder."""
    places = [place / ADDRESS for place in (folder, folder.parent) if (place / ADDRESS).is_file()]
    if not places:
        yield
        return
    address = places[0].read_text(encoding="utf-8")
    seconds_between_looks()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=follow, args=(address, os.getpid()), name="bundles", daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(10)


def follow(address: str, parent: int) -> None:
    """Look at an address some times a minute, until the process that started this one has ended."""
    fault, pause = "", seconds_between_looks()
    while True:
        time.sleep(pause)
        if os.getppid() != parent:
            return
        try:
            BundleMirror(address).refresh()
            found = ""
        except ShortlistError as error:
            found = error.message
        if found and found != fault:
            log.warning("%s; the present model goes on", found)
        fault = found


def seconds_between_looks() -> float:
    """Return the seconds between looks at the store. Raises `ShortlistError` where the environment variable is no positive number."""
    given = os.environ.get(LOOK_VARIABLE) or str(LOOK)
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ShortlistError(
            f"{LOOK_VARIABLE} must be a number above 0 and is {given!r}", field=LOOK_VARIABLE
        )
    return seconds
