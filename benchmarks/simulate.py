"""Closed-loop simulation of the four recipes (`make benchmark-simulate [PARTS="video shop"]`; takes over an hour for all).

Each recipe is compared with popularity, matrix factorisation alone, random items, a policy with all weight on the first objective, and
itself without exposure for new items: ten rounds of two days, retrained before each, over five seeds. The settings of the recipes were
chosen on other seeds (100 and above).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import results
from shortlist.simulate.closed_loop.loop import simulate
from shortlist.simulate.closed_loop.measures import DESCRIPTIONS, DISCOVERY, MEASURES, OUTCOME, PER_VISIT
from shortlist.simulate.closed_loop.report import loop_page, sentences
from shortlist.simulate.closed_loop.result import LoopResult
from shortlist.simulate.registry import WORLDS, make_world

HERE = Path(__file__).parent / ".simulate"
ROUNDS, SEEDS, DAYS, LOG = 10, 5, 2, 30
SIZES = {"shop": (600, 500, 8_000), "movies": (600, 500, 8_000)}
USUAL = (400, 300, 5_000)
"""Users, items, and sessions of the first log."""


def simulated(name: str) -> LoopResult:
    users, items, sessions = SIZES.get(name, USUAL)
    return simulate(
        lambda seed: make_world(name, users, items, sessions, seed, LOG, ROUNDS * DAYS),
        ROUNDS,
        SEEDS,
        DAYS,
    )


def short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def part(name: str, loop: LoopResult, took: float) -> list[str]:
    def e(policy: str, measure: str) -> str:
        found = loop.estimate(policy, measure)
        return f"{short(found.value)} ({short(found.low)} to {short(found.high)})"

    f = loop.facts
    lines = [
        f"### {name} (simulated): {DESCRIPTIONS[OUTCOME].format(unit=loop.unit)} per round",
        "",
        *sentences(loop),
        "",
        f"{f['users']:,} users, {f['items']:,} items, {f['events_of_the_log']:,} events in the first log, {f['rounds']} rounds.",
        "",
    ]
    lines += [
        "| policy | outcome | outcome per visit | gain of the recipe | first → last round | diversity | coverage | new item discovery |"
    ]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for policy in sorted(loop.values, key=lambda p: -loop.estimate(p).value):
        more = loop.relative_gain("recipe", policy)
        gain = "" if policy == "recipe" else f"{more.value:+.0%} ({more.low:+.0%} to {more.high:+.0%})"
        rounds = loop.by_round(policy)
        rest = " | ".join(
            f"{loop.estimate(policy, m).value:.2f}" for m in ("diversity", "coverage", DISCOVERY)
        )
        lines.append(
            f"| {policy} | {e(policy, OUTCOME)} | {e(policy, PER_VISIT)} | {gain} | {short(rounds[0].value)} → {short(rounds[-1].value)} | {rest} |"
        )
    return [*lines, "", f"{took / 60:.0f} minutes.", ""]


def speeds() -> list[str]:
    """Measure how fast the logs of the worlds are generated, at their default sizes."""
    lines = ["| world | events | events/s, one process |", "| --- | --- | --- |"]
    for name in WORLDS:
        make_world(name, users=100, items=80, sessions=500)
        started = time.perf_counter()
        world = make_world(name)
        rate = world.events.num_rows / (time.perf_counter() - started)
        lines.append(f"| {name} | {world.events.num_rows:,} | {rate:,.0f} |")
    return [*lines, ""]


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for name in sys.argv[1:] or list(WORLDS):
        started = time.perf_counter()
        loop = simulated(name)
        lines = part(name, loop, time.perf_counter() - started)
        (HERE / f"{name}.json").write_text(json.dumps({**loop.to_json(), "lines": lines}), encoding="utf-8")
        (HERE / f"{name}.html").write_text(loop_page(loop), encoding="utf-8")
        print("\n".join(lines), flush=True)
    done = [json.loads((HERE / f"{n}.json").read_text()) for n in WORLDS if (HERE / f"{n}.json").exists()]
    head = [
        "## Closed-loop simulation of the recipes (`make benchmark-simulate`)",
        "",
        results.machine("shortlist", "xgboost-cpu", "numpy"),
        "",
        (
            f"Rounds of {DAYS} days, {SEEDS} seeds; 95 % intervals over "
            f"seeds. Measures: {'; '.join(f'{m}: {DESCRIPTIONS[m]}' for m in MEASURES[2:]).format(unit='')}. Durations are of one thread on a shared machine."
        ),
        "",
    ]
    results.write("simulate", [*head, *speeds()] + [line for one in done for line in one["lines"]])


if __name__ == "__main__":
    main()
