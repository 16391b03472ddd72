"""Metrics of a table of recommendations, compared with ranx and RecTools (`make benchmark-evaluate`).

Gowalla: the top 100 of a retriever for 29,858 users out of 40,981 items, as a Parquet table, and the test and training tables. Each
library runs in its own process: it reads the tables, computes its metrics, and reports time and peak memory. Code is compiled
before, on a hundred users; this is not measured. ranx and RecTools compute means only, without intervals; Shortlist is
measured with 1,000 bootstrap resamples, and without.

The same command measures A/A tests that are read daily, the power of experiments, and the verdicts of the audit.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import results

HERE = Path(__file__).parent
FOLDER = HERE / ".evaluate"
GOWALLA = HERE.parents[1] / "shared" / "data" / "gowalla"
RUNS = 3
K = 100


def prepare() -> None:
    """Write the tables: training events, test events, and the lists of a neighbourhood model."""
    from shortlist.evaluate.train_test_tables import read_train_test
    from shortlist.retrieve import Requests
    from shortlist.retrieve.registry import RETRIEVERS

    train = read_train_test(str(GOWALLA / "train.parquet"), str(GOWALLA / "test.parquet")).train
    model = RETRIEVERS["neighbours"]().fit(train)
    users = np.arange(len(train.users), dtype=np.int32)
    parts = []
    for start in range(0, len(users), 512):
        some = users[start : start + 512]
        parts.append(model.retrieve(Requests.of_users(train, some, np.zeros(len(some), np.int64)), K).item)
    lists = np.concatenate(parts)
    person, place = np.nonzero(lists >= 0)
    frame = {
        "user_id": train.users.ids.ids(person),
        "item_id": train.items.ids.ids(lists[person, place]),
        "rank": (place + 1).astype(np.int32),
    }
    pd.DataFrame(frame).to_parquet(FOLDER / "lists.parquet")
    for part in ("train", "test"):
        table = pd.read_parquet(GOWALLA / f"{part}.parquet")
        table[["user_id", "item_id"]].to_parquet(FOLDER / f"{part}.parquet")


def timed() -> list[str]:
    ways = [
        ("shortlist, 1,000 resamples, with training", sys.executable, "ours-all"),
        ("shortlist, 1,000 resamples, accuracy alone", sys.executable, "ours"),
        ("shortlist, means, accuracy alone", sys.executable, "ours-means"),
        ("ranx, means", str(HERE / ".judges" / "bin" / "python"), "ranx"),
        ("RecTools, means", str(HERE / ".judges" / "bin" / "python"), "rectools"),
    ]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in ways}
    for _ in range(RUNS):  # alternating, so that noise affects all libraries
        for name, python, way in ways:
            done = subprocess.run(
                [python, str(HERE / "peers_evaluate.py"), way, str(FOLDER)],
                check=True,
                capture_output=True,
                text=True,
            )
            found[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
    lines = [
        "### Gowalla, top 100: from tables to metrics",
        "",
        f"29,858 users, {K} of 40,981 items each; median of {RUNS} alternating runs.",
        "",
        "| | seconds | peak memory, GB | metrics | ndcg@100 | recall@100 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in found.items():
        last = runs[-1]
        lines.append(
            f"| {name} | {statistics.median(r['seconds'] for r in runs):.2f} | {max(r['memory'] for r in runs):.2f} | "
            f"{last['numbers']} | {last['ndcg']:.6f} | {last['recall']:.6f} |"
        )
    return [*lines, ""]


def experiments() -> list[str]:
    """Simulate experiments (`tests/support/peeking.py`): 14 days, 120 new users per day, with skewed activity."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from shortlist.experiments.analyse import analyse
    from shortlist.experiments.sequential import difference
    from support.peeking import DAYS, USERS_PER_DAY, daily_looks

    n = DAYS * USERS_PER_DAY
    lines = [
        "### Experiments that are read daily for 14 days (1,680 users)",
        "",
        "| true effect | experiments | ordinary intervals | confidence sequences | confidence sequences with CUPED |",
        "| --- | --- | --- | --- | --- |",
    ]
    for effect, tests in ((0.0, 1000), (0.1, 200), (0.2, 200), (0.3, 200)):
        rng = np.random.default_rng(0)
        plain = safe = past = 0
        for _ in range(tests):
            looks = list(daily_looks(rng, effect))
            past += any(analyse("x", p, "play", [], n).effects[0].verdict != "can't tell" for p in looks)
            safe += any(
                analyse("x", p, "play", [], n, use_past=False).effects[0].verdict != "can't tell"
                for p in looks
            )
            for p in looks:
                gap, variance = difference(*(p.outcome["play"][p.arm == a] for a in (0, 1)))
                if abs(gap) > 1.96 * np.sqrt(variance):
                    plain += 1
                    break
        outcome = "false alarms" if effect == 0 else "detected"
        lines.append(
            f"| {effect:+.0%} | {tests:,} | {plain / tests:.1%} {outcome} | {safe / tests:.1%} | {past / tests:.1%} |"
        )
    return [*lines, ""]


def audits() -> list[str]:
    """Return the results of `shortlist audit` in two worlds. Delete the JSON files to run it again."""
    lines = ["### Which metric to trust (`shortlist audit video`, `shortlist audit movies`)", ""]
    for name in ("video", "movies"):
        path = FOLDER / f"audit-{name}.json"
        if not path.exists():
            command = [sys.executable, "-m", "shortlist.cli", "audit", name, "--json", str(path.resolve())]
            subprocess.run([*command, "--html", str(FOLDER / f"audit-{name}.html")], check=True)
        found = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"**{name}**: " + " ".join(found["sentences"]), ""]
        lines += ["| metric | rank correlation | selected policy | regret |", "| --- | --- | --- | --- |"]
        for a in found["agreements"]:
            rho = a["rank_correlation"]
            if rho is not None:
                lines.append(
                    f"| {a['metric']} | {rho['value']:+.2f} ({rho['low']:+.2f} to {rho['high']:+.2f}) | {a['pick']} | {a['regret']:.0%} |"
                )
        true = sorted(found["truth"].items(), key=lambda pair: -pair[1]["value"])
        lines += [
            "",
            "True seconds per user: " + ", ".join(f"{n} {e['value']:,.0f}" for n, e in true) + ".",
            "",
        ]
    return lines


def main() -> None:
    parts = sys.argv[1:] or ["timed", "experiments", "audits"]
    FOLDER.mkdir(exist_ok=True)
    for part, work in (("timed", timed), ("experiments", experiments), ("audits", audits)):
        if part in parts:
            if part == "timed":
                prepare()
            (FOLDER / f"{part}.md").write_text("\n".join(work()) + "\n")
    lines = ["## Evaluation (`make benchmark-evaluate`)", "", results.machine("shortlist", "numpy"), ""]
    for part in ("timed", "experiments", "audits"):
        if (FOLDER / f"{part}.md").exists():
            lines += [*(FOLDER / f"{part}.md").read_text().splitlines(), ""]
    print("\n".join(lines))
    results.write("evaluate", lines)


if __name__ == "__main__":
    main()
