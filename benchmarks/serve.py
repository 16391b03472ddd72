"""Benchmark of serving (`make benchmark-serve`); needs wrk and PostgreSQL from Debian's packages.

A catalogue of 100,000 items and 200,000 users (`serve_world.py`): three sources, 500 candidates, 30 features, three objectives,
diversity, reasons, JSON. wrk requests slates for random users on loopback; server and wrk share the machine's cores. The baseline
`peer_serve.py` alternates with it, once with one source and without diversity and reasons, and once doing the same work.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import catalogue_changes
import results
import serve_world

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from support.postgres import Postgres  # noqa: E402
from support.servers import free_port  # noqa: E402

TURNS, SECONDS, USERS = 3, 4, 200_000
LOADS = {
    "1 worker, 1 connection": (1, 1),
    "1 worker, 8 connections": (1, 8),
    "2 workers, 8 connections": (2, 8),
    "2 workers, 32 connections": (2, 32),
}
ONE = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "NUMBA")}
LUA = """
math.randomseed(os.time())
request = function()
  local body = '{"user": ' .. math.random(0, %d) .. ', "n": 20}'
  return wrk.format("POST", "/v1/recommend", {["Content-Type"] = "application/json"}, body)
end
"""

LUA_LIST = """
math.randomseed(os.time())
request = function()
  local seen, listed = {}, {}
  while #listed < %d do
    local item = math.random(0, %d)
    if not seen[item] then seen[item] = true; listed[#listed + 1] = item end
  end
  local body = '{"user": ' .. math.random(0, %d) .. ', "items": [' .. table.concat(listed, ",") .. ']}'
  return wrk.format("POST", "/v1/rank", {["Content-Type"] = "application/json"}, body)
end
"""


class Running:
    """A server in its own process group."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        self.port, self.started = port, time.perf_counter()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while True:
            try:
                if self.get("/healthz")[0] == 200:
                    break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{command} did not start") from None
                time.sleep(0.05)
        self.ready = time.perf_counter() - self.started

    def get(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def memory(self) -> float:
        """Return the resident memory of the largest process in GB."""
        import psutil

        family = [
            psutil.Process(self.process.pid),
            *psutil.Process(self.process.pid).children(recursive=True),
        ]
        return max(p.memory_info().rss for p in family) / 1e9

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def ours(bundle: Path, folder: Path, workers: int) -> Running:
    port = free_port()
    store = folder / f"events-{port}.sqlite"
    command = [sys.executable, "-m", "shortlist.cli", "serve", str(bundle), "--port", str(port)]
    return Running([*command, "--store", str(store), "--workers", str(workers)], port, {})


def peer(bundle: Path, folder: Path, workers: int, trees: int, work: str = "less") -> Running:
    port = free_port()
    command = [str(Path(sys.executable).parent / "granian"), "--interface", "asgi", "--port", str(port)]
    command += ["--workers", str(workers), "--log-level", "error", "peer_serve:app"]
    own = {"PEER_BUNDLE": bundle, "PEER_TREES": trees, "PEER_WORK": work, "PYTHONPATH": HERE}
    own["PEER_STORE"] = folder / f"peer-{port}.sqlite"
    return Running(command, port, {**ONE, **{name: str(value) for name, value in own.items()}})


def loaded(port: int, connections: int, lua: Path) -> dict[str, float]:
    """Run wrk once: p50 and p99 in ms, requests per second, failures."""
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{SECONDS}",
            "-s",
            str(lua),
            "--latency",
            f"http://127.0.0.1:{port}",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    def ms(name: str) -> float:
        number, unit = re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", done).groups()  # type: ignore[union-attr]
        return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]

    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done)
    return {
        "p50": ms("50"),
        "p99": ms("99"),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1)),  # type: ignore[union-attr]
        "failed": float(bad.group(1) if bad else 0) + sum(map(float, errors.groups() if errors else ())),
    }


def race(
    bundle: Path, folder: Path, trees: int
) -> tuple[dict[tuple[str, str], list[dict[str, float]]], list[str]]:
    """Measure the servers alternately, each load three times."""
    lua = folder / "ask.lua"
    lua.write_text(LUA % (USERS - 1))
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    facts = []
    for turn in range(TURNS):
        for workers in (1, 2):
            for name, make in (
                ("shortlist", lambda w: ours(bundle, folder, w)),
                ("peer", lambda w: peer(bundle, folder, w, trees)),
                ("peer, same work", lambda w: peer(bundle, folder, w, trees, "same")),
            ):
                server = make(workers)
                loaded(server.port, workers * 2, lua)  # warm
                for load, (wanted, connections) in LOADS.items():
                    if wanted == workers:
                        found.setdefault((name, load), []).append(loaded(server.port, connections, lua))
                if turn == 0 and workers == 1:
                    facts.append(
                        f"{name}: ready after {server.ready:.1f} s, {server.memory():.2f} GB resident"
                    )
                    if name == "shortlist":
                        facts += [*stages(server), given_lists(server, 100_000, folder)]
                server.stop()
    return found, facts


