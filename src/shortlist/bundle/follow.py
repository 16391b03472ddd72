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
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from shortlist.bundle.remote import BundleMirror
from shortlist.engines.object_store import is_object_store
from shortlist.errors import BundleError, ShortlistError

LOOK = 15.0
"""Seconds between looks at the store, where the environment variable does not say otherwise."""
LOOK_VARIABLE = "SHORTLIST_FOLLOW_SECONDS"
log = logging.getLogger("shortlist.models")


@contextmanager
def followed(bundle: str) -> Iterator[Path]:
    """Yield the folder to serve from: the bundle or folder itself, or the copy of an address, which is kept up to date meanwhile.

    Raises
    ------
    BundleError
        The address holds no bundle, or a damaged one.
    """
    if not is_object_store(bundle):
        yield Path(bundle)
        return
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    arguments = (bundle, seconds_between_looks(), os.getpid(), sending)
    process = context.Process(target=follow, args=arguments, name="bundles", daemon=True)
    process.start()
    sending.close()  # so that the end of the process is noticed
    try:
        yield _first(receiving, bundle)
    finally:
        process.terminate()
        process.join(10)
        receiving.close()


def _first(receiving: Connection, bundle: str) -> Path:
    """Return the folder that the child process copied to. Raises the error that it met."""
    try:
        found = receiving.recv()
    except EOFError:
        raise BundleError(f"{bundle}: the process that copies it has ended", field="bundle") from None
    if isinstance(found, ShortlistError):
        raise found
    return Path(found)


def follow(address: str, pause: float, parent: int, sending: Connection) -> None:
    """Copy what should serve, send where it is (or the error), and look again, until the process that started this one has ended."""
    try:
        sending.send(str(BundleMirror(address).refresh()))
    except ShortlistError as error:
        sending.send(error)
        return
    fault = ""
    while os.getppid() == parent:
        time.sleep(pause)
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
