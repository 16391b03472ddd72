"""What the ranker is fed: coverage, distribution, drift since training, importance, and features that know too much."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.recommender import Recommender
from shortlist.report.html import page

PEOPLE = 200
MOVED, OTHER_WORLD = 0.1, 0.25
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
    profile, names = recommender.profile, recommender.ranker.columns
    people = _latest(recommender)
    matrix = np.empty((0, len(names)), np.float32)
    if people:
        matrix = recommender.candidates(people, context or _contexts(recommender, people))[1]
    drift = profile.drift(matrix, names)
    importance = {o: recommender.ranker.importance(o) for o in recommender.project.objectives}
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
    people = list(recommender.people.since)[-PEOPLE:][::-1]
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
        f"{name} may be a leak: alone it tells {objective!r} with an AUC of {auc:.3f}. Check that it is known before the "
        "item is shown, and not written by what it predicts."
        for name, objective, auc in recommender.profile.suspects()
    ]
    # everybody asks at the same moment here, in the top slot: these differ from training by design
    by_design = {f.name for f in recommender.features.features if f.kind in {"moment", "position"}}
    moved = [f for f in features if f.drift is not None and f.drift > OTHER_WORLD and f.name not in by_design]
    if moved:
        names = ", ".join(f"{f.name} ({f.drift:.2f})" for f in sorted(moved, key=lambda f: -(f.drift or 0)))
        shown = recommender.project.rank.examples == "impressions"
        said.append(
            f"Moved since training (stability index above {OTHER_WORLD}): {names}. "
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
    """As one HTML file."""
    objectives = list(report.features[0].importance)
    head = "".join(f"<th>{html.escape(o)}<br><small>share of gain · alone</small></th>" for o in objectives)
    most = {o: max((f.importance[o] for f in report.features), default=0) or 1 for o in objectives}
    rows = []
    for f in report.features:
        moved = (
            "" if f.drift is None else "worse" if f.drift > OTHER_WORLD else "" if f.drift < MOVED else "note"
        )
        cells = "".join(
            f"<td><span style='display:inline-block;height:.6rem;width:{48 * f.importance[o] / most[o]:.0f}px;background:var(--accent)'></span> {f.importance[o]:.1%} · {f.alone[o]:.2f}</td>"
            for o in objectives
        )
        q = f.quantiles
        spread = "" if not q else f"{q[3]:.4g}<small>{q[1]:.3g}–{q[5]:.3g}</small>"
        now = "" if f.known_now is None else f" → {f.known_now:.0%}"
        drift = "" if f.drift is None else f"{f.drift:.3f}"
        rows.append(
            f"<tr><th>{html.escape(f.name)}</th><td>{f.known:.0%}{now}</td><td>{_bars(f.shares)}</td><td>{spread}</td><td class='{moved}'>{drift}</td>{cells}</tr>"
        )
    warnings = "".join(f"<li>{html.escape(w)}</li>" for w in report.warnings)
    verdict = (
        f"{len(report.warnings)} thing{'s' if len(report.warnings) != 1 else ''} to look at"
        if report.warnings
        else "Nothing to complain about: no feature knows its label too well, and none has moved much"
    )
    body = (
        f"<p class=verdict>{verdict}.</p><ul>{warnings}</ul>"
        f"<div class=wide><table><thead><tr><th></th><th>known<br><small>training → now</small></th><th>distribution<br><small>last: unknown</small></th><th>median<br><small>5 %–95 %</small></th><th>drift<br><small>stability index</small></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"<p>{report.rows:,} training examples; {report.rows_now:,} candidates of those who acted last, as of now. Alone: how well the feature by itself tells who fulfils the objective (AUC; 0.5 nothing, 1 everything). Above 0.1 a stability index says that something moved, above 0.25 much. The scores of sources move a little because they are refitted on everything before serving.</p>"
    )
    return page(f"{report.name}: features", body, report.simulated)


def _bars(shares: list[float]) -> str:
    most = max(shares) or 1.0
    bars = "".join(
        f"<rect class='bar{'' if at == len(shares) - 1 else ' own'}' x='{at * 8}' y='{24 - 22 * s / most:.1f}' width='7' height='{22 * s / most:.1f}'/>"
        for at, s in enumerate(shares)
    )
    return f"<svg viewBox='0 0 {len(shares) * 8} 24' style='width:{len(shares) * 8}px;height:24px' role='img'>{bars}</svg>"
