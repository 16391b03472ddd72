"""A folder of parts, which a job that was stopped goes on with: slates of all users, or their scores for audiences.

Each part is about a range of users and appears whole or not at all. A job asks only for the parts that are missing, so that one
that was killed and is started again does nothing twice, whether it runs on one machine or on many.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from shortlist.bundle.atomic import unfinished_name
from shortlist.engines.object_store import ObjectStore, is_object_store
from shortlist.errors import DataError
from shortlist.recommender import Recommender

MOST_PARTS = 10_000
"""Parts of a job at most: what one process has to remember of them is bounded by it."""
JOB, DONE = "_job.json", "_SUCCESS"
_PART = re.compile(r"^part-(\d+)\.parquet$")


@dataclass(frozen=True)
class PartJob(ABC):
    """The terms that the parts of one folder share.

    Attributes
    ----------
    model_version : str
        The model that answers.
    users : int
        The number of users.
    users_per_part : int
        Users of one part; see `users_of_a_part`.
    moment : int
        The moment of all requests, ms, so that a part that is written later, or again, is the same.
    """

    model_version: str
    users: int
    users_per_part: int
    moment: int

    holds: ClassVar[str]
    """What the parts contain, in words."""

    @abstractmethod
    def table(self, recommender: Recommender, part: int) -> pa.Table:
        """Return the rows of a part."""

    def terms(self) -> dict[str, Any]:
        """Return what another job of the same folder must agree in, but for the moment, as JSON has it."""
        terms: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return terms

    @property
    def parts(self) -> int:
        """The number of parts."""
        return -(-self.users // self.users_per_part)

    def users_in(self, part: int) -> range:
        """Return the places of the users of a part."""
        first = part * self.users_per_part
        return range(first, min(first + self.users_per_part, self.users))

    def at(self, moment: int) -> Self:
        """Return the job as of another moment, ms."""
        return replace(self, moment=moment)


J = TypeVar("J", bound=PartJob)


def users_of_a_part(users: int, wanted: int) -> int:
    """Return how many users a part has: as wanted, or more where there would be more than `MOST_PARTS`."""
    return max(wanted, -(-users // MOST_PARTS), 1)


class PartFolder:
    """The folder of a job, local or in an object store.

    Parameters
    ----------
    target
        A path, or an address such as `s3://bucket/slates` (pyarrow's file systems).
    field
        The option that names it, for messages.
    """

    def __init__(self, target: str, field: str = "out") -> None:
        self.target, self.field = target, field
        if is_object_store(target):
            place = ObjectStore.of(target)
            self.files, self.path = place.files, place.path
            return
        try:
            self.files, self.path = fs.FileSystem.from_uri(
                target if "://" in target else Path(target).expanduser().absolute().as_uri()
            )
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            raise self._error(f"no such place to write to: {error}") from None

    def __repr__(self) -> str:
        return f"PartFolder({self.target!r})"

    def begin(self, job: J) -> tuple[J, list[int]]:
        """Begin a job, or go on with the one of the folder; return it, with its moment, and the numbers of the missing parts.

        Raises
        ------
        DataError
            The folder holds something else: the parts of another model or another request, or files of others; or nothing can be
            written there.
        """
        earlier, terms = self._terms(), job.terms()
        if earlier is None:
            self._create()
            if found := self._names():
                raise self._error(
                    f"the folder holds {found[0]!r} and no {job.holds}; name an empty or a new folder"
                )
            self._write_whole(JOB, json.dumps(terms).encode())
            earlier = terms
        elif earlier.keys() != terms.keys():
            raise self._error(
                f"the folder holds the parts of another kind of job, and no {job.holds}; name another folder"
            )
        elif changed := ", ".join(
            f"{name} {earlier[name]!r} instead of {value!r}"
            for name, value in terms.items()
            if name != "moment" and earlier[name] != value
        ):
            raise self._error(
                f"the folder holds the {job.holds} of another job ({changed}); name another folder, or remove this one"
            )
        done = self.parts_done()
        return job.at(int(earlier["moment"])), [part for part in range(job.parts) if part not in done]

    def parts_done(self) -> set[int]:
        """Return the numbers of the parts that are there."""
        return {int(found[1]) for name in self._names() if (found := _PART.match(name))}

    def end(self) -> None:
        """Mark the folder as complete, as Spark does: by an empty file `_SUCCESS`."""
        self._write_whole(DONE, b"")

    def write_part(self, recommender: Recommender, job: PartJob, part: int) -> int:
        """Write one part, in the place of an earlier attempt, and return the number of users."""
        sink = pa.BufferOutputStream()
        pq.write_table(job.table(recommender, part), sink)
        self._write_whole(_name(part), sink.getvalue())
        return len(job.users_in(part))

    def read_part(self, part: int) -> pa.Table:
        """Return the rows of a part that is there."""
        with self.files.open_input_file(f"{self.path}/{_name(part)}") as file:
            return pq.read_table(file)

    def _create(self) -> None:
        try:
            self.files.create_dir(self.path, recursive=True)
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def _terms(self) -> dict[str, Any] | None:
        try:
            with self.files.open_input_stream(f"{self.path}/{JOB}") as file:
                found = json.loads(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot_be_written(error) from None
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("moment"), int):
            raise DataError(
                f"{self.target}/{JOB} is damaged; remove the folder or name another one", field=self.field
            )
        return found

    def _names(self) -> list[str]:
        """The names of the files of the folder, without those that are being written."""
        try:
            found = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        except OSError as error:
            raise self._cannot_be_written(error) from None
        return sorted(info.base_name for info in found if not info.base_name.startswith("."))

    def _write_whole(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a file that appears whole: object stores show a file once it is closed; elsewhere it is renamed into place."""
        renamed = self.files.type_name in {"local", "hdfs"}
        written = f"{self.path}/{unfinished_name(name)}" if renamed else f"{self.path}/{name}"
        try:
            with self.files.open_output_stream(written) as file:
                file.write(content)
            if renamed:
                self.files.move(written, f"{self.path}/{name}")
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def _cannot_be_written(self, error: OSError) -> DataError:
        return self._error(
            f"nothing can be written there ({str(error).splitlines()[0]}); name a folder that this process may create, and on a cluster one "
            "that all machines share"
        )

    def _error(self, text: str) -> DataError:
        return DataError(f"{self.target}: {text}", field=self.field)


def _name(part: int) -> str:
    return f"part-{part:05d}.parquet"
