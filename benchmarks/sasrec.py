"""`transformer` beside RecTools' SASRec, trained for the same time (`make benchmark-sasrec`); written to benchmarks/RESULTS.md.

MovieLens-100K and MovieTweetings, each split in two ways. Leave-one-out: the last event of each user is the test, asked for just after
the event before it. Time: the last tenth of the events is the test, asked for at its beginning, for users with events before; relevant is
all that followed and is new to the user. The whole catalogue is ranked. SASRec (RecTools' defaults) learns for as long, in processor time of one thread,
as `transformer` took, which on one core is a part of what it needs: it is four times as wide, and compares each event with the whole catalogue.
Popularity of 7 days, `als` and `sequence` stand beside. Settings are the defaults of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import results
from sequences import TEST, LeaveOneOut
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.metrics.significance import bootstrap
from shortlist.retrieve import ALS, Popular, Requests, Retriever, Sequence, Transformer
from shortlist.retrieve.fusion.holdout import after_history

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"
PEER = HERE / ".peers_deep" / "bin" / "python"
KEPT = HERE / ".sasrec"
TRIED = (
    "Tried on the validation, which is the tenth of the events before the test; NDCG@10. MovieTweetings (2,618 users): popular of 7 days 0.1265, "
    "`als` 0.0568, `sequence` 0.0451; `transformer` without `trend` 0.0938; with `trend` learned from held-out events inside of the log 0.1305. Learned "
    "from the last days and a network that does not know them, by the likelihood: 0.1276 with a network of all 16 epochs, 0.1314 of four epochs, "
    "and 0.1326 where the events are asked for at the beginning of these days; by the objective that looks at the head of lists: 0.1333 with 16 "
    "epochs (+0.0068 to popular of 7 days, +0.0030 to +0.0108), 0.1325 with four, which is what is used (+0.0060, +0.0018 to "
    "+0.0101). MovieLens-100K (69 users): without `trend` 0.1158, popular of 7 days 0.1491, of 30 "
    "days 0.1726; learned from the last days with a network that knows them 0.1657, that does not 0.1919 by the likelihood and 0.2007 by the head "
    "of lists (+0.0517 to popular of 7 days, +0.0019 to +0.1099). "
    "At its test the last days hold too few events after a pause (18 that can be ranked) for a gain that is clear, so that `trend` is not used."
)
"""What was tried, stated with the results."""
DEPTH, DRAWS, TEST_SHARE = 10, 1_000, 0.1
ATTRIBUTES = {
    "movielens-100k": {"title": "text", "genres": "list"},
    "movietweetings": {"title": "text", "genres": "list"},
}
Lists = NDArray[np.int64]


class Split(NamedTuple):
    """What is known, what followed, by user, and when each is asked, int64 ms (users,), in the same order."""

    known: Dataset
    followed: dict[int, set[int]]
    moments: NDArray[np.int64]


def read(name: str) -> Dataset:
    """Read a data set."""
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": ATTRIBUTES[name]},
        }
    )
    events = pq.read_table(DATA / name / "events.parquet", columns=["user_id", "item_id", "timestamp"])
    return Dataset.from_frames(events, pq.read_table(DATA / name / "items.parquet"), project=project)


def leave_one_out(dataset: Dataset) -> Split:
    """Hold out the last event of each user."""
    split = LeaveOneOut.of(dataset)
    known, h = split.before(TEST), dataset.histories
    users = np.flatnonzero(np.diff(known.histories.indptr))
    last = h.item[h.indptr[1:][users] - 1]
    followed = {int(u): {int(i)} for u, i in zip(users, last, strict=True)}
    new = _new(known, followed)
    return Split(known, new, after_history(known, np.array(list(new))))


def by_time(dataset: Dataset) -> Split:
    """Hold out the last tenth of the events."""
    log = dataset.log
    moment = int(log.time[int(len(log) * (1 - TEST_SHARE))])
    known = replace(dataset, log=log.rows(np.flatnonzero(log.time < moment)))
    filled = np.diff(known.histories.indptr) > 0
    followed: dict[int, set[int]] = {}
    for row in np.flatnonzero(log.time >= moment):
        if filled[log.user[row]]:
            followed.setdefault(int(log.user[row]), set()).add(int(log.item[row]))
    new = _new(known, followed)
    return Split(known, new, np.full(len(new), moment, np.int64))


def _new(known: Dataset, followed: dict[int, set[int]]) -> dict[int, set[int]]:
    """Leave out what users had before, and users of whom nothing is left."""
    h = known.histories
    left = {u: items - set(h.item[h.indptr[u] : h.indptr[u + 1]].tolist()) for u, items in followed.items()}
    return {user: items for user, items in left.items() if items}


SPLITS = {"leave-one-out": leave_one_out, "time": by_time}


def lists_of(model: Retriever, split: Split) -> Lists:
    """Return the ten best items for each user of the test."""
    users = np.array(list(split.followed))
    found = []
    for start in range(0, len(users), 512):
        rows = slice(start, start + 512)
        requests = Requests.of_users(split.known, users[rows], split.moments[rows])
        found.append(model.retrieve(requests, DEPTH).item)
    return np.concatenate(found).astype(np.int64)


def lists_of_peer(split: Split, seconds: float) -> tuple[Lists, dict[str, float]]:
    """Return the lists of RecTools' SASRec, and what its training took."""
    log, users = split.known.log, list(split.followed)
    with tempfile.TemporaryDirectory() as folder:
        time_ = pa.array(log.time * 1_000_000).cast(pa.timestamp("ns"))
        table = pa.table(
            {"user": log.user.astype(np.int64), "item": log.item.astype(np.int64), "time": time_}
        )
        pq.write_table(table, Path(folder) / "train.parquet")
        pq.write_table(pa.table({"user": users}), Path(folder) / "users.parquet")
        environment = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}}
        environment.pop("PYTHONPATH", None)
        command = [str(PEER), str(HERE / "peers_sasrec.py"), folder, str(seconds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        found = pq.read_table(Path(folder) / "lists.parquet")
    lists = np.full((len(users), DEPTH), -1, np.int64)
    row = {user: at for at, user in enumerate(users)}
    for user, item, rank in zip(
        *(found.column(c).to_pylist() for c in ("user", "item", "rank")), strict=True
    ):
        lists[row[user], rank - 1] = item
    facts: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return lists, facts


def ndcg(lists: Lists, split: Split) -> NDArray[np.float64]:
    """Return the NDCG@10 of each user."""
    discount = 1 / np.log2(np.arange(DEPTH) + 2)
    best = np.cumsum(discount)
    return np.array(
        [
            sum(d for item, d in zip(line, discount, strict=True) if item in wanted)
            / best[min(len(wanted), DEPTH) - 1]
            for line, wanted in zip(lists.tolist(), split.followed.values(), strict=True)
        ]
    )


def compared(name: str, how: str) -> list[str]:
    """Return the rows of a data set and a split."""
    split = SPLITS[how](read(name))
    models = {"transformer": Transformer(seed=0), "popular of 7 days": Popular(window="7d")}
    models |= {"als": ALS(), "sequence": Sequence()}
    quality, seconds = {}, {}
    for kind, model in models.items():
        started = time.process_time()
        model.fit(split.known)
        seconds[kind] = time.process_time() - started
        quality[kind] = ndcg(lists_of(model, split), split)
    lists, facts = lists_of_peer(split, seconds["transformer"])
    peer = f"RecTools SASRec, {facts['epochs']:.2g} epochs"
    quality[peer], seconds[peer] = ndcg(lists, split), facts["seconds"]
    lines = []
    for kind, values in quality.items():
        gap = bootstrap(quality["transformer"] - values, DRAWS, 0)
        cells = [f"{name}, {how}", f"{len(values):,}", kind, f"{values.mean():.4f}"]
        own = kind == "transformer"
        cells.append("" if own else f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})")
        cells.append("" if own else f"{quality['transformer'].mean() / max(values.mean(), 1e-9):.2f} ×")
        lines.append(f"| {' | '.join([*cells, f'{seconds[kind]:.0f} s'])} |")
    return lines


CASES = [f"{name}:{how}" for name in ATTRIBUTES for how in SPLITS]


def kept(case: str) -> Path:
    """Return where the rows of a case are kept."""
    return KEPT / f"{case.replace(':', '-')}.json"


def write() -> None:
    """Write the section from the cases that are kept."""
    rows = [line for case in CASES if kept(case).exists() for line in json.loads(kept(case).read_text())]
    columns = [
        "data, split",
        "users",
        "model",
        "NDCG@10",
        "`transformer` − it (95 %)",
        "ratio",
        "fit (processor)",
    ]
    about = (__doc__ or "").split("\n\n", 1)[1].strip().replace("\n", " ")
    results.write(
        "sasrec",
        [
            "# `transformer` and RecTools' SASRec at equal training time (`make benchmark-sasrec`)\n",
            f"{results.machine('torch', 'numpy')} RecTools 0.19.0. One thread.\n",
            f"{about}\n",
            f"| {' | '.join(columns)} |",
            f"| {' | '.join('---' for _ in columns)} |",
            *rows,
            "",
            TRIED,
        ],
    )


def main(names: list[str]) -> None:
    """Run the named cases, such as `movielens-100k:time`, or those that are missing, and write the section."""
    KEPT.mkdir(exist_ok=True)
    for case in names or CASES:
        if names or not kept(case).exists():
            lines = compared(*case.split(":"))
            kept(case).write_text(json.dumps(lines))
            print("\n".join(lines), flush=True)
    write()


if __name__ == "__main__":
    main(sys.argv[1:])
