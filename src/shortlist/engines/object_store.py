"""Object stores: `s3://`, `gs://` and `az://` addresses, by pyarrow's file systems.

Credentials, region and endpoint come from the environment, as the tools of each store read them: `AWS_ACCESS_KEY_ID`,
`AWS_REGION`, `AWS_ENDPOINT_URL` (for stores with the interface of S3, such as MinIO), `GOOGLE_APPLICATION_CREDENTIALS`,
`AZURE_STORAGE_ACCOUNT`, `AZURE_STORAGE_KEY`, or the identity of the machine. `STORAGE_EMULATOR_HOST` and `AZURE_STORAGE_BLOB_ENDPOINT` name
servers with the interface of the other two. An address never holds a password.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shortlist.errors import DataError

SCHEMES = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
"""Scheme of an address → the store that it names."""
WILDCARDS = re.compile(r"[*?\[]")
PART = 1 << 20


def is_object_store(source: str) -> bool:
    """Return whether a source is an address of an object store.

    Examples
    --------
    >>> [is_object_store(source) for source in ("s3://bucket/events/*.parquet", "events.parquet")]
    [True, False]
    """
    return source.partition("://")[0] in SCHEMES and "://" in source


@dataclass(frozen=True)
class StoredObject:
    """An object: its path in the store, size in bytes, and when it was written, ns since 1970."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True, repr=False)
