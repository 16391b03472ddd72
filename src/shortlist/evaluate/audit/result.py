"""The result of an audit: the true outcome of each policy, and how far each metric agrees with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shortlist.evaluate.audit.agreement import Agreement, MetricScore


@dataclass
class AuditResult:
    """An audit of metrics.

    Attributes
    ----------
    name : str
        The world, or the file of past experiments.
    simulated : bool
        Whether the outcomes are simulated.
    truth : MetricScore
        The true outcome of each policy.
    scores : list of MetricScore
        The values of each metric.
    agreements : list of Agreement
        The agreement of each metric with the truth, best first.
    descriptions : dict of str to str
        What each policy does.
    bad : list of str
        Policies that are bad on purpose: a metric that picks one of them has failed.
    facts : dict
        The conditions of the audit.
    rounds : dict of str to list of float
        The outcome per user of each policy in each round.
    """

    name: str
    simulated: bool
    truth: MetricScore
    scores: list[MetricScore]
    agreements: list[Agreement]
    descriptions: dict[str, str] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def __repr__(self) -> str:
        label = ", simulated" if self.simulated else ""
        return f"AuditResult({self.name!r}{label}, {len(self.descriptions)} policies, {len(self.scores)} metrics)"

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "name": self.name,
            "simulated": self.simulated,
            "facts": self.facts,
            "truth": {name: e.to_json() for name, e in self.truth.values.items() if e is not None},
            "policies": {
                name: {"says": text, "made_to_be_bad": name in self.bad}
                for name, text in self.descriptions.items()
            },
            "metrics": {
                score.metric: {
                    "family": score.family,
                    "values": {n: None if e is None else e.to_json() for n, e in score.values.items()},
                    "refused": score.refused,
                }
                for score in self.scores
            },
            "agreements": [a.to_json() for a in self.agreements],
            "rounds": self.rounds,
        }
