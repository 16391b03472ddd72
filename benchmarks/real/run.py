"""Benchmark on real logs (`make benchmark-real`); written to benchmarks/RESULTS.md and benchmarks/REAL.md.

    python benchmarks/real/run.py [--data FOLDER] [--validation] [SECTION…]

Sections: movies, shop, apps, video, lists, offpolicy. Each is run alone and kept in benchmarks/.real. FOLDER (or the variable
SHORTLIST_REAL_DATA; default: ../shared/data) holds a folder for each data set. Other libraries run in the environment
benchmarks/.peers_real (or SHORTLIST_PEERS). With --validation, the same comparison is made one period earlier and printed: settings are chosen
there, and nothing is written.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import sys
from pathlib import Path

from table import Section, write_all

SECTIONS = ("movies", "shop", "apps", "video", "lists", "offpolicy")
NEEDED = {
    "movies": ("movietweetings", "movielens-100k"),
    "shop": ("completejourney",),
    "apps": ("frappe",),
    "video": ("kuairand-rated",),
    "lists": ("trivago-sample",),
    "offpolicy": ("open-bandit",),
}
"""Section → folders of data sets."""
DEFAULT_DATA = Path(__file__).parents[3] / "shared" / "data"


def data_folder(given: str | None, sections: list[str]) -> Path:
    """The folder of the data sets.

    Raises
    ------
    SystemExit
        Names the folders that are missing, and how to give another place.
    """
    folder = Path(given or os.environ.get("SHORTLIST_REAL_DATA") or DEFAULT_DATA)
    missing = [name for section in sections for name in NEEDED[section] if not (folder / name).is_dir()]
    if missing:
        raise SystemExit(
            f"{folder} has no folder {', '.join(missing)}: name the folder of the data sets with --data or SHORTLIST_REAL_DATA "
            "(benchmarks/real/README.md says what each holds and where it comes from)"
        )
    return folder


def cpu_seconds() -> float:
    """CPU time of this process and of the peers that have ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark on real logs.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--validation", action="store_true", help="one period earlier; nothing is written")
    parser.add_argument("--write", action="store_true", help="write the pages from what is kept")
    given = parser.parse_args()
    unknown = [name for name in given.sections if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"there is no section {', '.join(unknown)}; sections: {', '.join(SECTIONS)}")
    sections = [] if given.write else given.sections or list(SECTIONS)
    data = data_folder(given.data, sections)
    for name in sections:
        started = cpu_seconds()
        section: Section = importlib.import_module(name).section(data, given.validation)
        section.seconds = cpu_seconds() - started
        print("\n".join(section.lines), f"\n{section.seconds:.0f} s of CPU", flush=True)
        if not given.validation:
            section.write()
    if not given.validation:
        write_all(SECTIONS)


if __name__ == "__main__":
    sys.exit(main())
