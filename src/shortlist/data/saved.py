"""A data set on disk, as a bundle keeps it: ids, attributes and log as Arrow, vocabularies as JSON, and the histories that the log
comes to as arrays, which every start needs and would otherwise sort anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute, encode
from shortlist.data.dataset import Dataset, Entities, Log
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.errors import BundleError
from shortlist.mapped import load_arrays, save_arrays, unread
from shortlist.project import Project

LOG = ("user", "item", "time", "kind", "value", "slate", "position", "propensity")
HISTORIES = ("indptr", "item", "time", "kind", "value")


def save_dataset(dataset: Dataset, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {"kinds": dataset.log.kinds}
    for role, entities in (("users", dataset.users), ("items", dataset.items)):
        entities.ids.save(folder / f"{role}-ids.arrow")
        _write(
            folder / f"{role}.arrow",
            {"title": pa.array(entities.titles, pa.string()), **_columns(entities.attributes)},
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


def load_dataset(folder: Path, project: Project) -> Dataset:
    try:
        meta = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        sides = {}
        for role in ("users", "items"):
            table = _read(folder / f"{role}.arrow")
            attributes = {n: _restore(n, m, table.column(n)) for n, m in meta[role].items()}
            sides[role] = Entities(
                IdMap.load(folder / f"{role}-ids.arrow"), table.column("title").to_pylist(), attributes
            )
        table = _read(folder / "log.arrow")
        arrays = {name: table.column(name).to_numpy() for name in LOG}
        if "arrival" in table.column_names:
            arrays["arrival"] = table.column("arrival").to_numpy()
        context = {n: _restore(n, m, table.column(f"context.{n}")) for n, m in meta["context"].items()}
        _within(arrays["user"], len(sides["users"]), "users")
        _within(arrays["item"], len(sides["items"]), "items")
        _within(arrays["kind"], len(meta["kinds"]), "kinds")
        histories = Histories(**load_arrays(folder / "histories"))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowInvalid) as error:
        raise BundleError(f"{folder}: the data set in the bundle cannot be read: {error}") from None
    log = Log(kinds=meta["kinds"], **arrays, context=context)
    dataset = Dataset(project, sides["users"], sides["items"], log)
    _sound(histories, dataset)
    for checked in (histories.item, histories.kind):
        unread(checked)
    vars(dataset)["histories"] = histories  # the cached property, which would be worked out from the log
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
    return {n: {"kind": a.kind, "vocabulary": a.vocabulary} for n, a in attributes.items()}


def _columns(attributes: dict[str, Attribute]) -> dict[str, pa.Array]:
    return {n: a.to_arrow() for n, a in attributes.items()}


def _restore(name: str, meta: dict[str, Any], column: pa.ChunkedArray) -> Attribute:
    if meta["kind"] == "time":  # saved as the milliseconds they are, not to be guessed at again
        values = column.combine_chunks().fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
        return Attribute(name, "time", times=values.astype(np.int64))
    return encode(name, meta["kind"], column, meta["vocabulary"])


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    table.validate(full=True)  # offsets that lead outside of their buffers crash whoever reads on
    return table
