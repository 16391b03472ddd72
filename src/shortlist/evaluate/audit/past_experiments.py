"""The audit of a team's own past experiments.

The table has one row for each recommender that was tried on live users: its name, its true outcome, and the values
that each metric gave it before. CSV, TSV, Parquet or JSON lines:

    policy,utility,utility_low,utility_high,ndcg@10,recall@10,snips
    als,31.2,30.1,32.4,0.081,0.14,30.0
    popular,24.9,24.0,25.7,0.074,0.15,

`utility_low` and `utility_high` (95 % interval) are optional, and a metric's value may be empty.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError
from shortlist.evaluate.audit.agreement import (
    MIN_POLICIES,
    Direction,
    FloatArray,
    MetricScore,
    agreements,
)
from shortlist.evaluate.audit.result import AuditResult
from shortlist.evaluate.metric_info import METRICS
from shortlist.metrics.significance import Estimate

COLUMNS = ("policy", "utility", "utility_low", "utility_high")
WIDTH = 3.92
"""Width of a 95 % interval in standard errors."""


def audit_history(source: str | Path | pa.Table, resamples: int = 1000, seed: int = 0) -> AuditResult:
    """Audit metrics by past experiments.

    Parameters
    ----------
    source : str, Path or pyarrow.Table
        The table, or the path of its file.
    resamples : int, default 1000
        Resamples of outcomes and policies.
    seed : int, default 0
        Seed of the resamples.

    Raises
    ------
    DataError
        If the table is not such a table; the message names the file, row and column.
    """
    where = "the history" if isinstance(source, pa.Table) else str(source)
    table = source if isinstance(source, pa.Table) else read_table(str(source))
    policies = _policies(table, where)
    truth = _outcomes(table, policies, where, resamples, seed)
    scores = [_score(table, name, policies, where) for name in table.column_names if name not in COLUMNS]
    if not scores:
        raise DataError(
            f"{where}: there is no column of a metric beside {', '.join(COLUMNS[:2])}", field="metrics"
        )
    return AuditResult(
        name=Path(where).stem if not isinstance(source, pa.Table) else "experiments",
        simulated=False,
        truth=truth,
        scores=scores,
        agreements=agreements(truth, scores, resamples, seed),
        descriptions=dict.fromkeys(policies, ""),
        facts={"policies": len(policies), "metrics": len(scores), "source": where},
    )


def _policies(table: pa.Table, where: str) -> list[str]:
    for name in COLUMNS[:2]:
        if name not in table.column_names:
            raise DataError(
                f"{where}: there is no column {name!r}; there are: {', '.join(table.column_names)}",
                field=name,
            )
    policies = [str(policy) for policy in table.column("policy").to_pylist()]
    repeated = next((policy for policy in policies if policies.count(policy) > 1), None)
    if repeated is not None:
        row = len(policies) - policies[::-1].index(repeated)
        raise DataError(
            f"{where}, row {row}: the policy {repeated!r} occurs twice; give each policy one row",
            field="policy",
        )
    if len(policies) < MIN_POLICIES:
        raise DataError(
            f"{where}: {len(policies)} policies, and a rank correlation needs {MIN_POLICIES} at least; add more experiments",
            field="policy",
        )
    return policies


def _outcomes(table: pa.Table, policies: list[str], where: str, resamples: int, seed: int) -> MetricScore:
    utility = _numbers(table, "utility", where, required=True)
    lows, highs = (
        _numbers(table, name, where) if name in table.column_names else utility for name in COLUMNS[2:]
    )
    rng = np.random.default_rng([seed, 3])
    values: dict[str, Estimate | None] = {}
    resampled: dict[str, FloatArray] = {}
    for row, name in enumerate(policies):
        value = float(utility[row])
        low, high = (float(end) if end == end else value for end in (lows[row], highs[row]))
        if not low <= value <= high:
            raise DataError(
                f"{where}, row {row + 1}: utility {value:g} is not between utility_low {low:g} and utility_high {high:g}",
                field="utility",
            )
        values[name] = Estimate(value, low, high)
        resampled[name] = value + (high - low) / WIDTH * rng.standard_normal(resamples)
    return MetricScore("utility", "truth", "up", "outcome with live users", values, resampled)


def _score(table: pa.Table, metric: str, policies: list[str], where: str) -> MetricScore:
    column, info = _numbers(table, metric, where), METRICS.get(metric.partition("@")[0])
    better: Direction = info.better if info else "up"
    values = {
        name: None if value != value else Estimate(float(value), float(value), float(value))
        for name, value in zip(policies, column, strict=True)
    }
    refused = {name: "the table has no value" for name, value in values.items() if value is None}
    description = info.question if info else ""
    return MetricScore(metric, "as measured", better, description, values, {}, refused)


def _numbers(table: pa.Table, name: str, where: str, required: bool = False) -> FloatArray:
    """A column as float64; NaN for an empty cell."""
    answer = np.full(table.num_rows, np.nan)
    for row, value in enumerate(table.column(name).to_pylist()):
        if value is None or value == "":
            if required:
                raise DataError(f"{where}, row {row + 1}: {name} is empty", field=name)
            continue
        try:
            answer[row] = float(value)
        except (TypeError, ValueError):
            raise DataError(
                f"{where}, row {row + 1}: {name} is {value!r}, and must be a number", field=name
            ) from None
    return answer
