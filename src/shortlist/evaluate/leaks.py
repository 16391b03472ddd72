"""Leaks: something was learnt from that will only be known later. Each has a name, evidence, and a way out.

| name | what happened | how it is found |
| --- | --- | --- |
| future events in training | training has events from after the test began | times of both |
| duplicates across the split | the same event is in training and in the test | user, item, time of both |
| target in a feature | a feature alone tells the answer | its AUC alone (`rank/profile.py`) |
| statistic over the test period | a column of the items or users table counts events that had not happened yet | it follows the whole log better than the past alone |
| retriever saw the ranker's window | the ranker learnt from scores that knew the answers | a source told the answers far better in training than in the test |

Evidence is measured, so a leak is found whoever made it. A clean run is not accused: each rule asks for a difference that is
large and clear of chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import NumberAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log
from shortlist.data.split import cut_for_test
from shortlist.evaluate.folds import Fold
from shortlist.recommender import Recommender

FOLLOWS = 0.9
"""A column follows a count if their ranks correlate at least so much."""
FEWEST = 50
FELL = 0.12
KNEW = 0.8


@dataclass(frozen=True)
class Leak:
    """`name` as in the table above; `where`: the table, column, feature or retriever; `evidence`; `fix`."""

    name: str
    where: str
    evidence: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name} ({self.where}): {self.evidence}. {self.fix}"

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "sentence": str(self)}


def find_leaks(
    dataset: Dataset, fold: Fold, recommender: Recommender, told: dict[str, dict[str, float]]
) -> list[Leak]:
    """Everything found about one experiment. told: how well each feature alone tells each objective in the test."""
    found = [target_leak(*suspect) for suspect in recommender.profile.suspects()]
    found += retriever_leaks(recommender, told)
    # where the test is a table of its own, the split was made by somebody else: look at both
    if fold.given is not None:
        log, project = dataset.log, dataset.project
        time = log.time if project.data.columns.timestamp else None
        again = project.rerank.show_seen or project.rerank.show_again is not None
        found += across((log.user, log.item, time, log.acted), fold.given, "the test table", again)
    if fold.given is None and dataset.project.evaluate.protocol in {"time", "rolling"}:
        found += statistics(dataset, fold.moment)
    return found


def check_leaks(dataset: Dataset) -> list[Leak]:
    """What can be seen in the tables alone, before anything is trained."""
    return (
        statistics(dataset, cut_for_test(dataset.log, dataset.project.evaluate)) if len(dataset.log) else []
    )


def target_leak(feature: str, objective: str, auc: float) -> Leak:
    return Leak(
        "target in a feature",
        feature,
        f"alone it tells {objective!r} with an AUC of {auc:.3f}",
        "Check that it is known before the item is shown, and not written by what it predicts; take it out of [[features]]",
    )


def across(
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray],
    test: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    where: str,
    repeats: bool = False,
) -> list[Leak]:
    """A split that somebody else made. train: user, item, time (None: not known), which rows count; test: user, item, time;
    users and items in the same codes, times in the same unit. repeats: people take the same item again, so that the same pair
    without times is no evidence.
    """
    found = []
    user, item, time, acted = train
    width = int(max(item.max(initial=0), test[1].max(initial=0))) + 1
    own = user.astype(np.int64) * width + item
    theirs = test[0].astype(np.int64) * width + test[1]
    timed = time is not None and test[2] is not None
    if timed:
        assert time is not None
        assert test[2] is not None
        same = np.isin(_paired(theirs, test[2]), _paired(own, time), kind="sort")
    else:
        same = np.isin(theirs, own[acted], kind="sort") & (not repeats)
    if same.any():
        what = "user, item and time" if timed else "user and item"
        found.append(
            Leak(
                "duplicates across the split",
                where,
                f"{int(same.sum()):,} of {len(theirs):,} test events ({same.mean():.1%}) are in training too, with the same {what}",
                "Remove them from one side: what was learnt by heart is no test",
            )
        )
    if timed:
        assert time is not None
        assert test[2] is not None
        start = int(np.quantile(test[2], 0.01))
        late = acted & (time > start)
        if late.sum() > 0.01 * acted.sum():
            found.append(
                Leak(
                    "future events in training",
                    where,
                    f"{int(late.sum()):,} of {int(acted.sum()):,} training events ({late.sum() / max(acted.sum(), 1):.0%}) are from after "
                    f"the test began ({_moment(start)})",
                    "Cut by time: learn from before one moment, test on what came after it",
                )
            )
    return found


def _paired(code: np.ndarray, time: np.ndarray) -> np.ndarray:
    """One number for a pair; a collision is as likely as one in 2⁶⁴."""
    mixed = code.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(
        (mixed ^ (mixed >> np.uint64(29))) + time.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    )


def statistics(dataset: Dataset, cut: int) -> list[Leak]:
    """Number columns of items and users that follow the whole log, or the test, better than what came before the test."""
    found = []
    for role, entities, codes in (
        ("items", dataset.items, dataset.log.item),
        ("users", dataset.users, dataset.log.user),
    ):
        numbers = {n: a for n, a in entities.attributes.items() if isinstance(a, NumberAttribute)}
        if not numbers:
            continue
        whole, after = dataset.log, dataset.log.time >= cut
        for name, attribute in numbers.items():
            said = _follows(attribute, whole, after, codes, len(entities))
            if said:
                found.append(
                    Leak(
                        "statistic over the test period",
                        f"{role}.{name}",
                        said,
                        "Compute it as of the cut, or declare it as a feature (count, mean, rate), which is computed as of each moment",
                    )
                )
    return found


def _follows(
    attribute: NumberAttribute, log: Log, after: np.ndarray, codes: np.ndarray, n: int
) -> str | None:
    """What the column was computed from, if that is later than the past. It is not accused where some statistic of the past
    explains it as well: what was popular before the cut is shown more after it, so that a clean count follows those too.
    """
    values = attribute.values.astype(np.float64)
    statistics = list(_statistics(log, after, codes, n))
    told = ~np.isnan(values)
    if told.sum() < FEWEST or len(np.unique(values[told])) < 10:
        return None
    innocent = [np.nan_to_num(past) for _, past, _, _ in statistics]
    for what, past, whole, test in statistics:
        known = told & ~np.isnan(whole) & (np.nan_to_num(whole) != 0)
        if known.sum() < FEWEST or len(np.unique(values[known])) < 10:
            continue
        for period, other in (("the whole log", whole), ("the test period", test)):
            against = np.nan_to_num(other)[known]
            if len(np.unique(against)) < 5:
                continue
            own = _correlation(values[known], against)
            if abs(own) < FOLLOWS:
                continue
            before = _correlation(values[known], np.nan_to_num(past)[known])
            best = max((v[known] for v in innocent), key=lambda v: abs(_correlation(values[known], v)))
            if abs(own) <= abs(_correlation(values[known], best)):
                continue
            if np.quantile(_redrawn(values[known], against, best), 0.005) > 0:
                return (
                    f"it follows {what} over {period} (rank correlation {own:.3f}) more closely than before the test "
                    f"({before:.3f}), so it counts what had not happened yet"
                )
    return None


def _statistics(
    log: Log, after: np.ndarray, codes: np.ndarray, n: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """What a column may have been computed from: name; before the test, over everything, within the test, float64 (n,)."""

    def counts(rows: np.ndarray) -> np.ndarray:
        return np.bincount(codes[rows], minlength=n).astype(np.float64)

    def means(rows: np.ndarray) -> np.ndarray:
        rows = rows & ~np.isnan(log.value)
        total = np.bincount(codes[rows], log.value[rows].astype(np.float64), n)
        size = np.bincount(codes[rows], minlength=n)
        return np.where(size > 0, total / np.maximum(size, 1), np.nan)

    everything = np.ones(len(log), bool)
    shown = log.is_kind([IMPRESSION])
    for kind in log.kinds:
        of = log.is_kind([kind])
        yield f"the number of {kind} events", counts(of & ~after), counts(of), counts(of & after)
        if not np.isnan(log.value[of]).all():
            yield f"the mean value of {kind} events", means(of & ~after), means(of), means(of & after)
        if shown.any() and kind != IMPRESSION:
            rates = [
                np.where(counts(shown & r) >= 5, counts(of & r) / np.maximum(counts(shown & r), 1), np.nan)
                for r in (~after, everything, after)
            ]
            yield f"the rate of {kind} per impression", rates[0], rates[1], rates[2]
    if len(log.kinds) > 1:
        acted = log.acted
        yield "the number of events", counts(acted & ~after), counts(acted), counts(acted & after)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    from scipy.stats import rankdata  # half a second to come in, and few need it

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _redrawn(values: np.ndarray, whole: np.ndarray, past: np.ndarray, draws: int = 200) -> np.ndarray:
    """How much closer the column is to the whole than to the past, in redraws of the rows."""
    rng = np.random.default_rng(0)
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(v) for v in (values, whole, past)])
    rows = rng.integers(0, len(values), (draws, len(values)))
    answer = np.empty(draws)
    for at, row in enumerate(rows):
        table = np.corrcoef(ranks[:, row])
        answer[at] = abs(table[0, 1]) - abs(table[0, 2])
    return np.nan_to_num(answer)


def retriever_leaks(recommender: Recommender, told: dict[str, dict[str, float]]) -> list[Leak]:
    """Sources whose scores told the ranker's training examples far better than they tell the test's."""
    found = []
    for source in recommender.retrievers:
        columns = [f"{source}_rank", f"{source}_score"]
        for objective, aucs in told.items():
            then = max((recommender.profile.knows[objective].get(c, 0.5) for c in columns), default=0.5)
            now = max((aucs.get(c, 0.5) for c in columns), default=0.5)
            if then >= KNEW and then - now >= FELL:
                found.append(
                    Leak(
                        "retriever saw the ranker's window",
                        source,
                        f"alone it told {objective!r} with an AUC of {then:.3f} in the ranker's examples and tells it with {now:.3f} in the test",
                        "Fit it on what came before the ranker's window: a retriever that was fitted on the answers teaches the ranker to trust it",
                    )
                )
                break
    return found


def _moment(time: int) -> str:
    return (
        str(np.datetime64(time, "ms").astype("datetime64[s]")) if time > 1e11 else f"event {time // 1000:,}"
    )
