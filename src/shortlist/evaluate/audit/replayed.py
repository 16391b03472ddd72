"""What the log's propensities say of each policy: off-policy estimates from the test's slates, in choices and in seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.data.dataset import Dataset, Progress, silent
from shortlist.evaluate.audit.agree import Score
from shortlist.evaluate.audit.contenders import Contender, Visit
from shortlist.evaluate.counterfactual.outcome import fit_outcome
from shortlist.evaluate.counterfactual.single import Choices, estimate_choices
from shortlist.evaluate.counterfactual.slates import SlateLog, estimate_examined, estimate_slates
from shortlist.evaluate.counterfactual.support import OffPolicy, by_cluster
from shortlist.evaluate.significance import Estimate
from shortlist.evaluate.splits import Fold
from shortlist.project import IMPRESSION
from shortlist.rank.objectives import labels
from shortlist.rank.position import examination
from shortlist.recommender import Recommender
from shortlist.simulate.audience import Audience

BATCH = 128
SAYS = {
    "snips (top slot)": "Only the top slot; rows in which the log showed the same item there.",
    "sn-cascade": "Whole slates, as far down as they agree with the log's.",
    "sn-position": "Slot by slot: rows in which the log showed the same item in the same slot.",
    "sn-examined": "Rows in which the log showed one of the items in any slot, by how much each slot is looked at.",
    "examined-dr": "The same, with a model of the outcome for the rest.",
    "model": "What a model of the outcome predicts for the slate; no propensities.",
}


@dataclass(frozen=True)
class Shown:
    """The test's whole slates: `user` int (n,), `action` int and `propensity` float (n, K), `rewards`: name → float (n, K);
    `device`: the context of each, if the log has one."""

    user: np.ndarray
    action: np.ndarray
    propensity: np.ndarray
    rewards: dict[str, np.ndarray]
    device: list[str] | None


def replayed_scores(
    recommender: Recommender,
    fold: Fold,
    dataset: Dataset,
    audience: Audience,
    everyone: list[Contender],
    draws: int,
    seed: int,
    progress: Progress = silent,
) -> list[Score]:
    """Every estimator for every policy, in what was taken and in seconds."""
    shown = shown_slates(dataset, fold.moment, audience)
    # a policy's slate for each person and device, asked once, as known at the end of training
    devices = shown.device or [""] * len(shown.user)
    key = {pair: at for at, pair in enumerate(dict.fromkeys(zip(shown.user.tolist(), devices, strict=True)))}
    of = np.array([key[pair] for pair in zip(shown.user.tolist(), devices, strict=True)], np.int64)
    codes = np.array([user for user, _ in key], np.int64)
    visit = Visit(
        codes,
        dataset.users.ids.ids(codes),
        None if shown.device is None else [{"device": d} for _, d in key],
        fold.moment,
    )
    slates = {}
    for number, policy in enumerate(everyone):
        parts = []
        for start in range(0, len(codes), BATCH):
            some = slice(start, start + BATCH)
            contexts = None if visit.contexts is None else visit.contexts[some]
            part = Visit(codes[some], visit.ids[some], contexts, fold.moment)
            parts.append(policy.slates(part, audience.slots))
        slates[policy.name] = np.concatenate(parts)[of]
        progress("slates beside the log's", (number + 1) / len(everyone))
    positive = dataset.project.objectives[dataset.project.relevant]
    curve = examination(recommender.dataset, positive, resamples=20)
    slots = audience.slots
    examined = np.maximum(curve.at(np.arange(slots)), 0.02) if len(curve.share) else np.ones(slots)
    scores = []
    for reward in shown.rewards:
        models = _outcomes(recommender, shown, reward, examined, slates)
        found: dict[str, dict[str, OffPolicy]] = {}
        direct: dict[str, Estimate | None] = {}
        for name, made in slates.items():
            found[name] = _estimates(shown, reward, made, examined, models[name], draws, seed)
            rows = models[name] @ examined
            _, person = np.unique(shown.user, return_inverse=True)
            direct[name] = by_cluster(rows, np.ones(len(rows)), person, draws, seed)[0]
        for estimator in next(iter(found.values())):
            answers = {name: found[name][estimator] for name in found}
            scores.append(
                Score(
                    f"{estimator}, {reward}",
                    "from propensities",
                    "up",
                    SAYS[estimator],
                    {n: a.value for n, a in answers.items()},
                    {n: _around(a.value, draws, seed) for n, a in answers.items()},
                    {n: a.refused for n, a in answers.items() if a.refused},
                )
            )
        scores.append(
            Score(
                f"model, {reward}",
                "from a model",
                "up",
                SAYS["model"],
                direct,
                {n: _around(e, draws, seed) for n, e in direct.items()},
            )
        )
    return scores


def shown_slates(dataset: Dataset, moment: int, audience: Audience) -> Shown:
    """The log's slates from a moment on, those that are whole."""
    log, slots = dataset.log, audience.slots
    rows = np.flatnonzero(log.is_kind([IMPRESSION]) & (log.time >= moment) & (log.position >= 0))
    order = np.lexsort([log.position[rows], log.slate[rows]])
    rows = rows[order]
    _ids, start, size = np.unique(log.slate[rows], return_index=True, return_counts=True)
    whole = start[size == slots]
    at = rows[whole[:, None] + np.arange(slots)]
    flat = at.ravel()
    rewards = {}
    wanted = dataset.project.objectives[dataset.project.relevant]
    taken = wanted.model_copy(update={"kind": "probability"})
    rewards[audience.kinds[0] + "s"] = labels(log, taken, log.user[flat], log.item[flat], log.time[flat] - 1)
    valued = next((o for o in dataset.project.objectives.values() if o.kind == "amount"), None)
    if valued is not None:
        rewards["seconds"] = np.nan_to_num(
            labels(log, valued, log.user[flat], log.item[flat], log.time[flat] - 1)
        )
    device = None
    if "device" in log.context:
        device = [str(log.context["device"].show(int(row))) for row in at[:, 0]]
    return Shown(
        log.user[at[:, 0]].astype(np.int64),
        log.item[at].astype(np.int64),
        np.clip(log.propensity[at].astype(np.float64), 1e-12, 1.0),
        {name: np.asarray(r, np.float64).reshape(at.shape) for name, r in rewards.items()},
        device,
    )