def against(found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """Compare throughput with the peers', turn by turn."""
    parts = []
    for load in LOADS:
        ratios = [
            np.median(
                [
                    a["rate"] / b["rate"]
                    for a, b in zip(found["shortlist", load], found[name, load], strict=True)
                ]
            )
            for name in ("peer", "peer, same work")
        ]
        parts.append(f"{load}: {ratios[0]:.2f} and {ratios[1]:.2f}")
    return f"Throughput ÷ throughput of the peer, and of the peer with the same work (medians of the turns): {'; '.join(parts)}."


def stages(server: Running) -> list[str]:
    """Return the time of each stage of a request (`?debug=timing`): medians of 300."""
    rng = np.random.default_rng(1)
    timings = []
    for user in rng.integers(0, USERS, 300).tolist():
        body = json.dumps({"user": user, "n": 20}).encode()
        timings.append(json.loads(server.get("/v1/recommend?debug=timing", body)[1])["timing"])
    medians = {name: float(np.median([t[name] for t in timings])) for name in timings[0]}
    return ["| stage | ms |", "| --- | --- |", *(f"| {n} | {v:.2f} |" for n, v in medians.items())]


def given_lists(server: Running, items: int, folder: Path) -> str:
    """Measure `/v1/rank` with random lists of one connection, by wrk as slates are: one sentence."""
    found = []
    for size in (100, 500, 2_000):
        lua = folder / f"rank-{size}.lua"
        lua.write_text(LUA_LIST % (size, items - 1, USERS - 1))
        took = loaded(server.port, 1, lua)
        assert not took["failed"], took
        found.append(f"{size:,} items {took['p50']:.2f} ms (p50), {took['p99']:.2f} ms (p99)")
    return f"Given lists over HTTP (`/v1/rank`), one connection: {'; '.join(found)}."


def in_process(bundle: Path) -> list[str]:
    """Measure `recommend` for one user and for a batch in this process."""
    from shortlist import Recommender

    recommender = Recommender.load(bundle)
    people = recommender.dataset.users.ids.values.to_pylist()
    for user in people[:50]:
        recommender.recommend(user=user, n=20)
    took = []
    for user in people[100:1100]:
        started = time.perf_counter()
        recommender.recommend(user=user, n=20)
        took.append(1000 * (time.perf_counter() - started))
    recommender.recommend(users=people[:256], n=20)
    rates = []
    for turn in range(3):
        started = time.perf_counter()
        recommender.recommend(users=people[2000 * turn : 2000 * (turn + 1)], n=20)
        rates.append(2000 / (time.perf_counter() - started))
    return [
        (
            f"In process: one user {np.median(took):.2f} ms (p50), {np.quantile(took, 0.99):.2f} ms (p99); "
            f"batch {statistics.median(rates):,.0f} users per second."
        )
    ]


def large(folder: Path) -> list[str]:
    """Measure start, memory and throughput with a million items of 128 factors."""
    bundle = serve_world.bundle(*serve_world.LARGE)
    lua = folder / "ask.lua"
    lua.write_text(LUA % (USERS - 1))
    rows = []
    for workers, connections in ((1, 1), (1, 8), (2, 8)):
        runs = []
        for _ in range(TURNS):
            server = ours(bundle, folder, workers)
            loaded(server.port, connections, lua)  # warm
            measured = loaded(server.port, connections, lua)
            runs.append({**measured, "ready": server.ready, "memory": server.memory()})
            server.stop()
        m = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
        rows.append(
            f"| {workers}, {connections} | {m['ready']:.1f} | {m['memory']:.2f} | {m['p50']:.1f} | {m['p99']:.1f} | {m['rate']:.0f} | "
            f"{m['failed']:.0f} |"
        )
    server = ours(bundle, folder, 1)
    changes = catalogue_changes.measure(server, serve_world.LARGE[0], USERS)
    server.stop()
    size = sum(f.stat().st_size for f in bundle.rglob("*") if f.is_file()) / 1e9
    return [
        "### A million items",
        "",
        (
            f"1,000,000 items with 128 factors, 200,000 users, 5 M events, otherwise as above; the bundle takes {size:.1f} GB on disk. Memory is "
            f"that of one worker after the load test; medians of {TURNS}."
        ),
        "",
        "| workers, connections | start to ready, s | resident, GB | p50 ms | p99 ms | requests/s | failed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        coded(bundle),
        "",
        "Items added and changed while one connection requests slates:",
        "",
        *changes,
        "",
    ]


def coded(bundle: Path) -> str:
    """Compare scores and lists by 8-bit factors with those by the trained factors."""
    from shortlist import Recommender

    recommender = Recommender.load(bundle)
    als: Any = recommender.model.retrievers["als"]
    people = recommender.some_users(100)
    from shortlist.cascade.inspect import encode_requests
    from shortlist.requests import RecommendRequest

    requests = encode_requests(recommender.model, recommender.state, [RecommendRequest(p) for p in people])
    factors = als.fold_in(requests)
    exact, now = factors @ als.item_factors_.T, als.quantized_.dot(factors)
    best, found = (np.argpartition(-scores, 499, axis=1)[:, :500] for scores in (exact, now))
    off = np.abs(np.take_along_axis(now - exact, best, 1) / np.take_along_axis(exact, best, 1))
    same = np.mean([len(np.intersect1d(a, b)) / 500 for a, b in zip(best, found, strict=True)])
    return (
        f"8-bit factors: the scores of the exact best 500 items of {len(people)} users have an error of {np.median(off):.2%} (median; 99 % "
        f"of them below {np.quantile(off, 0.99):.1%}), and {same:.1%} of these items are among the best 500 by 8-bit factors."
    )


def events(bundle: Path, target: str) -> float:
    """Measure events per second in batches of 100 from four connections; each batch is durable before its answer."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "shortlist.cli",
        "serve",
        str(bundle),
        "--port",
        str(port),
        "--store",
        target,
    ]
    server = Running(command, port, {})
    accepted: list[int] = []

    def send(which: int) -> None:
        rng = np.random.default_rng(which)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for batch in range(100):
            body = [
                {
                    "user": u,
                    "item": i,
                    "kind": "view",
                    "event_id": f"{which}-{batch}-{n}",
                    "context": {"device": "phone"},
                }
                for n, (u, i) in enumerate(
                    zip(
                        rng.integers(0, USERS, 100).tolist(),
                        rng.integers(0, 10**5, 100).tolist(),
                        strict=True,
                    )
                )
            ]
            connection.request(
                "POST", "/v1/events", json.dumps({"events": body}), {"Content-Type": "application/json"}
            )
            accepted.append(json.loads(connection.getresponse().read())["accepted"])

    threads = [threading.Thread(target=send, args=(which,)) for which in range(4)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    server.stop()
    assert sum(accepted) == 40_000
    return sum(accepted) / took


def main() -> None:
    bundle = serve_world.bundle()
    trees = json.loads(
        subprocess.run(
            [sys.executable, "-c", TREES, str(bundle)], capture_output=True, text=True, check=True
        ).stdout
    )
    with tempfile.TemporaryDirectory(dir=HERE / ".serve") as kept:
        folder = Path(kept)
        found, facts = race(bundle, folder, trees)
        lines = [
            "## Serving (`make benchmark-serve`)",
            "",
            results.machine("shortlist", "fastapi", "granian", "xgboost-cpu", "faiss-cpu"),
            "",
            (
                f"100,000 items, 200,000 users, 5 M events; 500 candidates, {trees} trees per objective, slates of 20. Shortlist: three sources, "
                "live features, diversity, reasons, logged slates. Peer (`peer_serve.py`): one source and none of these; with the same work: all "
                "except live features. wrk runs on the same "
                f"cores, with random users; medians of {TURNS} alternating runs of {SECONDS} s."
            ),
            "",
            "| load | | p50 ms | p99 ms | requests/s | failed |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for load in LOADS:
            for name in ("shortlist", "peer", "peer, same work"):
                runs = found[name, load]
                m: dict[str, Any] = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
                span = f"{min(r['rate'] for r in runs):.0f} to {max(r['rate'] for r in runs):.0f}"
                lines.append(
                    f"| {load} | {name} | {m['p50']:.2f} | {m['p99']:.2f} | {m['rate']:.0f} ({span}) | {m['failed']:.0f} |"
                )
        lines += ["", against(found)]
        lines += [
            "",
            *(f for f in facts if not f.startswith("|")),
            "",
            "Time of each stage of one request, inside the server:",
            "",
        ]
        lines += [f for f in facts if f.startswith("|")]
        lines += ["", *in_process(bundle)]
        lines += ["", "### Events over HTTP: batches of 100, four connections, durable before the answer", ""]
        lines += ["| store | events/s |", "| --- | --- |"]
        lines.append(f"| SQLite | {events(bundle, str(folder / 'e.sqlite')):,.0f} |")
        own = Postgres()
        lines.append(f"| PostgreSQL | {events(bundle, own.database()):,.0f} |")
        own.remove()
        lines += ["", *large(folder)]
    print("\n".join(lines))
    results.write("serve", lines)


TREES = """
import json, sys, xgboost
print(xgboost.Booster(model_file=sys.argv[1] + "/ranker/head-0.json").num_boosted_rounds())
"""

if __name__ == "__main__":
    main()
