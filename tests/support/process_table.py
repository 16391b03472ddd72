"""The processes of this machine, as `/proc` has them."""

from __future__ import annotations

from pathlib import Path


def descendants(parent: int) -> list[int]:
    """Return all processes that a process has started, and those that they have started."""
    own = [process for process, _ in children(parent)]
    return [*own, *(process for one in own for process in descendants(one))]


def is_alive(process: int) -> bool:
    """Return whether a process runs; one that has ended and is not waited for does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(parent: int) -> list[tuple[int, str]]:
    """Return the processes that a process has started, and their commands."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            command = (status.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in text:
            found.append((int(status.parent.name), command))
    return found
