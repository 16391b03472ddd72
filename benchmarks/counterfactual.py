"""Off-policy estimators compared with the true value, and with obp on the same logs (`make benchmark-counterfactual`).

A logging policy (Plackett–Luce over the weights of the world's logging policy) shows items to the users of the video world, and the
value of another policy is estimated from that log. The true value is computed from the world: exactly for single items, and from the
expected outcomes of 480,000 slates. The error is |estimate − truth| / truth, as the median of 20 logs per scenario, or of 100 logs where
a log has 2,000 rows (20 such logs are too few to order the estimators). obp runs on the same files, in its own environment. The
interval of the difference between the best estimators resamples the logs, the same ones for both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import results
from shortlist.evaluate.offpolicy import (
    BanditLog,
    SlateLog,
    cascade_dr,
    estimate_bandit,
    estimate_mips,
    estimate_slates,
    fit_reward_model,
    pairwise_marginals,
    pseudo_inverse,
)
from shortlist.simulate.plackett_luce import plackett_luce
from shortlist.simulate.population import Population
from shortlist.simulate.video import make_video

HERE = Path(__file__).parent
FOLDER = HERE / ".counterfactual"
RUNS, SHORT_RUNS, SHORT = 20, 100, 2_000
SLOTS = 4
SINGLE = {
    # name: items, rows, sharpness of the new policy, reward
    "60 items, near": (60, 2_000, 2.0, "click"),
    "60 items, far": (60, 2_000, 6.0, "click"),
    "60 items, far, more rows": (60, 20_000, 6.0, "click"),
    "60 items, watch time": (60, 10_000, 4.0, "seconds"),
    "1,000 items": (1_000, 10_000, 6.0, "click"),
}
SLATES = {"slates of 4, near": (60, 5_000, 2.0), "slates of 4, far": (60, 5_000, 6.0)}


class Setting:
    """A world, a logging policy per group of users, and a new policy per user."""

    def __init__(self, items: int, sharp: float) -> None:
        world = make_video(users=1500, items=items, sessions=4000, days=20, seed=1)
        self.people: Population = world.population
        users = np.arange(self.people.n_users)
        wanted = np.stack([world.truths["click"](users, np.full(len(users), i)) for i in range(items)], 1)
        self.logging = _shares(self.people.logging_weights**0.5)
        self.new = _shares(np.exp(sharp * wanted) * self.logging[self.people.groups] ** 0.5)
        self.items = items

    def visits(self, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
        who = rng.integers(0, self.people.n_users, rows)
        return who, self.people.draw_contexts(rng, who)

    def known(self, who: np.ndarray) -> np.ndarray:
        """Return the features of users for reward models: the topics that the logging policy shows them."""
        return self.logging[self.people.groups[who]] @ self.people.item_topics

    def chance(self, who: np.ndarray, device: np.ndarray, slates: np.ndarray) -> np.ndarray:
        m, k = slates.shape
        flat = self.people.model.choice_probability(np.repeat(who, k), slates.ravel(), np.repeat(device, k))
        return flat.reshape(m, k) * self.people.examination[:k]

    def slates(self, rng: np.random.Generator, who: np.ndarray) -> tuple[np.ndarray, ...]:
        session, item, _, chance = plackett_luce(rng, self.logging, self.people.groups[who], SLOTS)
        whole = np.flatnonzero(np.bincount(session, minlength=len(who)) == SLOTS)
        keep = np.isin(session, whole)
        return whole, item[keep].reshape(-1, SLOTS), chance[keep].reshape(-1, SLOTS)


def _shares(weight: np.ndarray) -> np.ndarray:
    return weight / weight.sum(1, keepdims=True)


def single(name: str) -> None:
    items, rows, sharp, counted = SINGLE[name]
    s = Setting(items, sharp)
    truth = _single_truth(s, counted)
    answer: dict[str, Any] = {"truth": truth, "runs": []}
    for run in range(_runs(rows)):
        rng = np.random.default_rng(100 + run)
        who, device = s.visits(rng, rows)
        own, new = s.logging[s.people.groups[who]], s.new[who]
        action = (np.cumsum(own, 1) < rng.random((rows, 1))).sum(1).clip(0, items - 1)
        taken = rng.random(rows) < s.people.model.choice_probability(who, action, device)
        reward = taken.astype(float)
        if counted == "seconds":
            reward = np.round(
                taken * s.people.model.expected_outcome(who, action, device) * rng.gamma(4, 0.25, rows)
            )
        propensity, at = own[np.arange(rows), action], np.arange(rows)
        context, about = s.known(who), s.people.item_topics
        np.savez(
            FOLDER / f"{_file(name)}-{run:02d}.npz",
            action=action, reward=reward, propensity=propensity, policy=new, context=context, about=about,
        )  # fmt: skip
        log = BanditLog.of(action, reward, propensity)
        started = time.perf_counter()
        weight = new[at, action] / propensity
        outcome = fit_reward_model(log, context, about)
        direct = fit_reward_model(log, context, about, weight=weight)
        found = estimate_bandit(log, new[at, action], outcome, new, resamples=200, direct_prediction=direct)
        found |= estimate_mips(log, new, own, about.argmax(1), outcome, resamples=200)
        answer["runs"].append(_summary(found, time.perf_counter() - started))
    (FOLDER / f"{_file(name)}.json").write_text(json.dumps(answer))


def _runs(rows: int) -> int:
    return SHORT_RUNS if rows <= SHORT else RUNS


def _single_truth(s: Setting, counted: str) -> float:
    total = 0.0
    users = np.arange(s.people.n_users)
    for device in range(s.people.context_probabilities.shape[1]):
        on = np.full(len(users), device)
        for item in range(s.items):
            what = np.full(len(users), item)
            value = s.people.model.choice_probability(users, what, on)
            if counted == "seconds":
                value = value * s.people.model.expected_outcome(users, what, on)
            total += float((s.people.context_probabilities[:, device] * s.new[:, item] * value).mean())
    return total


def whole_slates(name: str) -> None:
    items, rows, sharp = SLATES[name]
    s = Setting(items, sharp)
    rng = np.random.default_rng(7)
    truth = 0.0
    for _ in range(8):
        who, device = s.visits(rng, 60_000)
        truth += float(s.chance(who, device, _draw(rng, s.new[who])).sum(1).mean()) / 8
    groups = [_draw(rng, np.repeat(s.logging[[g]], 40_000, 0)) for g in range(len(s.logging))]
    own_at = np.stack([_at(d, items) for d in groups])
    new_at = np.stack([_at(_draw(rng, np.repeat(s.new[[u]], 2_000, 0)), items) for u in range(len(s.new))])
    gamma = np.stack([pairwise_marginals(w, SLOTS) for w in s.logging])
    answer: dict[str, Any] = {"truth": truth, "runs": []}
    for run in range(RUNS):
        rng = np.random.default_rng(100 + run)
        who, device = s.visits(rng, rows)
        kept, slates, propensity = s.slates(rng, who)
        who, device = who[kept], device[kept]
        reward = (rng.random(slates.shape) < s.chance(who, device, slates)).astype(float)
        chance, policy = _given(s.new[who], slates)
        slot = np.arange(SLOTS)
        own = np.maximum(own_at[s.people.groups[who][:, None], slot, slates], 1e-5)
        new = new_at[who[:, None], slot, slates]
        np.savez(
            FOLDER / f"{_file(name)}-{run:02d}.npz",
            slates=slates, rewards=reward, propensities=propensity, chances=chance, marginals=own, new_marginals=new,
        )  # fmt: skip
        started = time.perf_counter()
        log = SlateLog(slates, reward, propensity, np.arange(len(slates)), own)
        found = estimate_slates(log, chance, new, resamples=200)
        found["pseudo-inverse"] = pseudo_inverse(log, s.people.groups[who], gamma, new_at[who], resamples=200)
        found["cascade-dr"] = cascade_dr(
            log, chance, policy, s.known(who), s.people.item_topics, resamples=200
        )
        answer["runs"].append(_summary(found, time.perf_counter() - started))
    (FOLDER / f"{_file(name)}.json").write_text(json.dumps(answer))


def _draw(rng: np.random.Generator, weight: np.ndarray) -> np.ndarray:
    keys = np.log(weight) + rng.gumbel(size=weight.shape)
    top = np.argpartition(-keys, SLOTS, axis=1)[:, :SLOTS]
    return np.take_along_axis(top, np.argsort(-np.take_along_axis(keys, top, 1), axis=1), 1)


def _at(slates: np.ndarray, items: int) -> np.ndarray:
    return np.stack([np.bincount(column, minlength=items) / len(slates) for column in slates.T])


def _given(weight: np.ndarray, slates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each slot given those above, and of every item there."""
    left, rows = weight.copy(), np.arange(len(slates))
    policy = np.empty((len(slates), SLOTS, weight.shape[1]))
    for slot in range(SLOTS):
        policy[:, slot] = left / left.sum(1, keepdims=True)
        left[rows, slates[:, slot]] = 0.0
    return np.take_along_axis(policy, slates[:, :, None], 2)[:, :, 0], policy


