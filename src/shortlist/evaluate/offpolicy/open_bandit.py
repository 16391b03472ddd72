"""The Open Bandit data: an off-policy estimate beside the log of the policy itself.

A fashion shop ran two policies side by side, uniformly random recommendations and Thompson sampling, and logged the
propensities [1]_. The value of Thompson sampling is estimated from the random policy's log alone and compared with
Thompson sampling's own log. The target policy's probabilities are the frequencies with which it showed each item in
each slot during the week: it is updated all the time, and its propensities are logged only for the items that it
showed.

References
----------
.. [1] Saito, Y. et al. (2020). Open Bandit Dataset and Pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.bandit import BanditLog, estimate_bandit
from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate
from shortlist.metrics.significance import Estimate, bootstrap

COLUMNS = ("item_id", "position", "click", "propensity_score")
PRIOR_ROWS = 200
"""Number of rows at the mean click rate that each item's own rate is shrunk towards."""


@dataclass(frozen=True, repr=False)
class OpenBanditComparison(ShortRepr):
    """Estimates of Thompson sampling beside both logs.

    Attributes
    ----------
    estimates : dict of str to OffPolicyEstimate
        Thompson sampling's click rate, estimated from the random policy's log.
    thompson : Estimate
        The click rate in Thompson sampling's own log.
    random : Estimate
        The click rate in the random policy's log.
    """

    estimates: dict[str, OffPolicyEstimate]
    thompson: Estimate
    random: Estimate

    def sentence(self, campaign: str) -> str:
        """Summarise what the random policy's log can say about Thompson sampling."""
        snips = self.estimates["snips"]
        if snips.value is None:
            return f"{campaign}: {snips.refused}"
        estimate = snips.value
        agrees = estimate.low <= self.thompson.high and self.thompson.low <= estimate.high
        differs = estimate.low > self.random.high or estimate.high < self.random.low
        width = (estimate.high - estimate.low) / max(estimate.value, 1e-12)
        conclusion = (
            "and it excludes the click rate of the random policy."
            if differs
            else "so it cannot say whether Thompson sampling is better than random: the log has too few clicks."
        )
        return (
            f"{campaign}: the estimate {estimate.value:.3%} {'agrees' if agrees else 'does not agree'} with Thompson sampling's "
            f"own log ({self.thompson.value:.3%}); the width of its interval is {width:.0%} of the estimate, {conclusion}"
        )


def thompson_from_random(random_log: Path, thompson_log: Path, resamples: int = 1000) -> OpenBanditComparison:
    """Estimate Thompson sampling's click rate from the random policy's log.

    Parameters
    ----------
    random_log, thompson_log : Path
        Parquet files with the columns `COLUMNS`.
    resamples : int, default 1000
        Bootstrap resamples.

    Raises
    ------
    DataError
        If a column is missing.
    """
    random, thompson = _read(random_log), _read(thompson_log)
    items = int(max(random["item_id"].max(), thompson["item_id"].max())) + 1
    slots = int(max(random["position"].max(), thompson["position"].max())) + 1
    cells = thompson["position"] * items + thompson["item_id"]
    shown = np.bincount(cells, minlength=slots * items).reshape(slots, items)
    policy = (shown / np.maximum(shown.sum(1, keepdims=True), 1))[random["position"]]
    log = BanditLog.of(random["item_id"], random["click"], random["propensity_score"])
    return OpenBanditComparison(
        estimate_bandit(log, log.of_actions(policy), _item_rates(log, items), policy, resamples),
        bootstrap(thompson["click"].astype(np.float64), resamples, 0),
        bootstrap(random["click"].astype(np.float64), resamples, 0),
    )


def _item_rates(log: BanditLog, items: int) -> NDArray[np.float64]:
    """Each item's own click rate without the row itself, shrunk to the mean: clicks are too rare for a larger model."""
    clicks, size = np.bincount(log.action, log.reward, items), np.bincount(log.action, minlength=items)
    prior = PRIOR_ROWS * log.reward.mean()
    rates = np.tile((clicks + prior) / (size + PRIOR_ROWS), (len(log), 1))
    own = (clicks[log.action] - log.reward + prior) / (size[log.action] - 1 + PRIOR_ROWS)
    rates[np.arange(len(log)), log.action] = own
    return np.asarray(rates)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    table: pa.Table = pq.read_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: there is no column {', '.join(missing)}", field=missing[0])
    return {name: table.column(name).to_numpy() for name in COLUMNS}
