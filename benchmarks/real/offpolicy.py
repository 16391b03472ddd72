"""Open Bandit: the click rate of each logged policy, estimated from the other policy's log.

Two questions are asked of each direction. Does the estimate agree with the policy's own log? And do the intervals hold what they promise?
For the second, the log itself is the population, whose value is known: 200 logs of the same length are drawn from it, row by row with
replacement, and the intervals of their estimates should hold the value of the whole log in 95 % of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from table import Headline, Section, table

from shortlist.evaluate.offpolicy import BanditLog, estimate_bandit
from shortlist.metrics.significance import Estimate, bootstrap

CAMPAIGNS = ("men", "women")
ESTIMATORS = ("ips", "cv-ips", "snips")
LOGS, RESAMPLES = 200, 200
NAMES = {"random": "the random policy", "bts": "Thompson sampling"}


@dataclass(frozen=True)
class Direction:
    """The log of one policy, and the weights that make it an estimate of the other."""

    campaign: str
    source: str
    target: str
    log: BanditLog
    target_propensity: np.ndarray
    own: Estimate

    @classmethod
    def read(cls, data: Path, campaign: str, source: str, target: str) -> Direction:
        """Read both logs; the target's own log serves for its click rate, and Thompson sampling's for its probabilities.

        Thompson sampling is updated all the time and logs the propensity of what it showed only, so that its probability of another
        item is the frequency with which it showed it in the slot.
        """
        logged, other = (
            _read(data / "open-bandit" / f"{name}_{campaign}.parquet") for name in (source, target)
        )
        log = BanditLog.of(logged["item_id"], logged["click"], logged["propensity_score"])
        items = 1 + int(max(logged["item_id"].max(), other["item_id"].max()))
        if target == "random":
            chance = np.full(len(log), 1 / items)
        else:
            slots = 1 + int(max(logged["position"].max(), other["position"].max()))
            shown = np.bincount(other["position"] * items + other["item_id"], minlength=slots * items)
            policy = shown.reshape(slots, items) / np.maximum(
                np.bincount(other["position"], minlength=slots)[:, None], 1
            )
            chance = policy[logged["position"], logged["item_id"]]
        return cls(campaign, source, target, log, chance, bootstrap(other["click"].astype(float), 1_000, 0))

    def estimates(self) -> dict[str, Estimate | None]:
        """The estimates from the whole log."""
        found = estimate_bandit(self.log, self.target_propensity, resamples=1_000)
        return {name: found[name].value for name in ESTIMATORS}

    def coverage(self) -> dict[str, int]:
        """In how many of the drawn logs the interval holds the value of the whole log."""
        weight = self.target_propensity / self.log.propensity
        weighted = weight * self.log.reward
        truth = {"ips": weighted.mean(), "cv-ips": weighted.mean(), "snips": weighted.sum() / weight.sum()}
        # cv-ips knows that the mean weight is 1; in this population it is what the log has
        truth["cv-ips"] = estimate_bandit(self.log, self.target_propensity, resamples=2)["cv-ips"].point
        rng, held = np.random.default_rng(0), dict.fromkeys(ESTIMATORS, 0)
        for number in range(LOGS):
            rows = rng.integers(0, len(self.log), len(self.log))
            drawn = BanditLog.of(self.log.action[rows], self.log.reward[rows], self.log.propensity[rows])
            found = estimate_bandit(drawn, self.target_propensity[rows], resamples=RESAMPLES, seed=number)
            for name in ESTIMATORS:
                value = found[name].value
                held[name] += value is not None and value.low <= truth[name] <= value.high
        return held


def _read(path: Path) -> dict[str, np.ndarray]:
    found = pq.read_table(path, columns=["item_id", "position", "click", "propensity_score"])
    return {name: found.column(name).to_numpy() for name in found.column_names}


def section(data: Path, validation: bool) -> Section:
    rows, headlines, total = [], [], dict.fromkeys(ESTIMATORS, 0)
    directions = [
        Direction.read(data, campaign, *pair)
        for campaign in CAMPAIGNS
        for pair in (("random", "bts"), ("bts", "random"))
    ]
    tested = 0
    for one in directions:
        estimates = one.estimates()
        given = all(estimate is not None for estimate in estimates.values())
        held = one.coverage() if given else dict.fromkeys(ESTIMATORS, 0)
        tested += LOGS * given
        for name, estimate in estimates.items():
            total[name] += held[name]
            shown = "refused" if estimate is None else _percent(estimate)
            agrees = estimate is not None and estimate.low <= one.own.high and one.own.low <= estimate.high
            rows.append(
                [
                    one.campaign,
                    f"{NAMES[one.target]} from the log of {NAMES[one.source]}",
                    name,
                    shown,
                    _percent(one.own),
                    "" if estimate is None else "yes" if agrees else "no",
                    f"{held[name]} of {LOGS} ({held[name] / LOGS:.1%})" if given else "",
                ]
            )
            if name == "cv-ips" and estimate is not None:
                headlines.append(
                    Headline(
                        "off-policy",
                        f"Open Bandit {one.campaign}, {NAMES[one.target]}",
                        "click rate, %",
                        _hundred(estimate),
                        _hundred(one.own),
                        "the policy's own log",
                        (),
                        f"estimated from the log of {NAMES[one.source]}; {held[name] / LOGS:.1%} of the intervals of drawn logs hold the truth.",
                    )
                )
    head = [
        "campaign",
        "estimate of",
        "estimator",
        "estimate (95 %)",
        "the policy's own log (95 %)",
        "intervals overlap",
        "intervals of drawn logs that hold the truth",
    ]
    together = ", ".join(f"{name} {n / max(tested, 1):.1%}" for name, n in total.items())
    lines = [
        "## Off-policy: Open Bandit",
        "",
        "The click rate of each policy, from the log of the other. The intervals are tested on 200 logs drawn from each log, whose value is known.",
        "",
        *table(head, rows),
        f"Intervals of drawn logs that hold the truth, where the whole log gives an estimate: {together}.",
        "",
    ]
    return Section("offpolicy", lines, headlines)


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.3%} ({estimate.low:.3%} – {estimate.high:.3%})"


def _hundred(estimate: Estimate) -> tuple[float, float, float]:
    return 100 * estimate.value, 100 * estimate.low, 100 * estimate.high