def _summary(found: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "points": {name: e.point for name, e in found.items()},
        "refused": [name for name, e in found.items() if e.refused],
        "low_high": {n: [e.value.low, e.value.high] for n, e in found.items() if e.value is not None},
    }


def _file(name: str) -> str:
    return name.replace(" ", "-").replace(",", "")


def table() -> list[str]:
    theirs = json.loads((FOLDER / "obp.json").read_text()) if (FOLDER / "obp.json").exists() else {}
    lines = [
        "### Median relative error over 20 logs or more, compared with obp 0.4.1 on the same logs",
        "",
    ]
    lines += [
        "| scenario | true value | logs | Shortlist, best | obp, best | difference, 95 % | Shortlist, all | obp, all | intervals that contain the true value | refused |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in [*SINGLE, *SLATES]:
        path = FOLDER / f"{_file(name)}.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text())
        truth = found["truth"]
        runs = [
            theirs[key] for run in range(len(found["runs"])) if (key := f"{_file(name)}-{run:02d}") in theirs
        ]
        _same_logs(name, found["runs"], runs)
        if runs:  # the logs that both estimated
            found["runs"] = found["runs"][: len(runs)]
        own = {
            e: float(np.median([abs(r["points"][e] - truth) / truth for r in found["runs"]]))
            for e in found["runs"][0]["points"]
        }
        peers = {
            e: float(np.median([abs(r[e] - truth) / truth for r in runs])) for e in (runs[0] if runs else {})
        }
        best, rival = min(own, key=own.__getitem__), min(peers, key=peers.__getitem__) if peers else ""
        held = [
            low <= truth <= high
            for r in found["runs"]
            for low, high in [r["low_high"].get(best, (0, 0))]
            if best in r["low_high"]
        ]
        refused = sum(best in r["refused"] for r in found["runs"])
        lines.append(
            f"| {name} | {truth:.4g} | {len(found['runs'])} | **{best} {own[best]:.1%}** | {rival} {peers.get(rival, float('nan')):.1%} | "
            f"{_apart([r['points'][best] for r in found['runs']], [r[rival] for r in runs], truth)} | "
            f"{', '.join(f'{e} {v:.1%}' for e, v in sorted(own.items(), key=lambda p: p[1]))} | "
            f"{', '.join(f'{e} {v:.1%}' for e, v in sorted(peers.items(), key=lambda p: p[1]))} | "
            f"{sum(held)} of {len(held)} | {refused} of {len(found['runs'])} |"
        )
    return [*lines, ""]


def _same_logs(name: str, ours: list[dict[str, Any]], theirs: list[dict[str, float]]) -> None:
    """Check that both used the same logs: inverse propensity weighting has no free choices, so its values must be equal."""
    for run, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if "IPS" in other and abs(one["points"]["ips"] - other["IPS"]) > 1e-9 * abs(other["IPS"]):
            raise SystemExit(f"{name}, log {run}: obp used another log; delete obp.json and run again")


def _apart(ours: list[float], theirs: list[float], truth: float) -> str:
    """Return the difference of two median errors with its interval, by resampling the logs."""
    if len(ours) != len(theirs):
        return ""
    errors = np.abs(np.stack([ours, theirs]) - truth) / truth
    drawn = np.random.default_rng(0).integers(0, len(ours), (2_000, len(ours)))
    gaps = np.median(errors[0][drawn], 1) - np.median(errors[1][drawn], 1)
    point = float(np.median(errors[0]) - np.median(errors[1]))
    low, high = np.quantile(gaps, [0.025, 0.975])
    return f"{100 * point:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) points"


def open_bandit() -> list[str]:
    """Estimate the click rate of Thompson sampling from the log of the random policy, and compare with its own log."""
    from shortlist.evaluate.offpolicy.open_bandit import thompson_from_random

    data = HERE.parents[1] / "shared" / "data" / "open-bandit"
    if not data.exists():
        return ["Open Bandit: the data set is not available.", ""]
    lines = ["### Open Bandit: Thompson sampling, estimated from the random policy's log", ""]
    for campaign in ("men", "women"):
        found = thompson_from_random(data / f"random_{campaign}.parquet", data / f"bts_{campaign}.parquet")
        lines += [
            "| campaign | estimator | estimate from the random log | Thompson sampling's own log | random policy's own log |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, e in found.estimates.items():
            value = (
                e.refused
                if e.value is None
                else f"{e.value.value:.3%} ({e.value.low:.3%} to {e.value.high:.3%})"
            )
            lines.append(
                f"| {campaign} | {name} | {value} | {found.thompson.value:.3%} ({found.thompson.low:.3%} to {found.thompson.high:.3%}) | "
                f"{found.random.value:.3%} ({found.random.low:.3%} to {found.random.high:.3%}) |"
            )
        lines += ["", found.sentence(campaign), ""]
    return lines


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    if "report" not in sys.argv:
        for old in FOLDER.glob("*.npz"):
            old.unlink()
        for name in SINGLE:
            single(name)
        for name in SLATES:
            whole_slates(name)
        peers = HERE / ".obp" / "bin" / "python"
        subprocess.run([str(peers), str(HERE / "peers_counterfactual.py"), str(FOLDER)], check=True)
    lines = [
        "## Estimates from logs (`make benchmark-counterfactual`)",
        "",
        results.machine("shortlist", "numpy", "xgboost-cpu"),
        "",
        *table(),
        *open_bandit(),
    ]
    print("\n".join(lines))
    results.write("counterfactual", lines)


if __name__ == "__main__":
    main()
