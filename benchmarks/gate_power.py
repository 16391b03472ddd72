"""How often the retraining gate is right, in the video world (`make benchmark-gate`).

Two models serve the same users. Both know what a user wants of a video, with an error; the errors of the two have a part in
common, as those of a model and its successor. The new model is equal to the present one, truly better by 5 % of seconds watched,
or truly worse by 10 %: its error is larger or smaller. The present model serves with exploration, its slates are logged with
their chances, and the gate's judgement (`evaluate/shown`) is made from that log alone. No user, slate or error is shared by two
trials.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import results
from shortlist.config.objectives import Objective
from shortlist.evaluate.shown import LoggedSlates, ModelAnswers, ShownResult, judge_shown
from shortlist.rank.list_members import ListMembers
from shortlist.simulate.video import make_video
from shortlist.tuning.gate import NEW, PRESENT, GateResult

TRIALS = 200
USERS, ITEMS, POOL = 3_000, 400, 40
ERROR, COMMON = 0.8, 0.9
"""Standard deviation of the present model's error, in units of the true spread, and the share that both models have in common."""
CALIBRATED = 8
"""Draws by which the error of a better or worse model is found."""
Floats = NDArray[np.float64]
SECONDS = Objective(kind="amount", events=["watch"])


@dataclass(frozen=True)
class Truth:
    """What users want: seconds per look, float (users, items), chance of a click, and how slots are looked at."""

    seconds: Floats
    click: Floats
    examined: Floats

    @classmethod
    def of_world(cls, seed: int) -> Truth:
        """Take the truth of the video world, averaged over devices."""
        population = make_video(users=USERS, items=ITEMS, sessions=4_000, days=20, seed=seed).population
        known = np.flatnonzero(population.arrival_day <= population.log_days)
        user, item = np.repeat(np.arange(USERS), len(known)), np.tile(known, USERS)
        model = population.model
        click = population.average_over_contexts(model.choice_probability)(user, item)
        seconds = population.average_over_contexts(
            lambda u, i, c: model.choice_probability(u, i, c) * model.expected_outcome(u, i, c)
        )(user, item)
        shape = USERS, len(known)
        return cls(seconds.reshape(shape), click.reshape(shape), population.examination)

    def predictions(self, error: float, common: Floats, rng: np.random.Generator) -> Floats:
        """Return predictions of seconds with an error of a given size, of which a part is common."""
        logs = np.log(self.seconds + 1e-9)
        shared = min(COMMON * ERROR / error, 1.0)
        own = rng.standard_normal(logs.shape)
        return np.asarray(
            np.exp(logs + error * logs.std() * (shared * common + np.sqrt(1 - shared**2) * own))
        )

    def value(self, predictions: Floats) -> float:
        """Return the true seconds of the best slates by some predictions."""
        best = np.argsort(-predictions, axis=1)[:, : len(self.examined)]
        return float((np.take_along_axis(self.seconds, best, 1) * self.examined).sum(1).mean())

    def error_for(self, share: float) -> float:
        """Return the error with which a model reaches a share of the present one's value, over some trials."""
        draws = []
        for seed in range(CALIBRATED):
            rng = np.random.default_rng([seed, 11])
            common = rng.standard_normal(self.seconds.shape)
            draws.append((common, self.value(self.predictions(ERROR, common, rng)), rng.integers(2**31)))
        low, high = 0.05, 4.0
        for _ in range(14):
            middle = (low + high) / 2
            reached = [
                self.value(self.predictions(middle, common, np.random.default_rng(seed))) / value
                for common, value, seed in draws
            ]
            low, high = (middle, high) if np.mean(reached) > share else (low, middle)
        return low


