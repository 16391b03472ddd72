"""Open Bandit (Saito et al. 2020): a fashion shop ran two policies side by side, one of them uniformly random, with propensities.

The value of Thompson sampling is estimated from the random policy's log alone, and compared with what Thompson sampling's own log
says. The new policy's chances are how often it showed each item in each slot during the week: it is updated all the time and its
chances are logged only for what it showed, so the week's mean is what can be known of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.single import Choices, estimate_choices
from shortlist.evaluate.offpolicy.support import OffPolicy
from shortlist.metrics.significance import Estimate, bootstrap

NEEDED = ("item_id", "position", "click", "propensity_score")


@dataclass(frozen=True)
class Beside:
    """`estimates`: from the other policy's log; `new`, `own`: click rates in the logs of both policies."""

    estimates: dict[str, OffPolicy]
    new: Estimate
    own: Estimate

    def sentence(self, campaign: str) -> str:
        """What the log can and cannot say."""
        e = self.estimates["snips"]
        if e.value is None:
            return f"{campaign}: {e.refused}"
        holds = e.value.low <= self.new.high and self.new.low <= e.value.high
        differs = e.value.low > self.own.high or e.value.high < self.own.low
        width = (e.value.high - e.value.low) / max(e.value.value, 1e-12)
        return (
            f"{campaign}: the estimate {e.value.value:.3%} {'agrees' if holds else 'does not agree'} with Thompson sampling's own log "
            f"({self.new.value:.3%}); its interval is {width:.0%} of the estimate wide, "
            + (
                "and still tells it from the random policy."
                if differs
                else "so it cannot say whether Thompson sampling is better than random: the log has too few clicks for that."
            )
        )


def thompson_from_random(random_log: Path, thompson_log: Path, draws: int = 1000) -> Beside:
    """Estimates of the Thompson policy's click rate from the random policy's log. Raises `DataError` for a missing column."""
    ours, theirs = _read(random_log), _read(thompson_log)
    items = int(max(ours["item_id"].max(), theirs["item_id"].max())) + 1
    slots = int(max(ours["position"].max(), theirs["position"].max())) + 1
    shown = np.bincount(theirs["position"] * items + theirs["item_id"], minlength=slots * items).reshape(
        slots, items
    )
    policy = shown / np.maximum(shown.sum(1, keepdims=True), 1)
    log = Choices.of(ours["item_id"], ours["click"], ours["propensity_score"])
    rate = np.bincount(log.action, log.reward, items)
    size = np.bincount(log.action, minlength=items)
    prior = log.reward.mean()
    # clicks are so rare that the best model is each item's own rate, drawn to the mean, without the row itself
    outcome = np.tile((rate + 200 * prior) / (size + 200), (len(log), 1))
    rows = np.arange(len(log))
    outcome[rows, log.action] = (rate[log.action] - log.reward + 200 * prior) / (size[log.action] - 1 + 200)
    chances = policy[ours["position"]]
    return Beside(
        estimate_choices(log, chances[rows, log.action], outcome, chances, draws),
        bootstrap(theirs["click"].astype(np.float64), draws, 0),
        bootstrap(ours["click"].astype(np.float64), draws, 0),
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    table: pa.Table = pq.read_table(path)
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: there is no column {', '.join(missing)}", field=missing[0])
    return {name: table.column(name).to_numpy() for name in NEEDED}
