"""A data set on disk, as a bundle keeps it: ids, attributes and log as Arrow, vocabularies as JSON, and the histories that the log
comes to as arrays, which every start needs and would otherwise sort anew.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.config.project import Project
from shortlist.data.attributes import Attribute, CategoryAttribute, CodedAttribute, TimeAttribute, encode
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.data.log import Log
from shortlist.data.mapped import load_array, load_arrays, save_arrays, unread
from shortlist.data.texts import Texts
from shortlist.errors import BundleError

LOG = ("user", "item", "time", "kind", "value", "slate", "position", "propensity")
HISTORIES = ("indptr", "item", "time", "kind", "value")


def save_dataset(dataset: Dataset, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {"kinds": dataset.log.kinds}
    for role, entities in (("users", dataset.users), ("items", dataset.items)):
        entities.ids.save(folder / f"{role}-ids.arrow")
        _write(
            folder / f"{role}.arrow",
            {"title": entities.titles.to_arrow(), **_columns(entities.attributes)},
        )
        meta[role] = _meta(entities.attributes)
    meta["context"] = _meta(dataset.log.context)
    log = {name: pa.array(getattr(dataset.log, name)) for name in LOG}
    if dataset.log.arrival is not None:
        log["arrival"] = pa.array(dataset.log.arrival)
    _write(
        folder / "log.arrow", {**log, **{f"context.{n}": a for n, a in _columns(dataset.log.context).items()}}
    )
    (folder / "dataset.json").write_text(json.dumps(meta), encoding="utf-8")
    h = dataset.histories
    kept = {name: getattr(h, name) for name in HISTORIES}
    save_arrays(folder / "histories", kept if h.arrived is None else {**kept, "arrived": h.arrived})
    save_arrays(folder, {"first": dataset.first})


def load_dataset(folder: Path, project: Project) -> Dataset:
    try:
        meta = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        sides = {}
        for role in ("users", "items"):
            table, _ = _read(folder / f"{role}.arrow")
            attributes = {n: _restore(n, m, table.column(n), own=True) for n, m in meta[role].items()}
            titles = table.column("title").combine_chunks()
            if not pa.types.is_string(titles.type) or titles.null_count:
                raise BundleError(f"{folder}: the titles of the {role} are no texts")
            sides[role] = Entities(IdMap.load(folder / f"{role}-ids.arrow"), Texts(titles), attributes)
            if len(sides[role]) != len(titles):
                raise BundleError(f"{folder}: there are {len(titles)} titles for {len(sides[role])} {role}")
        table, log_file = _read(folder / "log.arrow")
        arrays = {name: table.column(name).to_numpy() for name in LOG}
        if "arrival" in table.column_names:
            arrays["arrival"] = table.column("arrival").to_numpy()
        context = {n: _restore(n, m, table.column(f"context.{n}")) for n, m in meta["context"].items()}
        _within(arrays["user"], len(sides["users"]), "users")
        _within(arrays["item"], len(sides["items"]), "items")
        _within(arrays["kind"], len(meta["kinds"]), "kinds")
        # a server reads the log's last line and no other
        log_file.madvise(mmap.MADV_DONTNEED)
        histories = Histories(**load_arrays(folder / "histories"))
        first = load_array(folder / "first.npy")
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowInvalid) as error:
        raise BundleError(f"{folder}: the data set in the bundle cannot be read: {error}") from None
    log = Log(kinds=meta["kinds"], **arrays, context=context)
    dataset = Dataset(project, sides["users"], sides["items"], log)
    _sound(histories, dataset)
    for checked in (histories.item, histories.kind):
        unread(checked)
    if first.shape != (len(sides["items"]),) or first.dtype != np.int64:
        raise BundleError(f"{folder}: when items were first seen is not said for each of them")
    vars(dataset).update(histories=histories, first=first)  # cached properties, else worked out from the log
    return dataset


def _sound(h: Histories, dataset: Dataset) -> None:
    """Kernels follow what histories say without a further look."""
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
        raise BundleError("the histories of the bundle are not those of its people")
    _within(h.item, len(dataset.items), "items")
    _within(h.kind, len(dataset.log.kinds), "kinds")


def _within(codes: np.ndarray, n: int, what: str) -> None:
    """Codes lead into arrays without a further look, so they are looked at here."""
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
    """own: in memory of its own, which can be written to; what kernels are given should be."""
    if meta["kind"] == "time":  # saved as the milliseconds they are, not to be guessed at again
        values = column.combine_chunks().fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
        return TimeAttribute(name, values.astype(np.int64))
    if meta["kind"] == "category":
        codes = column.to_numpy()
        if codes.dtype != np.int32 or (
            len(codes) and not -1 <= codes.min() <= codes.max() < len(meta["vocabulary"])
        ):
            raise BundleError(f"the values of {name} are not those of its vocabulary")
        return CategoryAttribute(name, codes.copy() if own else codes, meta["vocabulary"])
    return encode(name, meta["kind"], column, meta["vocabulary"])


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> tuple[pa.Table, mmap.mmap]:
    """A table whose columns lie in a mapped file, and the mapping."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))).read_all()
    table.validate(full=True)  # offsets that lead outside of their buffers crash whoever reads on
    return table, mapped