def trial(truth: Truth, error: float, slates: int, strength: float, seed: int) -> tuple[ShownResult, float]:
    """Serve with the present model, and judge the new one. Returns the judgement and the true difference."""
    rng = np.random.default_rng([seed, 7])
    common = rng.standard_normal(truth.seconds.shape)
    present = truth.predictions(ERROR, common, rng)
    new = truth.predictions(error, common, rng)
    users = np.sort(rng.integers(0, USERS, slates))
    shown, chance = draw_slates(present[users], strength, len(truth.examined), rng)

    def at(values: Floats, items: NDArray[np.int64]) -> Floats:
        return np.take_along_axis(values[users], items, 1)

    clicked = rng.random(shown.shape) < at(truth.click, shown) * truth.examined
    seconds = at(truth.seconds, shown) / np.maximum(at(truth.click, shown), 1e-12)
    outcome = np.where(clicked, seconds * rng.gamma(4.0, 0.25, shown.shape), 0.0)
    logged = LoggedSlates(
        users,
        np.arange(slates, dtype=np.int64),
        [{}] * slates,
        shown,
        chance,
        {"seconds": outcome},
        truth.examined,
        ListMembers.none(slates),
    )
    targets = {
        name: np.argsort(-values, axis=1)[:, : len(truth.examined)][users]
        for name, values in ((NEW, new), (PRESENT, present))
    }
    answers = {
        name: ModelAnswers(
            targets[name],
            {
                "shown": {"seconds": at(values, shown)},
                **{of: {"seconds": at(values, target)} for of, target in targets.items()},
            },
        )
        for name, values in ((NEW, new), (PRESENT, present))
    }
    judged = judge_shown(logged, answers, {"seconds": SECONDS}, {"seconds": 1.0}, draws=300, seed=seed)
    assert judged is not None
    return judged, truth.value(new) / truth.value(present) - 1


def draw_slates(
    predictions: Floats, strength: float, slots: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Draw Plackett–Luce slates from the best candidates, as `rerank.explore` does, and their chances."""
    best = np.argsort(-predictions, axis=1)[:, :POOL]
    if strength <= 0:
        return best[:, :slots], np.ones((len(best), slots))
    log_weight = -np.log(np.arange(POOL) + 1.0) / strength
    place = np.argsort(-(log_weight + rng.gumbel(size=best.shape)), axis=1)[:, :slots]
    weight = np.exp(log_weight)[place]
    left = np.exp(log_weight).sum() - np.cumsum(weight, axis=1) + weight
    return np.take_along_axis(best, place, 1), np.minimum(weight / left, 1.0)


def main(trials: int = TRIALS) -> None:
    """Run all trials and write the table."""
    truth = Truth.of_world(1)
    errors = {
        "worse by 10 %": truth.error_for(0.90),
        "equal": ERROR,
        "better by 5 %": truth.error_for(1.05),
    }
    rows = []
    for slates, strength in ((10_000, 1.0), (10_000, 0.5), (20_000, 0.5), (20_000, 0.3), (10_000, 0.0)):
        for kind, error in errors.items():
            found = [trial(truth, error, slates, strength, seed) for seed in range(trials)]
            passed = [GateResult(one.decides(PRESENT)[1], "", one).passed for one, _ in found]
            ways = [one.decides(PRESENT)[0].way for one, _ in found]
            told = [one.decides(PRESENT)[1].verdict != "can't tell" for one, _ in found]
            gap = [
                judgement.against(PRESENT).difference.value / judgement.values[PRESENT]  # type: ignore[union-attr]
                for judgement in (one.decides(PRESENT)[0] for one, _ in found)
            ]
            rows.append(
                [
                    f"{slates:,}",
                    f"{strength:g}",
                    kind,
                    f"{np.mean([true for _, true in found]):+.1%}",
                    f"{np.mean(gap):+.1%}",
                    f"{np.mean(np.array(ways) == 'chance'):.0%}",
                    f"{np.mean(told):.0%}",
                    f"{np.mean(passed):.1%}",
                ]
            )
            print(*rows[-1], flush=True)
    head = ["slates", "exploration", "new model", "true", "estimated", "by chance", "told apart", "passed"]
    lines = [
        "## Retraining gate (`make benchmark-gate`)",
        "",
        results.machine("shortlist", "numpy"),
        "",
        (
            f"{trials} trials a row; {USERS:,} users and {ITEMS} videos of the video world (simulated), slates of "
            f"{len(truth.examined)}. `benchmarks/gate_power.py` describes a trial. `exploration` is the strength of Plackett–Luce "
            "exploration; with 0 there are no chances, and only the order of what was shown can be judged."
        ),
        "",
        *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)),
    ]
    print("\n".join(lines))
    results.write("gate", lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS)