def _estimates(
    shown: Shown,
    reward: str,
    made: np.ndarray,
    examined: np.ndarray,
    model: np.ndarray,
    draws: int,
    seed: int,
) -> dict[str, OffPolicy]:
    value = shown.rewards[reward]
    log = SlateLog(shown.action, value, shown.propensity, shown.user)
    same = (made == shown.action).astype(np.float64)
    top = Choices.of(shown.action[:, 0], value[:, 0], shown.propensity[:, 0], shown.user)
    # the chance of an item in a slot whatever is above is not logged; given what was above, it is
    marginal = SlateLog(shown.action, value, shown.propensity, shown.user, shown.propensity)
    slots = estimate_slates(marginal, same, same, draws, seed)
    return {
        "snips (top slot)": estimate_choices(top, same[:, 0], draws=draws, seed=seed)["snips"],
        "sn-cascade": slots["sn-cascade"],
        "sn-position": slots["sn-position"],
        **estimate_examined(log, made, examined, model, draws, seed),
    }


def _outcomes(
    recommender: Recommender, shown: Shown, reward: str, examined: np.ndarray, slates: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What a model learnt from the test's impressions of other people expects of every slate's items once looked at: policy →
    float (n, K). Told: which groups of items a person took, and how items did in training."""
    train = recommender.dataset
    log, n_items = train.log, len(train.items)
    groups = next((a for a in train.items.attributes.values() if a.kind == "list"), None)
    of = np.zeros((n_items, 1)) if groups is None else np.asarray(groups.matrix().todense(), np.float64)
    h = train.histories
    profile = np.zeros((len(train.users), of.shape[1]))
    np.add.at(profile, h.owner, of[h.item])
    profile /= np.maximum(profile.sum(1, keepdims=True), 1)
    seen = np.bincount(log.item[log.is_kind([IMPRESSION])], minlength=n_items)
    taken = np.bincount(log.item[log.acted], minlength=n_items)
    value = np.bincount(log.item[log.acted], np.nan_to_num(log.value[log.acted]), n_items)
    known = np.stack([np.log1p(seen), (taken + 1) / (seen + 20), value / (seen + 20)], axis=1)
    about = np.hstack([of, known]).astype(np.float32)
    n, slots = shown.action.shape
    context = np.hstack([profile[shown.user], np.zeros((n, known.shape[1]))]).astype(np.float32)
    # all slots teach, each by how much it is looked at; only one row a slate is asked
    asked = np.zeros((n * slots, n_items), bool)
    first = np.arange(n) * slots
    for made in slates.values():
        there = made >= 0
        asked[np.repeat(first, there.sum(1)), made[there]] = True
    whole = fit_outcome(
        np.repeat(context, slots, axis=0),
        shown.action.ravel(),
        (shown.rewards[reward] / examined).ravel(),
        np.repeat(shown.user, slots),
        about,
        asked,
    )[first]
    return {
        name: np.where(made >= 0, np.take_along_axis(whole, np.maximum(made, 0), axis=1), 0.0)
        for name, made in slates.items()
    }


def _around(e: Estimate | None, draws: int, seed: int) -> np.ndarray:
    """Draws of an estimate, from its interval."""
    if e is None:
        return np.empty(0)
    spread = max(e.high - e.low, 0.0) / 3.92
    return e.value + spread * np.random.default_rng([seed, 5]).standard_normal(draws)
