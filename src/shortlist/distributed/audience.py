"""Audiences on Spark: executors score the users, the best of all parts are chosen, and executors find their predictions.

| what the driver collects | at most |
| --- | --- |
| one row a part | 10,000 |
| the best users of each item | items · n |
| with `cap`, users who are wanted by several items | items · (n + n · (items − 1) / cap), and `MOST_COLLECTED` |
| the audience itself | items · n |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.cascade.audience import Audience, AudienceMember, AudienceRequest, population
from shortlist.cascade.best_users import give_out
from shortlist.data.progress import Share
from shortlist.distributed.audience_job import PLACE, SCHEMA, SCORE, WANTED, AudienceJob
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.part_folder import PartFolder
from shortlist.distributed.placed_bundle import PlacedBundle, placed_bundle
from shortlist.distributed.table_frame import frame_schema
from shortlist.distributed.whole_log import collected
from shortlist.distributed.written_parts import write_missing
from shortlist.errors import RequestError, ShortlistError
from shortlist.recommender import Recommender

USERS_A_PART = 10_000
PARTS_A_TASK = 20
"""Parts that a task reads."""
MEMBERS_A_TASK = 2_000
"""Chosen users whose predictions a task finds."""
MOST_COLLECTED = 50_000_000
"""Pairs of users and items that the driver gets to choose among, with `cap`: 16 bytes each, and as much while they are ordered."""
ROW, PREDICTION = "row", "prediction_"


@dataclass(frozen=True)
class AudienceParts:
    """How users are divided, and where their scores are kept.

    Attributes
    ----------
    users
        Users of a part.
    folder
        A folder that every executor and the driver see, with which a stopped job goes on; None: scores stay on the disks of the executors.
    """

    users: int = USERS_A_PART
    folder: PartFolder | None = None


@dataclass(frozen=True, repr=False)
class _Chosen:
    """The members of all audiences, those of an audience side by side: their audiences and places among all users."""

    wanted: NDArray[np.int32]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, chosen: Sequence[Sequence[int]]) -> _Chosen:
        sizes = [len(users) for users in chosen]
        places = [np.array(users, np.int64) for users in chosen]
        return cls(np.repeat(np.arange(len(chosen), dtype=np.int32), sizes), np.concatenate(places))


def audience_on_spark(
    session: Any,
    bundle: Path,
    recommender: Recommender,
    request: AudienceRequest,
    functions: Path | None = None,
    parts: AudienceParts | None = None,
    report: Share = lambda _share: None,
) -> Audience:
    """Find the best users for each item of a request, or for what its filters permit, on the executors of a Spark session.

    The audience is that of `find_audience`: everybody is answered as of one moment, and of equal scores, the earlier user comes first.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, also one of Spark Connect.
    bundle
        The bundle, on the driver's machine.
    recommender
        What was loaded from it.
    request
        Without `users`.
    functions
        A file that registers custom features; it is executed on the executors.
    parts
        How users are divided, and the folder with which a stopped job goes on.
    report
        Called with the share of the parts that is done, where there is a folder.

    Raises
    ------
    RequestError
        An item is unknown or retired, or there are too many pairs.
    ShortlistError
        The recommender has learned of users since it was loaded.
    DataError
        The folder holds something else.
    EngineError
        The job failed.
    """
    parts = parts or AudienceParts()
    if recommender.state.erased or recommender.state.histories.users_since():
        raise ShortlistError(
            "users acted or were erased since the bundle was loaded, of whom executors do not know; train a bundle with them, or find the "
            "audience on one machine"
        )
    job = AudienceJob.of(recommender, request, parts.users)
    search, missing = job.search(recommender), list[int]()
    search.check_pairs(job.users_per_part)  # says what is wrong before a job starts
    if parts.folder is not None:
        job, missing = parts.folder.begin(job)
    with placed_bundle(session, bundle, recommender.version, functions) as placed:
        if parts.folder is not None and missing:
            write_missing(session, placed, parts.folder, job, missing, report)
        scores = _scores(session, placed, job, parts.folder)
        chosen = _Chosen.of(chosen_users(scores, job))
        scores.unpersist()
        members = _members(session, placed, recommender, job, chosen)
    return Audience(members, job.users, recommender.version, search.warnings(job.users))


def _scores(session: Any, placed: PlacedBundle, job: AudienceJob, folder: PartFolder | None) -> Any:
    """Return the scores of all parts, which a folder has or executors find now, as a frame of `SCHEMA`."""
    from pyspark import StorageLevel

    if folder is not None:
        tasks = session.range(0, job.parts, 1, max(-(-job.parts // PARTS_A_TASK), 1))
        read = on_executors(partial(_read_parts, folder.target, folder.field))
        return tasks.mapInArrow(read, frame_schema(SCHEMA))
    tasks = session.range(0, job.parts, 1, max(job.parts, 1))
    found = tasks.mapInArrow(on_executors(partial(_score_parts, placed, job)), frame_schema(SCHEMA))
    return found.persist(StorageLevel.DISK_ONLY)


def _read_parts(target: str, field: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read parts of a folder. Runs on an executor."""
    folder = PartFolder(target, field)
    for batch in batches:
        for part in batch.column("id").to_pylist():
            yield from folder.read_part(part).cast(SCHEMA).to_batches()


