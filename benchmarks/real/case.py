"""One comparison on a real log: what may be learned, what followed, the lists of all recommenders, and one judge for them all."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import shortlist
from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.lazy import lazy_property
from shortlist.evaluate.report import Report
from shortlist.recommender import Recommender

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "real"
PEERS = Path(os.environ.get("SHORTLIST_PEERS", ROOT / "benchmarks" / ".peers_real")) / "bin" / "python"
BATCH = 500


@dataclass(frozen=True)
class Tables:
    """Events with user_id, item_id, timestamp (seconds), and the tables beside them."""

    events: pa.Table
    items: pa.Table | None = None
    users: pa.Table | None = None

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """Read the files of a data set."""
        paths = [folder / f"{name}.parquet" for name in ("events", "items", "users")]
        return cls(*(pq.read_table(path) if path.exists() else None for path in paths))  # type: ignore[arg-type]

    def between(self, start: float, end: float) -> Tables:
        """The events from start until before end."""
        time = self.events.column("timestamp")
        rows = pc.and_(pc.greater_equal(time, start), pc.less(time, end))
        return Tables(self.events.filter(rows), self.items, self.users)

    def quantile(self, share: float) -> int:
        """The moment before which a share of the events lies."""
        return int(np.quantile(self.events.column("timestamp").to_numpy(), share, method="lower"))


@dataclass(frozen=True)
class Case:
    """A time split of a log, and what lists should find.

    Attributes
    ----------
    name
        Name of the case, and of its folder below build/real.
    tables
        The whole log.
    validation, moment, end
        The start of the validation, the start and the end of the test; seconds.
    at_least
        The value from which an event is wanted; None: each event is.
    repeats
        Whether items of the past may be recommended and count.
    windows
        Number of label windows, each as long as the validation, that the tree peers learn from.
    """

    name: str
    tables: Tables
    validation: int
    moment: int
    end: int
    at_least: float | None = None
    repeats: bool = False
    k: int = 10
    people: int = 2_000
    windows: int = 1
    kinds: Mapping[str, bool] = field(default_factory=dict)

    def on_validation(self) -> Case:
        """The same comparison one step earlier, for choosing settings: its test is the validation."""
        earlier = self.validation - (self.moment - self.validation)
        cut = max(earlier, int(self.tables.events.column("timestamp").to_numpy().min()) + 1)
        return Case(
            f"{self.name}-validation",
            self.tables,
            cut,
            self.validation,
            self.moment,
            self.at_least,
            self.repeats,
            self.k,
            self.people,
            self.windows,
            self.kinds,
        )

    @property
    def folder(self) -> Path:
        """Where lists are exchanged."""
        folder = WORK / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @lazy_property
    def train(self) -> Tables:
        """What may be learned."""
        return self.tables.between(-np.inf, self.moment)

    @lazy_property
    def wanted(self) -> pa.Table:
        """The pairs of users and items that lists should find, with the summed value as `worth`, and whether they are `new`.

        The users are a sample of `people`.
        """
        after = self.tables.between(self.moment, self.end).events
        if self.at_least is not None:
            after = after.filter(pc.greater_equal(after.column("value"), self.at_least))
        if "value" not in after.column_names:
            after = after.append_column("value", pa.array(np.ones(len(after))))
        pairs = after.group_by(["user_id", "item_id"]).aggregate([("value", "sum")])
        pairs = pairs.rename_columns(["user_id", "item_id", "worth"])
        past = self.train.events.group_by(["user_id", "item_id"]).aggregate([([], "count_all")])
        joined = pairs.join(past, ["user_id", "item_id"], join_type="left outer")
        joined = joined.append_column("new", pc.is_null(joined.column("count_all"))).drop_columns(
            ["count_all"]
        )
        if not self.repeats:
            joined = joined.filter(joined.column("new"))
        users = np.unique(joined.column("user_id").to_numpy(zero_copy_only=False))
        if len(users) > self.people:
            users = np.sort(np.random.default_rng(0).permutation(users)[: self.people])
        return joined.filter(pc.is_in(joined.column("user_id"), pa.array(users))).sort_by(
            [("user_id", "ascending"), ("item_id", "ascending")]
        )

    @lazy_property
    def users(self) -> list[Any]:
        """The users of the test."""
        return pc.unique(self.wanted.column("user_id")).to_pylist()

    # ------------------------------------------------------------------ lists

    def peers(self, *names: str) -> dict[str, dict[str, Any]]:
        """Let the peers make their lists; returns name → settings, number of trials and CPU seconds.

        Lists are kept in the folder, so that a run that was interrupted goes on; delete build/real to make all of them again.
        """
        if self._write():
            for old in self.folder.glob("*.json"):
                if old.name != "options.json":
                    old.unlink()
        run_peers("peers.py", self.folder, [n for n in names if not (self.folder / f"{n}.json").exists()])
        return {name: json.loads((self.folder / f"{name}.json").read_text()) for name in names}

    def _write(self) -> bool:
        """Write what the peers read; returns whether it differs from what was there, so that lists made from that are out of date."""
        events, items = self.train.events, self.train.items
        value = events.column("value") if "value" in events.column_names else pa.array(np.ones(len(events)))
        wanted = np.ones(len(events), bool)
        if self.at_least is not None:
            wanted = np.asarray(pc.greater_equal(value, self.at_least))
        columns = {"user_id": events.column("user_id"), "item_id": events.column("item_id")}
        columns |= {"time": events.column("timestamp").cast("float64")}
        columns |= {"value": value.cast("float64"), "wanted": pa.array(wanted)}
        pq.write_table(pa.table(columns), self.folder / "train.parquet")
        if items is None:
            items = pa.table({"item_id": pc.unique(events.column("item_id"))})
        about = [f.name for f in items.schema if f.name == "item_id" or _is_attribute(items, f.name)]
        pq.write_table(items.select(about), self.folder / "items.parquet")
        pq.write_table(
            pa.table({"user_id": pa.array(self.users, events.schema.field("user_id").type)}),
            self.folder / "requests.parquet",
        )
        options = {
            "k": self.k,
            "validation": self.validation,
            "moment": self.moment,
            "repeats": self.repeats,
            "windows": self.windows,
            "lists": {"all": self.repeats, **self.kinds},
        }
        text, kept = (
            json.dumps({**options, "events": len(events), "users": len(self.users)}),
            self.folder / "options.json",
        )
        if kept.exists() and kept.read_text() == text:
            return False
        kept.write_text(text)
        return True

    def list_of(self, name: str, kind: str = "all") -> pa.Table:
        """The lists of a peer."""
        return pq.read_table(self.folder / f"{name}.{kind}.parquet")

    def fitted(self, patch: Mapping[str, Any] | None = None) -> tuple[Recommender, float]:
        """A recommender of `shortlist init`'s project with changed settings, fitted, and its CPU seconds."""
        started = time.process_time()
        recommender = Recommender(self.project(patch)).fit(self._dataset(patch))
        return recommender, time.process_time() - started

    def project(self, patch: Mapping[str, Any] | None = None) -> Project:
        """The project that `shortlist init` writes for the training events, with changed settings."""
        t = self.train
        return changed(shortlist.guess_project(t.events, t.items, t.users, name=self.name), patch or {})

    def _dataset(self, patch: Mapping[str, Any] | None) -> Dataset:
        t = self.train
        return Dataset.from_frames(t.events, t.items, t.users, self.project(patch))

    def slates(self, recommender: Recommender, k: int | None = None, **options: Any) -> pa.Table:
        """The lists of a recommender for the users of the test, at its start."""
        users, items, ranks = [], [], []
        for start in range(0, len(self.users), BATCH):
            block = self.users[start : start + BATCH]
            slates = recommender.recommend(users=block, n=k or self.k, now=self.moment * 1000, **options)
            for user, slate in zip(block, slates, strict=True):
                users += [user] * len(slate)
                items += [one.item for one in slate]
                ranks += list(range(1, len(slate) + 1))
        return pa.table({"user_id": users, "item_id": items, "rank": ranks})

    # ------------------------------------------------------------------ judging

    def judge(
        self, lists: Mapping[str, pa.Table], wanted: pa.Table | None = None, gain: str | None = None
    ) -> Report:
        """Compare the first lists with all others; gain: the column of `wanted` that says how much an item is worth."""
        table = (self.wanted if wanted is None else wanted).select(
            ["user_id", "item_id", *([gain] if gain else [])]
        )
        if gain:
            table = table.rename_columns(["user_id", "item_id", "gain"])
        return shortlist.evaluate(dict(lists), test=table, train=self.train.events, k=self.k, name=self.name)


def run_peers(script: str, folder: Path, names: Sequence[str]) -> None:
    """Run a script of this folder in the environment of the other libraries, on one core, for the peers that are named."""
    if not PEERS.exists():
        raise SystemExit(
            f"{PEERS} is missing: make benchmarks/.peers_real/.installed, or set SHORTLIST_PEERS"
        )
    if names:
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        command = [str(PEERS), str(HERE / script), str(folder), *names]
        subprocess.run(command, check=True, env={**os.environ, **threads})


def _is_attribute(items: pa.Table, name: str) -> bool:
    kind = items.schema.field(name).type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return True
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return len(pc.unique(items.column(name))) < max(len(items) / 3, 50)
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def changed(project: Project, patch: Mapping[str, Any]) -> Project:
    """A project with changed settings; tables are merged, and a name "+features" adds to a list."""
    settings = project.model_dump(exclude_unset=True)
    _merge(settings, patch)
    return parse_project(settings, project.name)


def _merge(settings: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if name.startswith("+"):
            settings[name[1:]] = [*settings.get(name[1:], []), *value]
        elif isinstance(value, Mapping) and isinstance(settings.get(name), dict):
            _merge(settings[name], value)
        else:
            settings[name] = value
