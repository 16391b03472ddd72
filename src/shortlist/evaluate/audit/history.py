"""The audit without a world: a team's own past experiments.

A table with one row for each recommender that was ever tried on live people: its name, what it truly brought there, and what each
metric had said of it before. CSV, TSV, Parquet or JSON lines:

    policy,utility,utility_low,utility_high,ndcg@10,recall@10,snips
    als,31.2,30.1,32.4,0.081,0.14,30.0
    popular,24.9,24.0,25.7,0.074,0.15,

`utility_low` and `utility_high` (95 %) may be left out, and so may a metric's number where there was none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError
from shortlist.evaluate.audit.agree import FEWEST, Better, Score, agreements
from shortlist.evaluate.audit.world import DRAWS, Audit
from shortlist.evaluate.metric_info import METRICS
from shortlist.metrics.significance import Estimate

OWN = ("policy", "utility", "utility_low", "utility_high")


def audit_history(source: str | Path | pa.Table, draws: int = DRAWS, seed: int = 0) -> Audit:
    """Raises `DataError` naming the table, row and column where it cannot be read as such."""
    where = "the history" if isinstance(source, pa.Table) else str(source)
    table = source if isinstance(source, pa.Table) else read_table(str(source))
    for name in OWN[:2]:
        if name not in table.column_names:
            raise DataError(
                f"{where}: there is no column {name!r}; there are: {', '.join(table.column_names)}",
                field=name,
            )
    policies = [str(p) for p in table.column("policy").to_pylist()]
    twice = next((p for p in policies if policies.count(p) > 1), None)
    if twice is not None:
        row = len(policies) - policies[::-1].index(twice)
        raise DataError(
            f"{where}, row {row}: the policy {twice!r} is there twice; give one row to each", field="policy"
        )
    if len(policies) < FEWEST:
        raise DataError(
            f"{where}: {len(policies)} policies, and a rank correlation needs {FEWEST} at least; add more experiments",
            field="policy",
        )
    utility = _numbers(table, "utility", where, needed=True)
    low, high = (_numbers(table, name, where) if name in table.column_names else utility for name in OWN[2:])
    rng = np.random.default_rng([seed, 3])
    values: dict[str, Estimate | None] = {}
    drawn: dict[str, np.ndarray] = {}
    for row, name in enumerate(policies):
        ends = [v if v == v else utility[row] for v in (low[row], high[row])]
        if not ends[0] <= utility[row] <= ends[1]:
            raise DataError(
                f"{where}, row {row + 1}: utility {utility[row]:g} is not between utility_low {ends[0]:g} and utility_high {ends[1]:g}",
                field="utility",
            )
        values[name] = Estimate(float(utility[row]), float(ends[0]), float(ends[1]))
        drawn[name] = utility[row] + (ends[1] - ends[0]) / 3.92 * rng.standard_normal(draws)
    truth = Score("utility", "truth", "up", "what live people brought", values, drawn)
    scores = []
    for metric in (c for c in table.column_names if c not in OWN):
        column = _numbers(table, metric, where)
        known = METRICS.get(metric.partition("@")[0])
        better: Better = known.better if known else "up"
        said = {
            n: None if v != v else Estimate(float(v), float(v), float(v))
            for n, v in zip(policies, column, strict=True)
        }
        missing = {n: "the table has no number" for n, e in said.items() if e is None}
        scores.append(Score(metric, "as measured", better, known.question if known else "", said, {}, missing))
    if not scores:
        raise DataError(
            f"{where}: there is no column of a metric beside {', '.join(OWN[:2])}", field="metrics"
        )
    return Audit(
        Path(where).stem if not isinstance(source, pa.Table) else "experiments",
        False,
        truth,
        scores,
        agreements(truth, scores, draws, seed),
        dict.fromkeys(policies, ""),
        facts={"policies": len(policies), "metrics": len(scores), "source": where},
    )


def _numbers(table: pa.Table, name: str, where: str, needed: bool = False) -> np.ndarray:
    """A column as float64, NaN where it is empty."""
    answer = np.full(table.num_rows, np.nan)
    for row, value in enumerate(table.column(name).to_pylist()):
        if value is None or value == "":
            if needed:
                raise DataError(f"{where}, row {row + 1}: {name} is empty", field=name)
            continue
        try:
            answer[row] = float(value)
        except (TypeError, ValueError):
            raise DataError(
                f"{where}, row {row + 1}: {name} is {value!r}, and must be a number", field=name
            ) from None
    return answer
