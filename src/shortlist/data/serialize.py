"""Write a data set into a bundle, and read it.

Ids, attributes and log are Arrow files, vocabularies are JSON. The histories are arrays of their own, because every
start needs them and sorting the log again would take long.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute, CategoryAttribute, CodedAttribute, TimeAttribute, encode
from shortlist.data.dataset import Dataset
from shortlist.data.encoders import Encoding
from shortlist.data.entities import Entities
from shortlist.data.given_lists import GivenLists
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.data.log import ARRAYS, Log
from shortlist.data.mapped import load_array, load_arrays, release_pages, save_arrays
from shortlist.data.texts import Texts
from shortlist.errors import BundleError

LISTS = ("slate", "indptr", "item")
HISTORIES = ("indptr", "item", "time", "kind", "value")


def save_dataset(dataset: Dataset, folder: Path) -> None:
    """Write a data set into a folder, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {"kinds": dataset.log.kinds}
    for role, entities in (("users", dataset.users), ("items", dataset.items)):
        entities.ids.save(folder / f"{role}-ids.arrow")
        _write(
            folder / f"{role}.arrow",
            {"title": entities.titles.to_arrow(), **_columns(entities.attributes)},
        )
        meta[role] = _meta(entities.attributes)
    meta["encodings"] = [
        one.save(folder / "encoders" / str(number)) for number, one in enumerate(dataset.items.encodings)
    ]
    meta["context"] = _meta(dataset.log.context)
    log = {name: pa.array(getattr(dataset.log, name)) for name in ARRAYS}
    if dataset.log.arrival is not None:
        log["arrival"] = pa.array(dataset.log.arrival)
    log |= {f"context.{n}": a for n, a in _columns(dataset.log.context).items()}
    log |= {f"given.{n}": pa.array(numbers) for n, numbers in dataset.log.given.items()}
    _write(folder / "log.arrow", log)
    meta["given"] = list(dataset.log.given)
    if dataset.log.lists is not None:
        meta["lists"] = list(dataset.log.lists.given)
        _save_lists(dataset.log.lists, folder / "lists")
    (folder / "dataset.json").write_text(json.dumps(meta), encoding="utf-8")
    h = dataset.histories
    arrays = {name: getattr(h, name) for name in HISTORIES}
    save_arrays(folder / "histories", arrays if h.arrived is None else {**arrays, "arrived": h.arrived})
    save_arrays(folder, {"first": dataset.first})


def load_dataset(folder: Path) -> Dataset:
    """Read a data set that `save_dataset` wrote; large columns are mapped.

    Raises
    ------
    BundleError
        A file is missing or damaged, or the files do not belong together. Kernels use the codes without a further
        check, so all of them are checked here.
    """
    try:
        meta = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        sides = {}
        for role in ("users", "items"):
            table, _ = _read(folder / f"{role}.arrow")
            attributes = {n: _restore(n, m, table.column(n), own=True) for n, m in meta[role].items()}
            titles = table.column("title").combine_chunks()
            if not pa.types.is_string(titles.type) or titles.null_count:
                raise BundleError(f"{folder}: the titles of the {role} must be texts without nulls")
            made = meta["encodings"] if role == "items" else ()
            encodings = tuple(
                Encoding.load(one, folder / "encoders" / str(number), attributes)
                for number, one in enumerate(made)
            )
            ids = IdMap.load(folder / f"{role}-ids.arrow")
            sides[role] = Entities(ids, Texts(titles), attributes, encodings)
            if len(sides[role]) != len(titles):
                raise BundleError(f"{folder}: {len(titles)} titles for {len(sides[role])} {role}")
        table, log_file = _read(folder / "log.arrow")
        arrays = {name: table.column(name).to_numpy() for name in ARRAYS}
        if "arrival" in table.column_names:
            arrays["arrival"] = table.column("arrival").to_numpy()
        context = {n: _restore(n, m, table.column(f"context.{n}")) for n, m in meta["context"].items()}
        given = {n: table.column(f"given.{n}").to_numpy() for n in meta.get("given", ())}
        lists = _load_lists(folder / "lists", meta["lists"], len(sides["items"])) if "lists" in meta else None
        _check_codes(arrays["user"], len(sides["users"]), "users")
        _check_codes(arrays["item"], len(sides["items"]), "items")
        _check_codes(arrays["kind"], len(meta["kinds"]), "kinds")
        # a server reads only the last row of the log
        log_file.madvise(mmap.MADV_DONTNEED)
        histories = Histories(**load_arrays(folder / "histories"))
        first = load_array(folder / "first.npy")
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowInvalid) as error:
        raise BundleError(f"{folder}: the data set in the bundle cannot be read: {error}") from None
    log = Log(kinds=meta["kinds"], **arrays, context=context, given=given, lists=lists)
    dataset = Dataset(sides["users"], sides["items"], log)
    _check_histories(histories, dataset)
    for checked in (histories.item, histories.kind):
        release_pages(checked)
    if first.shape != (len(sides["items"]),) or first.dtype != np.int64:
        raise BundleError(f"{folder}: the times of the first event do not belong to these items")
    # lazy properties that would otherwise be computed
    vars(dataset).update(histories=histories, first=first)
    return dataset


