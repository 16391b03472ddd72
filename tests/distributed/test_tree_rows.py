"""Rows of a job of boosting on their way to workers, and workers that grow trees together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb

from shortlist.distributed import tree_rows
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.tree_rows import blocks_of_rows, parts_of
from shortlist.distributed.tree_worker import TreeWork
from shortlist.rank.gbdt.boosting_data import BinnedFeatures
from shortlist.rank.gbdt.tree_job import PATIENCE, JobRows, TreeJob
from shortlist.rank.targets import Head
from support.tree_jobs import BUY, CLICK, LISTWISE, grown_by_two, job_of


def assert_same_rows(one: JobRows, other: JobRows) -> None:
    np.testing.assert_array_equal(one.features.values, other.features.values)
    assert list(one.features.types) == list(other.features.types)
    assert one.features.signs == other.features.signs
    for name in ("labels", "factors"):
        for here, there in zip(getattr(one, name), getattr(other, name), strict=True):
            assert here.dtype == there.dtype
            np.testing.assert_array_equal(here, there)
    np.testing.assert_array_equal(one.request, other.request)
    assert (one.parent is None) == (other.parent is None)
    if one.parent is not None:
        np.testing.assert_array_equal(one.parent, other.parent)


@pytest.mark.parametrize("parts", [1, 2, 5, 9])
def test_parts_have_whole_requests_and_similar_sizes(parts: int) -> None:
    request = np.sort(np.random.default_rng(0).integers(0, 200, 3_000))
    found = parts_of(request, parts)
    assert [part.start for part in found] == [0, *(part.stop for part in found[:-1])]
    assert found[-1].stop == len(request)
    for part in found[1:]:
        assert request[part.start - 1] != request[part.start]
    assert max(abs(part.stop - part.start - 3_000 / parts) for part in found) < 60


def test_fewer_requests_than_parts_leave_parts_empty() -> None:
    found = parts_of(np.array([4, 4, 4, 7]), 3)
    assert sorted(part.stop - part.start for part in found) == [0, 1, 3]
    assert [part.stop for part in parts_of(np.empty(0, np.int64), 2)] == [0, 0]


@pytest.mark.parametrize(
    ("heads", "parent"), [([CLICK], False), ([BUY], True), ([CLICK, BUY], False), ([LISTWISE], False)]
)
def test_blocks_bring_all_rows_in_their_order(
    heads: list[Head], parent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(heads, parent=parent)
    monkeypatch.setattr(tree_rows, "BLOCK", 4_000)
    assert job.validation is not None
    shape = TreeWork.of(job).shape
    keys = [7, 3, 11]
    blocks = [
        b
        for side, rows in ((False, job.training), (True, job.validation))
        for b in blocks_of_rows(rows, side, keys)
    ]
    assert len(blocks) > 12
    found = [
        shape.rows(iter([b for b in reversed(blocks) if b.column("worker")[0].as_py() == key]))
        for key in keys
    ]
    for side, rows in enumerate((job.training, job.validation)):
        parts = [pair[side] for pair in found]
        for name in ("labels", "factors"):
            for at in range(len(heads)):
                joined = np.concatenate([getattr(part, name)[at] for part in parts])
                np.testing.assert_array_equal(joined, getattr(rows, name)[at])
        together = JobRows(
            BinnedFeatures(np.concatenate([p.features.values for p in parts]), parts[0].features.types),
            np.concatenate([part.request for part in parts]),
            rows.labels,
            rows.factors,
            None
            if rows.parent is None
            else np.concatenate([p.parent for p in parts if p.parent is not None]),
        )
        assert_same_rows(together, rows)


def test_a_job_travels_without_its_rows() -> None:
    job = job_of([CLICK], rows=60_000)
    work = TreeWork.of(replace(job, begun=job_of([CLICK]).grow()))
    assert len(on_executors(work.grow).packed) < 100_000
    assert work.begun is not None
    assert work.stops
    assert len(work.job.training) == 0


def loss_of(job: TreeJob, model: xgb.Booster, rows: JobRows) -> float:
    """The loss of rows, of which the job's factors are the shares."""
    margins = np.asarray(model.inplace_predict(rows.features.values, predict_type="margin"))
    margins = margins.reshape(len(rows), -1) + job.margin.astype(np.float32)
    if job.listwise:
        return rows.softmax().metric(margins)[1]
    return job.loss(margins.astype(np.float32), rows)


def test_two_workers_grow_trees_as_good_as_those_of_one_process() -> None:
    """Of each loss. The last job has one request to validate by, which one worker has; one begins with earlier trees."""
    jobs = [job_of([CLICK], trees=60), job_of([BUY], trees=40, parent=True), job_of([CLICK, BUY], trees=40)]
    jobs += [job_of([LISTWISE], trees=40), replace(jobs[0], begun=jobs[0].grow()[:5], trees=10)]
    alone = replace(jobs[0], validation=one_request(jobs[0]))
    early = replace(jobs[0], parameters={**jobs[0].parameters, "eta": 0.9})
    first, second = grown_by_two([*jobs, early, alone])
    for model, same in zip(first, second, strict=True):
        assert bytes(model.save_raw("json")) == bytes(same.save_raw("json"))
        assert model.best_iteration == same.best_iteration
        assert model.best_iteration < model.num_boosted_rounds()
    for job, model in zip(jobs, first, strict=False):
        here, held = job.grow(), data_rows(job)
        own, other = (loss_of(job, one[: one.best_iteration + 1], held) for one in (here, model))
        none = loss_of(job, here[:1], held)
        assert own < none
        assert abs(other - own) < 0.1 * (none - own), (own, other, none)
    # steps that are too large for so few rows end early, where the loss is least
    ended = first[len(jobs)]
    assert ended.num_boosted_rounds() == ended.best_iteration + 1 + PATIENCE < 60


def one_request(job: TreeJob) -> JobRows:
    rows = job.validation
    assert rows is not None
    own = slice(0, int((rows.request == rows.request[0]).sum()))
    features = BinnedFeatures(rows.features.values[own], rows.features.types)
    return JobRows(
        features,
        rows.request[own],
        tuple(label[own] for label in rows.labels),
        tuple(f[own] for f in rows.factors),
    )


def data_rows(job: TreeJob) -> JobRows:
    assert job.validation is not None
    return job.validation