def _score_parts(
    placed: PlacedBundle, job: AudienceJob, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Score the users of parts. Runs on an executor."""
    for batch in batches:
        for part in batch.column("id").to_pylist():
            yield from job.table(placed.load(), part).to_batches()


def chosen_users(scores: Any, job: AudienceJob) -> list[list[int]]:
    """Return the places of the users of each audience, best first, from a frame of `SCHEMA`.

    Without a cap these are the best n. With one, pairs are given out by `give_out`, from the best users of each item, at first n: an
    item that stays short because its users are full elsewhere is asked for twice as many, until each item is full or has no more
    users. More users of an item cannot change that: their scores are below those of its users.

    Raises `RequestError` where the driver would get more than `MOST_COLLECTED` pairs.
    """
    n, cap = job.request.n, job.request.cap
    found = [_first(scores, range(job.columns), n)]
    if cap is None:
        return [_of(found[0], item).column(PLACE).to_pylist() for item in range(job.columns)]
    asked = np.full(job.columns, n)
    own = [_of(found[0], item) for item in range(job.columns)]
    while True:
        pairs = pa.concat_tables(own).sort_by(
            [(SCORE, "descending"), (PLACE, "ascending"), (WANTED, "ascending")]
        )
        places, items = pairs.column(PLACE).to_numpy(), pairs.column(WANTED).to_numpy()
        chosen = give_out(places, items, job.columns, n, cap)
        short = [
            item
            for item in range(job.columns)
            if len(chosen[item]) < n and len(own[item]) == asked[item] < job.depth
        ]
        if not short:
            return chosen
        asked[short] = min(2 * int(asked.max()), job.depth)
        if asked.sum() > MOST_COLLECTED:
            raise RequestError(
                f"cap: {cap} leaves so many users out that the driver would get more than {MOST_COLLECTED:,} pairs of users and items; ask "
                "for fewer items at once, or fewer users of each (n)",
                field="cap",
            )
        more = _first(scores, short, int(asked[short[0]]))
        for item in short:
            own[item] = _of(more, item)


def _first(scores: Any, items: Sequence[int], n: int) -> pa.Table:
    """Return the n best users of some items, best first; of equal scores, the earlier user is first."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    order = Window.partitionBy(WANTED).orderBy(sql.desc(SCORE), PLACE)
    of_items = scores.where(sql.col(WANTED).isin(list(items)))
    found = collected(of_items.withColumn("rank", sql.row_number().over(order)).where(f"rank <= {n}"))
    return found.sort_by([(WANTED, "ascending"), ("rank", "ascending")]).select(SCHEMA.names).cast(SCHEMA)


def _of(found: pa.Table, item: int) -> pa.Table:
    return found.filter(pc.equal(found.column(WANTED), item))


# ---------------------------------------------------------------- members


def _members(
    session: Any, placed: PlacedBundle, recommender: Recommender, job: AudienceJob, chosen: _Chosen
) -> list[AudienceMember]:
    """Return chosen users with their predictions, which executors find."""
    objectives, data = list(recommender.model.objectives), recommender.dataset
    schema = pa.schema(
        [
            (ROW, pa.int64()),
            ("item", data.items.ids.type),
            ("user", data.users.ids.type),
            (SCORE, pa.float64()),
            *((f"{PREDICTION}{name}", pa.float64()) for name in objectives),
        ]
    )
    tasks = max(-(-len(chosen.wanted) // MEMBERS_A_TASK), 1)
    work = on_executors(partial(_find_members, placed, job, chosen, schema))
    found = collected(session.range(0, tasks, 1, tasks).mapInArrow(work, frame_schema(schema))).sort_by(ROW)
    return [
        AudienceMember(
            row["item"], row["user"], row[SCORE], {name: row[f"{PREDICTION}{name}"] for name in objectives}
        )
        for row in found.to_pylist()
    ]


def _find_members(
    placed: PlacedBundle,
    job: AudienceJob,
    chosen: _Chosen,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Find the predictions of some chosen users. Runs on an executor."""
    recommender = placed.load()
    users = population(recommender.model, recommender.state)
    search = job.search(recommender)
    for batch in batches:
        for task in batch.column("id").to_pylist():
            own = slice(task * MEMBERS_A_TASK, (task + 1) * MEMBERS_A_TASK)
            wanted, place = chosen.wanted[own], chosen.place[own]
            members: list[AudienceMember] = []
            for column in np.unique(wanted).tolist():
                members += search.members(column, [users[at] for at in place[wanted == column].tolist()])
            if members:
                rows = pa.array(np.arange(own.start, own.start + len(members)))
                table = Audience(members, len(users), recommender.version).to_arrow()
                yield from table.add_column(0, ROW, rows).select(schema.names).cast(schema).to_batches()