def _save_lists(lists: GivenLists, folder: Path) -> None:
    numbers = {f"given-{at}": numbers for at, numbers in enumerate(lists.given.values())}
    save_arrays(folder, {**{name: getattr(lists, name) for name in LISTS}, **numbers})


def _load_lists(folder: Path, names: list[str], n_items: int) -> GivenLists:
    """Read what `_save_lists` wrote. names: of the given numbers, in their order."""
    arrays = load_arrays(folder)
    slate, indptr, item = (arrays[name] for name in LISTS)
    numbers = {name: arrays[f"given-{at}"] for at, name in enumerate(names)}
    if (
        indptr.shape != (len(slate) + 1,)
        or indptr[0] != 0
        or indptr[-1] != len(item)
        or (np.diff(indptr) < 0).any()
        or any(column.shape != item.shape for column in numbers.values())
    ):
        raise BundleError(f"{folder}: the lists of the bundle do not fit together")
    _check_codes(item, n_items, "items")
    return GivenLists(slate, indptr, item, numbers)


def _check_histories(h: Histories, dataset: Dataset) -> None:
    """Check the histories, because kernels follow them without a check."""
    names = [*HISTORIES[1:], *([] if h.arrived is None else ["arrived"])]
    kinds = dict(zip(HISTORIES, (np.int64, np.int32, np.int64, np.int16, np.float32), strict=True))
    if (
        any(
            getattr(h, n).dtype != kinds.get(n, np.int64) or getattr(h, n).shape != h.item.shape
            for n in names
        )
        or h.item.ndim != 1
        or h.indptr.dtype != np.int64
        or h.indptr.shape != (len(dataset.users) + 1,)
        or h.indptr[0] != 0
        or h.indptr[-1] != len(h.item)
        or (np.diff(h.indptr) < 0).any()
        or (h.arrived is None) != (dataset.log.arrival is None)
    ):
        raise BundleError("the histories of the bundle do not belong to its users and log")
    _check_codes(h.item, len(dataset.items), "items")
    _check_codes(h.kind, len(dataset.log.kinds), "kinds")


def _check_codes(codes: np.ndarray, n: int, what: str) -> None:
    """Check that codes are from 0 to n − 1."""
    if len(codes) and not (codes.min() >= 0 and codes.max() < n):
        raise BundleError(f"the log or the histories name {what} that the bundle does not have")


def _meta(attributes: dict[str, Attribute]) -> dict[str, Any]:
    return {
        n: {"kind": a.kind, "vocabulary": list(a.vocabulary) if isinstance(a, CodedAttribute) else []}
        for n, a in attributes.items()
    }


def _columns(attributes: dict[str, Attribute]) -> dict[str, pa.Array]:
    return {
        n: pa.array(a.codes) if isinstance(a, CategoryAttribute) else a.to_arrow()
        for n, a in attributes.items()
    }


def _restore(name: str, meta: dict[str, Any], column: pa.ChunkedArray, own: bool = False) -> Attribute:
    """An attribute from its column. `own`: copy mapped codes, because kernels read them faster from own memory."""
    if meta["kind"] == "time":  # saved as milliseconds; their unit need not be guessed
        values = column.combine_chunks().fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
        return TimeAttribute(name, values.astype(np.int64))
    if meta["kind"] == "category":
        codes = column.to_numpy()
        if codes.dtype != np.int32 or (
            len(codes) and not -1 <= codes.min() <= codes.max() < len(meta["vocabulary"])
        ):
            raise BundleError(f"the codes of {name} are not within its vocabulary")
        return CategoryAttribute(name, codes.copy() if own else codes, meta["vocabulary"])
    return encode(name, meta["kind"], column, meta["vocabulary"])


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> tuple[pa.Table, mmap.mmap]:
    """Read a table whose columns lie in a mapped file; returns the table and the mapping."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))).read_all()
    table.validate(full=True)  # offsets outside of their buffers would crash later reads
    return table, mapped
