"""Audiences on Spark: each task finds the best of some users for each item, and the best of all tasks are the audience.

Executors read the bundle (`placed_bundle`). They keep at most n users an item and task, and choose among them; the driver gets the
audience itself: items · n rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.cascade.audience import Audience, AudienceMember, AudienceRequest, find_audience, population
from shortlist.distributed.placed_bundle import PlacedBundle, placed_bundle
from shortlist.distributed.table_frame import frame_schema
from shortlist.distributed.whole_log import collected
from shortlist.errors import ShortlistError
from shortlist.recommender import Recommender

USERS_A_TASK = 10_000
"""Users among whom a task chooses."""
WANTED, PLACE, SCORE, PREDICTION = "wanted", "place", "score", "prediction_"


@dataclass(frozen=True, repr=False)
class _AudienceWork:
    """What executors are told: where the bundle is, what is wanted, and the columns of their answers."""

    bundle: PlacedBundle
    request: AudienceRequest
    users_a_task: int
    schema: pa.Schema


def audience_on_spark(
    session: Any,
    bundle: Path,
    recommender: Recommender,
    request: AudienceRequest,
    functions: Path | None = None,
    users_a_task: int = USERS_A_TASK,
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
        Without `cap` and `users`.
    functions
        A file that registers custom features; it is executed on the executors.
    users_a_task
        Users among whom a task chooses.

    Raises
    ------
    ShortlistError
        `cap` needs the scores of all users and items at one place.
    RequestError
        An item is unknown or retired.
    EngineError
        The job failed.
    """
    if request.cap is not None:
        raise ShortlistError(
            "cap: the users of one audience would depend on all other audiences; leave it out, or find the audiences on one machine",
            field="cap",
        )
    like = replace(request.like, now=request.like.now or recommender.now())
    request = replace(request, like=like)
    users = population(recommender.model, recommender.state)
    one = replace(request, users=users[:1])  # says what is wrong
    begun = find_audience(recommender.model, recommender.state, one)
    schema = _schema(recommender)
    with placed_bundle(session, bundle, recommender.version, functions) as placed:
        work = _AudienceWork(placed, request, users_a_task, schema)
        tasks = -(-len(users) // users_a_task)
        parts = session.range(0, tasks, 1, max(tasks, 1)).mapInArrow(
            partial(_best, work), frame_schema(schema)
        )
        found = collected(_first(parts, request.n))
    members = _members(found, recommender.model.objectives)
    return replace(begun, members=members, considered=len(users))


def _members(found: pa.Table, objectives: Sequence[str]) -> list[AudienceMember]:
    """Return the members of audiences, those of one item side by side, best first."""
    found = found.sort_by([(WANTED, "ascending"), ("rank", "ascending")])
    return [
        AudienceMember(
            row["item"], row["user"], row[SCORE], {name: row[f"{PREDICTION}{name}"] for name in objectives}
        )
        for row in found.to_pylist()
    ]


def _schema(recommender: Recommender) -> pa.Schema:
    """Return the columns of members: the place of their item in the request, their own place among all users, and what they are."""
    data = recommender.dataset
    columns = [
        (WANTED, pa.int32()),
        (PLACE, pa.int64()),
        ("item", data.items.ids.type),
        ("user", data.users.ids.type),
    ]
    predictions = [(f"{PREDICTION}{name}", pa.float64()) for name in recommender.model.objectives]
    return pa.schema([*columns, (SCORE, pa.float64()), *predictions])


def _first(parts: Any, n: int) -> Any:
    """Return the best n members of each item, with their rank."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    # scores are compared in 32 bits, as on one machine
    order = Window.partitionBy(WANTED).orderBy(sql.col(SCORE).cast("float").desc(), PLACE)
    return parts.withColumn("rank", sql.row_number().over(order)).where(f"rank <= {n}")


def _best(work: _AudienceWork, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Find the best users of a task for each item. Runs on an executor."""
    recommender = work.bundle.load()
    users = population(recommender.model, recommender.state)
    items = list(dict.fromkeys(work.request.items or ()))
    for batch in batches:
        for task in batch.column("id").to_pylist():
            first = task * work.users_a_task
            some = users[first : first + work.users_a_task]
            place = {user: first + at for at, user in enumerate(some)}
            request = replace(work.request, users=some)
            found = find_audience(recommender.model, recommender.state, request)
            table = found.to_arrow()
            wanted = [items.index(member.item) if items else 0 for member in found]
            table = table.append_column(WANTED, pa.array(wanted, pa.int32()))
            table = table.append_column(PLACE, pa.array([place[member.user] for member in found], pa.int64()))
            if len(found):
                yield from table.select(work.schema.names).cast(work.schema).to_batches()
