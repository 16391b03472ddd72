"""Slates for all users as a folder of parts, which a job that was stopped goes on with.

Each part holds the slates of a range of users and appears whole or not at all. A job asks only for the parts that are missing, so
that one that was killed and is started again does nothing twice, whether it runs on one machine or on many.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from shortlist.data.progress import Share
from shortlist.engines.object_store import ObjectStore, is_object_store
from shortlist.errors import DataError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest

AT_ONCE = 500
"""Users per call of `recommend`."""
MOST_PARTS = 10_000
"""Parts of a job at most: what one process has to remember of them is bounded by it."""
JOB, DONE = "_job.json", "_SUCCESS"
_PART = re.compile(r"^part-(\d+)\.parquet$")


@dataclass(frozen=True)
class SlateJob:
    """The terms that the parts of one folder share.

    Attributes
    ----------
    model_version : str
        The model that answers.
    users : int
        The number of users of the bundle.
    n : int
        Items a slate.
    users_per_part : int
        Users whose slates are one part.
    moment : int
        The moment of all requests, ms, so that a part that is written later, or again, is the same.
    placement : str, optional
        The placement that all requests name.
    """

    model_version: str
    users: int
    n: int
    users_per_part: int
    moment: int
    placement: str | None = None

    @classmethod
    def of(
        cls, recommender: Recommender, n: int | None, users_per_part: int, placement: str | None = None
    ) -> SlateJob:
        """Make the job of all users of a recommender. Parts are made larger where there would be more than `MOST_PARTS`.

        Raises `RequestError` where the project has no such placement.
        """
        request = RecommendRequest(n=n, placement=placement).placed(recommender.project.placements)
        users = len(recommender.dataset.users)
        least = -(-users // MOST_PARTS)
        per_part = max(users_per_part, least, 1)
        return cls(recommender.model.version, users, request.size, per_part, recommender.now(), placement)

    @property
    def parts(self) -> int:
        """The number of parts."""
        return -(-self.users // self.users_per_part)


class SlateFolder:
    """The folder of a job, local or in an object store.

    Parameters
    ----------
    target
        A path, or an address such as `s3://bucket/slates` (pyarrow's file systems).
    """

    def __init__(self, target: str) -> None:
        self.target = target
        if is_object_store(target):
            place = ObjectStore.of(target)
            self.files, self.path = place.files, place.path
            return
        try:
            self.files, self.path = fs.FileSystem.from_uri(
                target if "://" in target else Path(target).expanduser().absolute().as_uri()
            )
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            raise DataError(f"{target}: no such place to write to: {error}", field="out") from None

    def __repr__(self) -> str:
        return f"SlateFolder({self.target!r})"

    def begin(self, job: SlateJob) -> tuple[SlateJob, list[int]]:
        """Begin a job, or go on with the one of the folder; return it, with its moment, and the numbers of the missing parts.

        Raises
        ------
        DataError
            The folder holds something else: the slates of another model or of another number of items, or files of others.
        """
        earlier = self._job()
        if earlier is None:
            self.files.create_dir(self.path, recursive=True)
            if found := self._names():
                raise DataError(
                    f"{self.target}: the folder holds {found[0]!r} and no slates; name an empty or a new folder",
                    field="out",
                )
            self._write_whole(JOB, json.dumps(asdict(job)).encode())
            earlier = job
        elif changed := ", ".join(
            f"{name} {getattr(earlier, name)!r} instead of {value!r}"
            for name, value in asdict(job).items()
            if name != "moment" and getattr(earlier, name) != value
        ):
            raise DataError(
                f"{self.target}: the folder holds the slates of another job ({changed}); name another folder, or remove this one",
                field="out",
            )
        done = self.parts_done()
        return earlier, [part for part in range(job.parts) if part not in done]

    def parts_done(self) -> set[int]:
        """Return the numbers of the parts that are there."""
        return {int(found[1]) for name in self._names() if (found := _PART.match(name))}

    def end(self) -> None:
        """Mark the folder as complete, as Spark does: by an empty file `_SUCCESS`."""
        self._write_whole(DONE, b"")

    def write_part(self, recommender: Recommender, job: SlateJob, part: int) -> int:
        """Write the slates of one part, in the place of an earlier attempt, and return the number of users."""
        first = part * job.users_per_part
        ids = recommender.dataset.users.ids.values[first : first + job.users_per_part].to_pylist()
        # another seed in each job, the same one where a part is written again
        seed = job.moment % (1 << 31) + first
        sink = pa.BufferOutputStream()
        request = RecommendRequest(n=job.n, now=job.moment, seed=seed, placement=job.placement)
        pq.write_table(slate_table(recommender, ids, request), sink)
        self._write_whole(f"part-{part:05d}.parquet", sink.getvalue())
        return len(ids)

    def _job(self) -> SlateJob | None:
        try:
            with self.files.open_input_stream(f"{self.path}/{JOB}") as file:
                return SlateJob(**json.loads(file.read()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise DataError(
                f"{self.target}/{JOB} is damaged; remove the folder or name another one", field="out"
            ) from None

    def _names(self) -> list[str]:
        """The names of the files of the folder, without those that are being written."""
        found = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found if not info.base_name.startswith("."))

    def _write_whole(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a file that appears whole: object stores show a file once it is closed; elsewhere it is renamed into place."""
        renamed = self.files.type_name in {"local", "hdfs"}
        written = f"{self.path}/.{name}-{uuid.uuid4().hex[:8]}" if renamed else f"{self.path}/{name}"
        with self.files.open_output_stream(written) as file:
            file.write(content)
        if renamed:
            self.files.move(written, f"{self.path}/{name}")


def slate_table(
    recommender: Recommender,
    users: Sequence[Any],
    request: RecommendRequest,
    report: Share = lambda _share: None,
) -> pa.Table:
    """Return the slates of users as one table, one row an item.

    Parameters
    ----------
    recommender
        Answers for `AT_ONCE` users a call.
    users
        Their ids.
    request
        What is asked for each user. Its seed, if it has one, is that of the first user; each further user has the next one.
    report
        Called with the share of the users that is done.
    """
    tables = []
    for start in range(0, len(users), AT_ONCE):
        some = users[start : start + AT_ONCE]
        asked = [
            replace(request, user=user, seed=None if request.seed is None else request.seed + at)
            for at, user in enumerate(some, start)
        ]
        tables.append(recommender.answer(asked).to_arrow())
        report((start + len(some)) / len(users))
    return pa.concat_tables(tables, promote_options="permissive")
