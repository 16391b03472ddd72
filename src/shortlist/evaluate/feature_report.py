"""What the ranker is fed: coverage, distribution, drift since training, importance, and features that know too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.cascade.inspect import candidates
from shortlist.recommender import Recommender
from shortlist.report import charts
from shortlist.report.document import (
    Block,
    Document,
    Notice,
    Paragraph,
    TableBlock,
    TableCell,
    TableRow,
    Tone,
)
from shortlist.report.render import render_page

PEOPLE = 200
DRIFT, STRONG_DRIFT = 0.1, 0.25
SPARSE = 0.05


@dataclass(frozen=True)
class FeatureSummary:
    """One column of the matrix. `known`: in training and now, shares; `drift`: stability index, None where nobody was asked
    for; `importance` and `alone`: per objective, its share of the trees' gain, and AUC of the feature by itself.
    """

    name: str
    kind: str
    known: float
    known_now: float | None
    quantiles: list[float]
    shares: list[float]
    drift: float | None
    importance: dict[str, float]
    alone: dict[str, float]


@dataclass(frozen=True)
class FeatureReport:
    name: str
    simulated: bool
    rows: int
    rows_now: int
    features: list[FeatureSummary]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "training_rows": self.rows,
            "live_rows": self.rows_now,
            "features": [f.__dict__ for f in self.features],
            "warnings": self.warnings,
        }


def inspect_features(recommender: Recommender, context: dict[str, Any] | None = None) -> FeatureReport:
    """Compare training with now: the candidates of those who acted last, as the ranker would see them this moment."""
    profile, names = recommender.model.profile, recommender.model.ranker.feature_names_
    people = _latest(recommender)
    matrix = np.empty((0, len(names)), np.float32)
    if people:
        contexts = context or _contexts(recommender, people)
        batches = candidates(recommender.model, recommender.state, people, contexts)
        matrix = np.concatenate([batch.matrix for batch in batches])
    drift = profile.drift(matrix, names)
    importance = {o: recommender.model.ranker.importance(o) for o in recommender.project.objectives}
    features = [
        FeatureSummary(
            name,
            profile.features[name]["kind"],
            profile.features[name]["known"],
            float(1 - np.isnan(column).mean()) if len(matrix) else None,
            profile.features[name]["quantiles"],
            profile.features[name]["shares"],
            drift.get(name),
            {o: shares.get(name, 0.0) for o, shares in importance.items()},
            {o: aucs[name] for o, aucs in profile.knows.items()},
        )
        for name, column in zip(names, matrix.T, strict=True)
    ]
    return FeatureReport(
        recommender.project.name,
        recommender.project.simulated,
        profile.rows,
        len(matrix),
        features,
        _warnings(recommender, features),
    )


def _latest(recommender: Recommender) -> list[Any]:
    """Those who acted last, live events first."""
    log, ids = recommender.dataset.log, recommender.dataset.users.ids
    people = recommender.state.histories.users_since()[-PEOPLE:][::-1]
    acted = log.user[log.acted][::-1]
    codes = acted[np.sort(np.unique(acted, return_index=True)[1])][:PEOPLE]
    known = {ids.own(p) for p in people}
    return (people + [i for i in ids.ids(codes) if ids.own(i) not in known])[:PEOPLE]


def _contexts(recommender: Recommender, people: list[Any]) -> list[dict[str, Any]]:
    """The moment in which each acted last, as the log has it."""
    log, ids = recommender.dataset.log, recommender.dataset.users.ids
    last = np.full(len(recommender.dataset.users), -1, np.int64)
    last[log.user] = np.arange(len(log))  # the later event overwrites
    return [
        {
            name: value
            for name, a in log.context.items()
            if code >= 0 and (value := a.show(int(last[code]))) is not None
        }
        for code in ids.codes(people).tolist()
    ]


def _warnings(recommender: Recommender, features: list[FeatureSummary]) -> list[str]:
    said = [
        f"{name} may be a leak: alone it predicts {objective!r} with an AUC of {auc:.3f}. Check that it is known before the "
        "item is shown, and not written by what it predicts."
        for name, objective, auc in recommender.model.profile.suspects()
    ]
    # everybody asks at the same moment here, in the top slot: these differ from training by design
    by_design = {f.name for f in recommender.model.features.features if f.kind in {"moment", "position"}}
    moved = [
        f for f in features if f.drift is not None and f.drift > STRONG_DRIFT and f.name not in by_design
    ]
    if moved:
        names = ", ".join(f"{f.name} ({f.drift:.2f})" for f in sorted(moved, key=lambda f: -(f.drift or 0)))
        shown = recommender.project.rank.examples == "impressions"
        said.append(
            f"Moved since training (stability index above {STRONG_DRIFT}): {names}. "
            + (
                "The ranker learnt from what was shown and is asked about all candidates, which differ; look for what moved "
                "more than the rest."
                if shown
                else "Train again, or see what has changed at their source."
            )
        )
    for f in features:
        if f.known == 0:
            said.append(f"{f.name} was never known in training: the ranker cannot use it.")
        elif f.known_now is not None and f.known_now < f.known / 2 and f.known > SPARSE:
            said.append(
                f"{f.name} was known for {f.known:.0%} of the training rows and is for {f.known_now:.0%} now."
            )
    return said


def features_page(report: FeatureReport) -> str:
    """Return the report as one HTML file."""
    objectives = list(report.features[0].importance)
    largest = {o: max((f.importance[o] for f in report.features), default=0) or 1 for o in objectives}
    columns: list[TableCell | str] = [
        "",
        TableCell("known", "training → now"),
        TableCell("distribution", "last: unknown"),
        TableCell("median", "5 % to 95 %"),
        TableCell("drift", "stability index"),
        *(TableCell(o, "share of gain · AUC alone") for o in objectives),
    ]
    number = len(report.warnings)
    verdict = (
        f"{number} warning{'s' if number != 1 else ''}."
        if number
        else "No warnings: no feature predicts its label suspiciously well, and none has drifted much."
    )
    about = (
        f"{report.rows:,} training examples; {report.rows_now:,} candidates of the users who acted last, as of now. "
        "AUC alone: how well the feature by itself predicts the objective (0.5: not at all, 1: perfectly). A stability "
        "index above 0.1 shows drift, above 0.25 strong drift. The scores of sources drift a little because the "
        "sources are refitted on all data before serving."
    )
    blocks: list[Block] = [
        Notice("Warnings", report.warnings),
        TableBlock(columns, [_feature_row(f, objectives, largest) for f in report.features]),
        Paragraph(about),
    ]
    return render_page(Document(f"{report.name}: features", [verdict], blocks, report.simulated))


def _feature_row(feature: FeatureSummary, objectives: list[str], largest: dict[str, float]) -> TableRow:
    quantiles, drift = feature.quantiles, feature.drift
    now = "" if feature.known_now is None else f" → {feature.known_now:.0%}"
    median = (
        TableCell(f"{quantiles[3]:.4g}", f"{quantiles[1]:.3g} to {quantiles[5]:.3g}") if quantiles else ""
    )
    tone: Tone = ""
    if drift is not None and drift >= DRIFT:
        tone = "worse" if drift > STRONG_DRIFT else "caution"
    return TableRow(
        feature.name,
        [
            f"{feature.known:.0%}{now}",
            TableCell("", chart=charts.distribution(feature.shares)),
            median,
            TableCell("" if drift is None else f"{drift:.3f}", tone=tone),
            *(
                TableCell(
                    f"{feature.importance[o]:.1%} · {feature.alone[o]:.2f}",
                    chart=charts.share_bar(feature.importance[o] / largest[o]),
                )
                for o in objectives
            ),
        ],
    )
