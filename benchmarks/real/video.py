"""Short videos: a rated part of KuaiRand; seconds watched, likes and "hate" of what was shown.

The showings of a user on one day are a slate, ordered by what was known at its first showing. All rows were chosen because they were liked
or hated, so the rates of both are those of this sample and not of the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb
from table import Headline, Section, interval, table

from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test
from shortlist.evaluate.pareto import ParetoFront, pareto
from shortlist.evaluate.reliability import Reliability, evaluate_calibration
from shortlist.metrics.prediction import auc, expected_calibration_error, log_loss, rmse
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.recommender import Recommender

DAY = 86_400
WEIGHTS = 6
"""Number of weightings from all weight on likes to all weight on seconds."""
OBJECTIVES = ("seconds", "like", "hate")
SETTINGS: dict[str, Any] = {
    "name": "kuairand-rated",
    "data": {
        "columns": {"user": "user_id", "item": "item_id", "timestamp": "timestamp"},
        "derive": [
            {"kind": "impression", "slate": "slate"},
            {"kind": "watch", "value": "value"},
            {"kind": "like", "when": "like"},
            {"kind": "hate", "when": "hate"},
        ],
    },
    "items": {"id": "item_id", "from_events": True, "attributes": {"duration": "number"}},
    "objectives": {
        "seconds": {"kind": "amount", "events": ["watch"], "window": "1h", "weight": 1.0},
        "like": {"events": ["like"], "window": "1h", "weight": 0.5},
        "hate": {"events": ["hate"], "window": "1h", "weight": -0.5},
    },
    "features": [
        {"name": "duration", "kind": "attribute", "of": "item.duration"},
        *(
            {
                "name": f"{by.replace('*', '_')}_{event}s",
                "kind": "count",
                "by": by,
                "event": event,
                "window": "all",
            }
            for by in ("item", "user")
            for event in ("impression", "watch", "like", "hate")
        ),
        *(
            {
                "name": f"{by}_{event}_rate",
                "kind": "rate",
                "by": by,
                "event": event,
                "per": "impression",
                "window": window,
            }
            for by, window in (("item", "all"), ("user", "all"))
            for event in ("like", "hate")
        ),
        {
            "name": "user_like_rate_3d",
            "kind": "rate",
            "by": "user",
            "event": "like",
            "per": "impression",
            "window": "3d",
        },
        {"name": "item_seconds", "kind": "mean", "by": "item", "event": "watch", "window": "all"},
        {"name": "user_seconds", "kind": "mean", "by": "user", "event": "watch", "window": "all"},
        {"name": "hour", "kind": "moment", "of": "hour"},
    ],
    "retrieve": {
        "candidates": 200,
        "weights": {"hate": 0.0},
        "sources": [{"model": "popular"}, {"model": "neighbours"}, {"model": "als", "factors": 32}],
    },
    "rank": {"examples": "impressions"},
    "rerank": {"show_seen": True},
}
"""The recipe; `rank` was chosen on the validation."""


def read(data: Path) -> tuple[Project, pa.Table]:
    """The project and the log; slates are the showings of a user on a day."""
    events = pq.read_table(data / "kuairand-rated" / "events.parquet").drop_columns(["kind"])
    days = events.column("timestamp").to_numpy() // DAY
    slate = events.column("user_id").to_numpy().astype(np.int64) * 100_000 + days
    return parse_project(SETTINGS), events.append_column("slate", pa.array(slate))


def section(data: Path, validation: bool) -> Section:
    project, events = read(data)
    dataset = Dataset.from_frames(events, project=project)
    if validation:
        dataset = dataset.before(cut_for_test(dataset.log, project.evaluate))
    cut = cut_for_test(dataset.log, project.evaluate)
    recommender = Recommender(project).fit(dataset.before(cut))
    found, _ = evaluate_calibration(recommender, dataset, cut)
    last = int(dataset.log.time[-1]) // 1000
    direct = Direct.fitted(events, cut // 1000, last)
    front = pareto(project, dataset, ("like", "seconds"), WEIGHTS)
    return Section("video", lines(found, direct, front), [headline(found, direct, front)])


def lines(found: dict[str, Reliability], direct: Direct, front: ParetoFront) -> list[str]:
    """The tables: predictions, and what the weights bring."""
    rows = []
    for name in OBJECTIVES:
        one, theirs = found[name], direct.scores(name)
        score = "rmse" if name == "seconds" else "log_loss"
        rows.append(
            [
                name,
                f"{one.error:.4f}",
                f"{theirs['error']:.4f}",
                f"{one.scores.get('auc', float('nan')):.4f}" if name != "seconds" else "",
                f"{theirs['auc']:.4f}" if name != "seconds" else "",
                f"{one.scores[score]:.4f}",
                f"{theirs[score]:.4f}",
                f"{one.rows:,}, {len(direct.test):,}",
            ]
        )
    head = [
        "outcome",
        "calibration error",
        "of XGBoost",
        "AUC",
        "of XGBoost",
        "log loss (seconds: RMSE)",
        "of XGBoost",
        "test showings",
    ]
    points = []
    for point in front.points:
        values = point.values["replayed"]
        points.append(
            [
                f"{point.weights['like']:.1f} : {point.weights['seconds']:.1f}",
                *(interval(values[name], 2 if name == "seconds" else 4) for name in OBJECTIVES),
            ]
        )
    for name, sign in (("seconds", 1.0), ("like", 1.0)):
        picked = direct.picked(sign * direct.predicted[name])
        points.append(
            [f"XGBoost's {name}", *(interval(picked[o], 2 if o == "seconds" else 4) for o in OBJECTIVES)]
        )
    shown = direct.picked(np.random.default_rng(0).random(len(direct.test)))
    points.append(["any third", *(interval(shown[o], 2 if o == "seconds" else 4) for o in OBJECTIVES)])
    return [
        "## Video",
        "",
        "### kuairand-rated: seconds, likes and hates of what was shown",
        "",
        "The calibration error of seconds is a share of their mean.",
        "",
        *table(head, rows),
        "What the best third of the showings of a user's day brought in truth, by weights (hate keeps −0.5):",
        "",
        *table(["like : seconds", "seconds", "likes", "hates"], points),
    ]


def headline(found: dict[str, Reliability], direct: Direct, front: ParetoFront) -> Headline:
    """The line of the page: true seconds of the best third."""
    ours, theirs = (
        front.points[-1].values["replayed"]["seconds"],
        direct.picked(direct.predicted["seconds"])["seconds"],
    )
    errors = ", ".join(f"{name} {found[name].error:.3f}" for name in OBJECTIVES)
    return Headline(
        "video",
        "kuairand-rated",
        "seconds watched of the best third",
        (ours.value, ours.low, ours.high),
        (theirs.value, theirs.low, theirs.high),
        "XGBoost's seconds",
        (),
        f"true seconds of the third of a day's showings that the model puts first; calibration errors: {errors}.",
    )


@dataclass(frozen=True)
class Direct:
    """XGBoost on features made by hand from the same columns, as of the first showing of the day.

    Attributes
    ----------
    test
        Rows of the log that are tested.
    outcome, predicted
        Name → float64 (test rows,).
    slate
        int64 (test rows,).
    """

    test: np.ndarray
    outcome: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    slate: np.ndarray

    @classmethod
    def fitted(cls, events: pa.Table, cut: int, last: int) -> Direct:
        """Learn from the rows before the cut (the last fifth of them stops the learning early), and predict the rows until `last`."""
        order = np.argsort(events.column("timestamp").to_numpy(), kind="stable")
        column = {name: events.column(name).to_numpy()[order] for name in events.column_names}
        time = column["timestamp"]
        names = {"seconds": "value", "like": "like", "hate": "hate"}
        outcome = {name: column[of].astype(np.float64) for name, of in names.items()}
        start = _starts(column["slate"], time)
        matrix = np.column_stack(
            [column["duration"], time // 3600 % 24]
            + [
                f
                for key in ("item_id", "user_id")
                for f in _before(column[key], time, start, list(outcome.values()))
            ]
        )
        learn, test = np.flatnonzero(time < cut), np.flatnonzero((time >= cut) & (time <= last))
        stop = learn[int(len(learn) * 0.8) :]
        learn = learn[: int(len(learn) * 0.8)]
        predicted = {}
        for name, target in outcome.items():
            objective = "reg:squarederror" if name == "seconds" else "binary:logistic"
            learner = xgb.XGBRegressor if name == "seconds" else xgb.XGBClassifier
            model = learner(
                objective=objective,
                n_estimators=500,
                learning_rate=0.05,
                max_depth=5,
                subsample=0.8,
                min_child_weight=10,
                early_stopping_rounds=30,
                n_jobs=1,
                random_state=0,
            )
            model.fit(matrix[learn], target[learn], eval_set=[(matrix[stop], target[stop])], verbose=False)
            predicted[name] = (
                model.predict(matrix[test]) if name == "seconds" else model.predict_proba(matrix[test])[:, 1]
            ).astype(np.float64)
        return cls(test, {n: o[test] for n, o in outcome.items()}, predicted, column["slate"][test])

    def scores(self, name: str) -> dict[str, float]:
        """Calibration error, AUC, log loss and RMSE, by the functions that judge Shortlist."""
        outcome, predicted = self.outcome[name], self.predicted[name]
        one = np.ones(len(outcome))
        error = expected_calibration_error(predicted, outcome, one)
        if name == "seconds":
            return {"error": error / outcome.mean(), "rmse": rmse(predicted, outcome, one)}
        return {
            "error": error,
            "auc": auc(predicted, outcome, one),
            "log_loss": log_loss(predicted, outcome, one),
        }

    def picked(self, score: np.ndarray) -> dict[str, Estimate]:
        """The outcomes of the best third of each slate."""
        order = np.lexsort([-score, self.slate])
        slate = self.slate[order]
        first = np.flatnonzero(np.concatenate([[True], slate[1:] != slate[:-1]]))
        size = np.diff(np.append(first, len(slate)))
        place = np.arange(len(slate)) - np.repeat(first, size)
        chosen = place < np.repeat(np.minimum(10, np.maximum(size // 3, 1)), size)
        owner = np.repeat(np.arange(len(first)), size)[chosen]
        count = np.bincount(owner, minlength=len(first))
        return {
            name: bootstrap(np.bincount(owner, values[order][chosen], len(first)) / count, 1_000, 0)
            for name, values in self.outcome.items()
        }


def _starts(slate: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The time of the first row of each row's slate."""
    _, code = np.unique(slate, return_inverse=True)
    first = np.full(code.max() + 1, np.inf)
    np.minimum.at(first, code, time)
    return first[code]


def _before(
    key: np.ndarray, time: np.ndarray, start: np.ndarray, outcomes: list[np.ndarray]
) -> list[np.ndarray]:
    """How many rows of the same key came before a moment, and their mean outcomes; rows are in the order of time."""
    order = np.argsort(key, kind="stable")
    _, code = np.unique(key, return_inverse=True)
    # one number for key and time: a row of another key is never between two of this one
    span = float(time.max() - time.min() + 1)
    place = code[order] * span + (time[order] - time.min())
    until = np.searchsorted(place, code * span + (start - time.min()))
    begin = np.searchsorted(place, code * span)
    count = until - begin
    found = [count.astype(np.float64)]
    for outcome in outcomes:
        total = np.concatenate([[0.0], np.cumsum(outcome[order])])
        found.append(np.where(count > 0, (total[until] - total[begin]) / np.maximum(count, 1), np.nan))
    return found
