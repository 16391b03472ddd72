"""Short videos: a rated part of KuaiRand; seconds watched, likes and "hate" of what was shown.

Each showing is predicted by what was known at its moment, and the showings of a user on one day are compared. All rows were chosen because
they were liked or hated, so the rates of both are those of this sample and not of the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb
from table import Headline, Section, bounds, interval, table

from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test
from shortlist.evaluate.reliability import Reliability, evaluate_calibration
from shortlist.metrics.prediction import auc, expected_calibration_error, log_loss, rmse
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.past_requests import shown_slates
from shortlist.rank.training_set import Window, make_training_set
from shortlist.rank.utility import UtilityWeights
from shortlist.recommender import Recommender

DAY = 86_400
WEIGHTS = 6
"""Number of weightings from all weight on likes to all weight on seconds."""
BINS = 15
"""Bins of the calibration error."""
OBJECTIVES = ("seconds", "like", "hate")
SETTINGS: dict[str, Any] = {
    "name": "kuairand-rated",
    "data": {
        "columns": {"user": "user_id", "item": "item_id", "timestamp": "timestamp"},
        "derive": [
            # without a slate, each showing is a request of its own, and nothing of its outcome is late
            {"kind": "impression"},
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
    """The project and the log."""
    events = pq.read_table(data / "kuairand-rated" / "events.parquet").drop_columns(["kind"])
    return parse_project(SETTINGS), events


def day_of(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """A number for each user and day, int64; time in seconds."""
    return np.asarray(user.astype(np.int64) * 100_000 + time // DAY)


def best_third(score: np.ndarray, day: np.ndarray, outcome: dict[str, np.ndarray]) -> dict[str, Estimate]:
    """The mean outcomes of the third of each user's day with the highest scores."""
    order = np.lexsort([-score, day])
    first = np.flatnonzero(np.diff(day[order], prepend=-1))
    size = np.diff(np.append(first, len(order)))
    place = np.arange(len(order)) - np.repeat(first, size)
    chosen = place < np.repeat(np.minimum(10, np.maximum(size // 3, 1)), size)
    owner = np.repeat(np.arange(len(first)), size)[chosen]
    count = np.bincount(owner, minlength=len(first))
    return {
        name: bootstrap(np.bincount(owner, values[order][chosen], len(first)) / count, 1_000, 0)
        for name, values in outcome.items()
    }


@dataclass(frozen=True)
class Front:
    """What the best third of a user's day brought, for several weightings of likes and seconds.

    Attributes
    ----------
    points
        Weights of likes and seconds, and the outcomes.
    """

    points: list[tuple[dict[str, float], dict[str, Estimate]]]

    @classmethod
    def of(cls, recommender: Recommender, dataset: Dataset, cut: int) -> Front:
        """Predict the showings of the test once, and weigh the predictions."""
        model, project = recommender.model, recommender.project
        end = int(dataset.log.time[-1]) + 1
        settings = ExampleSettings.of(project)
        examples = make_training_set(
            dataset, model.retrievers, model.features, Window(cut, end, cut), settings
        )
        shown = shown_slates(dataset, cut, end, settings.rank, np.random.default_rng(project.seed))
        day = day_of(shown.users, shown.moments // 1000)[examples.request]
        predictions = model.ranker.predict(examples.matrix)
        outcome = {name: examples.labels[name].astype(np.float64) for name in OBJECTIVES}
        points = []
        weightings = [
            {"seconds": share, "like": 1 - share, "hate": -0.5} for share in np.linspace(0, 1, WEIGHTS)
        ]
        for weights in (*weightings, {"seconds": 1.0, "like": 0.0, "hate": 0.0}):
            utility = UtilityWeights(np.array([weights[name] for name in project.objectives]), model.scales)
            points.append((weights, best_third(utility.utility(predictions), day, outcome)))
        return cls(points)


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
    front = Front.of(recommender, dataset, cut)
    return Section("video", lines(found, direct, front), [headline(found, direct, front)])


def lines(found: dict[str, Reliability], direct: Direct, front: Front) -> list[str]:
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
    for weights, values in front.points:
        points.append(
            [
                f"{weights['like']:.1f} : {weights['seconds']:.1f} : {weights['hate']:.1f}",
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
        (
            "What the best third of the showings of a user's day brought in truth, by weights. The calibration error of "
            f"seconds cannot fall much below {noise(direct):.3f}: so much do the mean seconds of a bin differ from their expectation by chance."
        ),
        "",
        *table(["like : seconds : hate", "seconds", "likes", "hates"], points),
    ]


def noise(direct: Direct) -> float:
    """The calibration error of seconds that exact predictions would have: of bins of the rows, by chance alone."""
    seconds = direct.outcome["seconds"]
    order = np.argsort(direct.predicted["seconds"], kind="stable")
    errors = [part.std() / np.sqrt(len(part)) for part in np.array_split(seconds[order], BINS)]
    # the mean distance of a normal variable from 0 is √(2/π) of its deviation
    return float(np.sqrt(2 / np.pi) * np.mean(errors) / seconds.mean())


def headline(found: dict[str, Reliability], direct: Direct, front: Front) -> Headline:
    """The line of the page: true seconds of the best third."""
    ours, theirs = (
        front.points[-1][1]["seconds"],
        direct.picked(direct.predicted["seconds"])["seconds"],
    )
    errors = ", ".join(f"{name} {found[name].error:.3f}" for name in OBJECTIVES)
    return Headline(
        "video",
        "kuairand-rated",
        "seconds watched of the best third",
        bounds(ours),
        bounds(theirs),
        "XGBoost's seconds",
        (),
        f"true seconds of the third of a day's showings that the model puts first; calibration errors: {errors}.",
    )


@dataclass(frozen=True)
class Direct:
    """XGBoost on features made by hand from the same columns, as of each showing.

    Attributes
    ----------
    test
        Rows of the log that are tested.
    outcome, predicted
        Name → float64 (test rows,).
    day
        int64 (test rows,): a number for each user and day.
    """

    test: np.ndarray
    outcome: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    day: np.ndarray

    @classmethod
    def fitted(cls, events: pa.Table, cut: int, last: int) -> Direct:
        """Learn from the rows before the cut (the last fifth of them stops the learning early), and predict the rows until `last`."""
        order = np.argsort(events.column("timestamp").to_numpy(), kind="stable")
        column = {name: events.column(name).to_numpy()[order] for name in events.column_names}
        time = column["timestamp"]
        names = {"seconds": "value", "like": "like", "hate": "hate"}
        outcome = {name: column[of].astype(np.float64) for name, of in names.items()}
        matrix = np.column_stack(
            [column["duration"], time // 3600 % 24]
            + [
                f
                for key in ("item_id", "user_id")
                for f in _before(column[key], time, list(outcome.values()))
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
        day = day_of(column["user_id"], time)[test]
        return cls(test, {n: o[test] for n, o in outcome.items()}, predicted, day)

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
        """The outcomes of the best third of each day."""
        return best_third(score, self.day, self.outcome)


def _before(key: np.ndarray, time: np.ndarray, outcomes: list[np.ndarray]) -> list[np.ndarray]:
    """How many rows of the same key came before each row, and their mean outcomes; rows are in the order of time."""
    order = np.argsort(key, kind="stable")
    _, code = np.unique(key, return_inverse=True)
    # one number for key and time: a row of another key is never between two of this one
    span = float(time.max() - time.min() + 1)
    place = code[order] * span + (time[order] - time.min())
    until = np.searchsorted(place, code * span + (time - time.min()))
    begin = np.searchsorted(place, code * span)
    count = until - begin
    found = [count.astype(np.float64)]
    for outcome in outcomes:
        total = np.concatenate([[0.0], np.cumsum(outcome[order])])
        found.append(np.where(count > 0, (total[until] - total[begin]) / np.maximum(count, 1), np.nan))
    return found