class ObjectStore:
    """A place in an object store.

    Parameters
    ----------
    address
        As it was given, for messages.
    files
        pyarrow's file system.
    path
        The bucket, and the path of an object, a folder, or a pattern with `*`, `?` and `[…]`.
    """

    address: str
    files: Any
    path: str

    @classmethod
    def of(cls, address: str) -> ObjectStore:
        """Open an address `scheme://bucket/path`. Raises `DataError` where it names no bucket."""
        parts = urlsplit(address.replace("?", "%3F"))
        if not parts.netloc or "@" in parts.netloc:
            raise DataError(
                f"{parts.scheme}://…: an address is {parts.scheme}://BUCKET/PATH, without a key or password; those are read from the "
                "environment",
                field="source",
            )
        path = f"{parts.netloc}{parts.path}".replace("%3F", "?").rstrip("/")
        try:
            return cls(address, _file_system(parts.scheme, parts.netloc), path)
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{address}: {SCHEMES[parts.scheme]} cannot be opened: {_line(error)}", "source"
            ) from None

    def objects(self) -> list[StoredObject]:
        """Return the object of this path, all of the folder, or all that match the pattern, in order of their names.

        Raises
        ------
        DataError
            The store cannot be read, or there is no such object.
        """
        from pyarrow import fs

        root = _fixed_part(self.path)
        try:
            [info] = self.files.get_file_info([root])
            if info.type == fs.FileType.File:
                found = [info]
            else:
                selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
                found = [one for one in self.files.get_file_info(selector) if one.type == fs.FileType.File]
        except (OSError, ValueError) as error:
            raise DataError(f"{self.address}: cannot be read: {_line(error)}", field="source") from None
        if WILDCARDS.search(self.path):
            found = [one for one in found if fnmatch.fnmatchcase(one.path, self.path)]
        return sorted(
            (StoredObject(one.path, one.size, one.mtime_ns or 0) for one in found), key=lambda one: one.path
        )

    def name_of(self, found: StoredObject) -> str:
        """Return the name of an object within this folder or pattern."""
        root = _fixed_part(self.path)
        return found.path.rpartition("/")[2] if found.path == root else found.path[len(root) :].lstrip("/")

    def download(self, found: StoredObject, to: Path) -> None:
        """Copy an object into a file. Raises `DataError`."""
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.files.open_input_stream(found.path, compression=None) as source, to.open("wb") as sink:
                shutil.copyfileobj(source, sink, PART)
        except OSError as error:
            raise DataError(
                f"{self.address}: {found.path} cannot be read: {_line(error)}", "source"
            ) from None

    def upload(self, file: Path, name: str = "") -> None:
        """Write a file as the object of this path, or as `name` in it. An object appears whole. Raises `DataError`."""
        path = f"{self.path}/{name}" if name else self.path
        try:
            with file.open("rb") as source, self.files.open_output_stream(path, compression=None) as sink:
                shutil.copyfileobj(source, sink, PART)
        except OSError as error:
            raise DataError(f"{self.address}: {path} cannot be written: {_line(error)}", "out") from None

    def remove(self, name: str) -> None:
        """Delete the object `name` in this folder, where there is one."""
        try:
            self.files.delete_file(f"{self.path}/{name}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"{self.address}: {name} cannot be removed: {_line(error)}", "out") from None

    def __repr__(self) -> str:
        return f"ObjectStore({self.address!r})"


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """Copy the objects of an address into a temporary folder, and yield the file, or the folder where it is one or a pattern.

    Raises
    ------
    DataError
        There are no such objects, or they cannot be read.
    """
    store = ObjectStore.of(address)
    found = [one for one in store.objects() if not one.path.endswith("/")]
    if not found:
        raise DataError(
            f"{address}: there is no such object, folder, or object of this pattern", field="source"
        )
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        for one in found:
            store.download(one, Path(folder) / store.name_of(one))
        single = len(found) == 1 and (found[0].path == store.path or WILDCARDS.search(store.path))
        yield Path(folder) / store.name_of(found[0]) if single else Path(folder)


@contextmanager
def local_output(target: str) -> Iterator[Path]:
    """Yield the path to write a file to; one of an object store is written aside, and uploaded at the end where nothing went wrong."""
    if not is_object_store(target):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        yield Path(target)
        return
    store = ObjectStore.of(target)
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        path = Path(folder) / store.path.rpartition("/")[2]
        yield path
        store.upload(path)


def _fixed_part(path: str) -> str:
    """Return the folders of a path before its first wildcard."""
    found = WILDCARDS.search(path)
    return path if found is None else path[: found.start()].rpartition("/")[0]


def _file_system(scheme: str, bucket: str) -> Any:
    """Return pyarrow's file system for a scheme."""
    from pyarrow import fs

    if scheme == "gs":
        return _google_files()
    if scheme == "az":
        account = os.environ.get("AZURE_STORAGE_ACCOUNT")
        if not account:
            raise DataError("az://: set the environment variable AZURE_STORAGE_ACCOUNT", field="source")
        return fs.AzureFileSystem(
            account_name=account,
            account_key=os.environ.get("AZURE_STORAGE_KEY"),
            sas_token=os.environ.get("AZURE_STORAGE_SAS_TOKEN"),
            **_azure_endpoint(),
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region and not endpoint:
        region = fs.resolve_s3_region(bucket)
    options: dict[str, Any] = {"region": region or "us-east-1"}
    if endpoint:
        protocol, _, host = endpoint.rstrip("/").rpartition("://")
        options |= {"endpoint_override": host, "scheme": protocol or "https"}
    return fs.S3FileSystem(**options, allow_bucket_creation=False)


def _google_files() -> Any:
    """Return the file system of Google Cloud Storage, or of the server that `STORAGE_EMULATOR_HOST` names, which asks for no key."""
    from pyarrow import fs

    endpoint = os.environ.get("STORAGE_EMULATOR_HOST")
    if not endpoint:
        return fs.GcsFileSystem()
    protocol, _, host = endpoint.rstrip("/").rpartition("://")
    return fs.GcsFileSystem(anonymous=True, endpoint_override=host, scheme=protocol or "http")


def _azure_endpoint() -> dict[str, str]:
    """Return the options for the server that `AZURE_STORAGE_BLOB_ENDPOINT` names, instead of that of Azure."""
    endpoint = os.environ.get("AZURE_STORAGE_BLOB_ENDPOINT")
    if not endpoint:
        return {}
    protocol, _, host = endpoint.rstrip("/").rpartition("://")
    names = {"authority": host, "scheme": protocol or "https"}
    return {f"{kind}_storage_{name}": value for kind in ("blob", "dfs") for name, value in names.items()}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
