"""The features of a ranker: coverage, distribution, drift since training, importance, and suspected leaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.cascade.drift import NO_DRIFT, MissingColumn, missing_columns
from shortlist.cascade.inspect import candidates, last_contexts
from shortlist.config.short_repr import ShortRepr
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


@dataclass(frozen=True, repr=False)
class FeatureSummary(ShortRepr):
    """One feature of the ranker.

    Attributes
    ----------
    name, kind : str
        The name and the kind of the feature.
    known : float
        The share of training rows with a value.
    known_now : float, optional
        The share of present candidates with a value; None without candidates.
    quantiles : list of float
        Quantiles in training.
    shares : list of float
        The distribution in training over bins; the last bin is "unknown".
    drift : float, optional
        The population stability index between training and now.
    importance : dict of str to float
        By objective: its share of the gain of the trees.
    alone : dict of str to float
        By objective: the AUC of the feature by itself.
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
    """The features of a ranker in training and now.

    Attributes
    ----------
    name : str
        The name of the project.
    simulated : bool
        Whether the data come from a simulated world.
    rows, rows_now : int
        The numbers of training rows and of present candidates.
    features : list of FeatureSummary
        One for each column of the feature matrix.
    warnings : list of str
        Suspected leaks, drift, and missing values.
    """

    name: str
    simulated: bool
    rows: int
    rows_now: int
    features: list[FeatureSummary]
    warnings: list[str]

    def __repr__(self) -> str:
        return f"FeatureReport({self.name!r}, {len(self.features)} features, {len(self.warnings)} warnings)"

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "name": self.name,
            "training_rows": self.rows,
            "live_rows": self.rows_now,
            "features": [f.__dict__ for f in self.features],
            "warnings": self.warnings,
        }


def inspect_features(recommender: Recommender, context: dict[str, Any] | None = None) -> FeatureReport:
    """Compare the features in training with those of present candidates.

    Parameters
    ----------
    recommender : Recommender
        A trained recommender.
    context : dict, optional
        The context of the requests; default: the context in which each user acted last.
    """
    profile, names = recommender.model.profile, recommender.model.ranker.feature_names_
    people = _latest(recommender)
    matrix, missing = np.empty((0, len(names)), np.float32), []
    if people:
        contexts = context or last_contexts(recommender.dataset, people)
        batches = candidates(recommender.model, recommender.state, people, contexts)
        matrix = np.concatenate([batch.matrix for batch in batches])
        missing = missing_columns(recommender.model, batches)
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
            {o: aucs[name] for o, aucs in profile.auc.items()},
        )
        for name, column in zip(names, matrix.T, strict=True)
    ]
    return FeatureReport(
        recommender.project.name,
        recommender.project.simulated,
        profile.rows,
        len(matrix),
        features,
        _warnings(recommender, features, missing),
    )


def _latest(recommender: Recommender) -> list[Any]:
    """Return the users who acted last; users with live events come first."""
    log, ids = recommender.dataset.log, recommender.dataset.users.ids
    people = recommender.state.histories.users_since()[-PEOPLE:][::-1]
    acted = log.user[log.acted][::-1]
    codes = acted[np.sort(np.unique(acted, return_index=True)[1])][:PEOPLE]
    known = {ids.own(p) for p in people}
    return (people + [i for i in ids.ids(codes) if ids.own(i) not in known])[:PEOPLE]


def _warnings(
    recommender: Recommender, features: list[FeatureSummary], missing: list[MissingColumn]
) -> list[str]:
    found = [f"{column}." for column in missing]
    explained = {name for column in missing for name in column.features}
    found += [
        f"{name} may be a leak: alone it predicts {objective!r} with an AUC of {auc:.3f}. Check that it is known before the "
        "item is shown and is not computed from the outcome."
        for name, objective, auc in recommender.model.profile.suspects()
    ]
    by_design = {f.name for f in recommender.model.features.features if f.kind in NO_DRIFT}
    moved = [
        f
        for f in features
        if f.drift is not None and f.drift > STRONG_DRIFT and f.name not in by_design | explained
    ]
    if moved:
        names = ", ".join(f"{f.name} ({f.drift:.2f})" for f in sorted(moved, key=lambda f: -(f.drift or 0)))
        shown = recommender.project.rank.examples == "impressions"
        found.append(
            f"Drift since training (stability index above {STRONG_DRIFT}): {names}. "
            + (
                "The ranker was trained on shown items and scores all candidates, which differ; look for features that drift "
                "more than the others."
                if shown
                else "Train again, or check their source."
            )
        )
    for f in features:
        if f.known == 0:
            found.append(f"{f.name} has no value in training: the ranker cannot use it.")
        elif (
            f.known_now is not None
            and f.known_now < f.known / 2
            and f.known > SPARSE
            and f.name not in explained
        ):
            found.append(
                f"{f.name} has a value for {f.known:.0%} of the training rows and for {f.known_now:.0%} of the rows now."
            )
    return found


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
