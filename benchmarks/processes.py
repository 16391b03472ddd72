"""What a process and all that it has started have taken."""

from __future__ import annotations

import os
from pathlib import Path


def processor_time() -> float:
    """The processor time of this process, of all that it has started, and of what they have started, seconds."""
    times: dict[int, float] = {}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        process = int(stat.parent.name)
        parents[process] = int(fields[1])
        times[process] = sum(map(int, fields[11:15])) / os.sysconf(
            "SC_CLK_TCK"
        )  # also of children that it has waited for
    tree = {os.getpid()}
    while grown := {process for process, parent in parents.items() if parent in tree} - tree:
        tree |= grown
    return sum(times[process] for process in tree)
