"""Choose retrievers for a data set: which ones, with which settings, and how they are fused.

No model is best everywhere: on sparse check-ins a spectral filter is far ahead, on dense ratings SLIM or ALS. Each
family is tuned on a validation part of the training data (`tuner.py`). The best of each family are fused (`fuse.py`), the
fusion is judged on the same users, and the choice is refitted on all data, from where the fits on the training part ended.
The test is never used.

Without a limit of time, the number of trials depends on the size of the data alone, so that a run repeats. With one, the
search ends early enough to fit the best model found by then on all data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.errors import DataError
from shortlist.metrics.significance import Estimate
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.fusion.deadline import Deadline
from shortlist.retrieve.fusion.families import JUDGES, kept_families, search_families, usual_families
from shortlist.retrieve.fusion.fuse import Fuse, FusionReport
from shortlist.retrieve.fusion.holdout import Kind, hold_out
from shortlist.retrieve.fusion.tuner import Trial, Tuner, best_trial, number_of_trials

TREE_SECONDS = 0.001
"""About how long the trees of a fusion take for each user who judges it, on one core."""


@dataclass
class Choice:
    """The result of `choose`.

    Attributes
    ----------
    retriever
        The chosen model, fitted on all training data.
    kind
        How the validation part was held out.
    trials
        All trials, in order.
    fusion
        How good each rule of fusion was, where a fusion was tried.
    gains
        Network → NDCG that a fusion gains by it; it is chosen only where the interval is above 0.
    refused
        Network → why it was not trained.
    """

    retriever: Retriever
    kind: Kind
    trials: list[Trial] = field(default_factory=list)
    fusion: FusionReport | None = None
    gains: dict[str, Estimate] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """Return the choice in a sentence, with the NDCG of each family."""
        best = [best_trial(self.trials, family) for family in dict.fromkeys(t.model for t in self.trials)]
        best.sort(key=lambda t: -t.ndcg)
        singles = ", ".join(f"{t.model} {t.ndcg:.4f}{' (quick form)' * t.quick}" for t in best)
        text = f"validation ({self.kind}) NDCG: {singles}"
        if self.fusion:
            rules = ", ".join(f"{rule} {value:.4f}" for rule, value in self.fusion.ndcg.items())
            text += f"; fused by {rules}"
        for name, gain in self.gains.items():
            verdict = "clear" if gain.low > 0 else "not clear, so it is left out"
            text += f"; {name} adds {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}), {verdict}"
        text += "".join(f"; not trained: {reason}" for reason in self.refused.values())
        names = "+".join(self.retriever.sources) if isinstance(self.retriever, Fuse) else self.retriever.name
        how = f" by {self.fusion.rule}" if self.fusion and isinstance(self.retriever, Fuse) else ""
        return f"{text}. Chosen: {names}{how}."

    def __repr__(self) -> str:
        return f"Choice({self.retriever!r}, {len(self.trials)} trials)"


def choose(  # noqa: PLR0913 - a public function with optional settings
    dataset: Dataset,
    kind: Kind = "random",
    k: int = 20,
    share: float = 0.2,
    progress: Progress = silent,
    families: list[str] | None = None,
    *,
    networks: Sequence[str] = (),
    blend: bool = True,
    seed: int = 0,
    event_weighting: EventWeighting | None = None,
    budget: float | None = None,
) -> Choice:
    """Tune each family on a validation part, fuse the best, and refit the best of all on the whole data set.

    Parameters
    ----------
    dataset
        The training data.
    kind
        How the validation part is held out; `kind_of_split` derives it from a test.
    k
        Length of the lists whose NDCG decides.
    share
        Fraction of the events that is held out.
    progress
        Called with the step and its progress.
    families
        Models to tune (default: `usual_families`; `slim` only where `spectral` does not contain it).
    networks
        Networks to train beside them, such as `transformer`, with their default settings, but for `given_settings`: two members. One
        is chosen only where its gain is clear of the interval; one that refuses so little data is left out.
    blend
        Whether a fusion is tried (default: true).
    seed
        Seed of the hold-out and of the sample of users.
    event_weighting
        How much an event counts (default: every event counts 1).
    budget
        Seconds that the choice may take, with the fit on all data (default: no limit). One setting of the first family is tried.

    Raises
    ------
    DataError
        Where there are networks only, and the data are too few for them.
    """
    holdout = hold_out(dataset, kind, share, seed)
    tuner = Tuner(holdout, k, seed, event_weighting, Deadline(budget))
    tuned = [*(usual_families(kind) if families is None else families), *networks]
    trials = number_of_trials(len(holdout.train.log))
    refused = search_families(tuner, tuned, trials, progress, named=families or ())
    if not tuner.fitted:
        raise DataError("; ".join(refused.values()))
    chosen, fusion, gains = _best(tuner, k, progress, blend=blend)
    tuner.fitted.clear()
    progress("fitting the choice on all data", 0.0)
    chosen.fit(dataset)
    progress("fitting the choice on all data", 1.0)
    return Choice(chosen, holdout.kind, tuner.trials, fusion, gains, refused)


def _best(
    tuner: Tuner, k: int, progress: Progress, *, blend: bool
) -> tuple[Retriever, FusionReport | None, dict[str, Estimate]]:
    """Return the best family, or a fusion of the best, not fitted; and the gains of networks."""
    close, gains = kept_families(tuner, k)
    order = sorted(
        (tuner.best(f) for f in tuner.fitted if f not in gains or gains[f].low > 0), key=lambda t: -t.ndcg
    )
    users = tuner.sample(JUDGES)
    while len(close) > 1 and not tuner.deadline.allows(_fusion_seconds(tuner, close, len(users))):
        close.pop()
    fusion: FusionReport | None = None
    if blend and len(close) > 1:
        step = f"blending {', '.join(t.model for t in close)}"
        progress(step, 0.0)
        fused = Fuse({t.model: tuner.fitted[t.model] for t in close}).of_fitted(tuner.counts)
        fusion = fused.learn(tuner.requests(users), [tuner.holdout.truth[u] for u in users], k)
        progress(step, 1.0)
        if fused.is_learned or (fused.weights_ > 0).sum() > 1:  # otherwise one source decides
            return fused.over({t.model: tuner.refit(t) for t in close}), fusion, gains
    in_time = [t for t in order if tuner.deadline.allows(tuner.refit_seconds(t))]
    best_in_time = in_time[0] if in_time else min(order, key=tuner.refit_seconds)
    return tuner.refit(best_in_time), fusion, gains


def _fusion_seconds(tuner: Tuner, trials: list[Trial], users: int) -> float:
    """Return about how long it takes to fuse the best of some families, and to fit them on all data."""
    candidates = sum(3 * tuner.request_seconds[t.model] for t in trials)
    return users * (candidates + TREE_SECONDS) + sum(map(tuner.refit_seconds, trials))
