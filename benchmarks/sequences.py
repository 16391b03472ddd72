"""Which item follows a history: leave-one-out on the Beauty reviews that papers on sequences report (`make benchmark-sequences`).

The last event of each user is the test, the one before it the validation. Models learn from the rest. Settings are chosen on the
validation (`python benchmarks/sequences.py validation transformer`); the test is read once, with the history up to the validation
event.

Each run is kept in benchmarks/.sequences, so that the section can be made in parts: `sequences.py transformer:3 auto` runs the
fourth seed of `transformer`, and `auto`, and writes the section from all that is kept. Without names everything that is missing runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import results
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, progress_bars
from shortlist.retrieve import RETRIEVERS, Requests, Retriever
from shortlist.retrieve.deep.retriever import DeepRetriever
from shortlist.retrieve.fusion.auto import choose

DATA = Path(__file__).parents[2] / "shared" / "data" / "amazon-beauty-sequences"
KEPT = Path(__file__).parent / ".sequences"
NO_TREND: dict[str, Any] = {"trend": False}
"""Requests this late read no trend: learning it would take time and change nothing."""
MODELS: dict[str, tuple[str, dict[str, Any], int]] = {
    "popular": ("popular", {}, 1),
    "neighbours": ("neighbours", {}, 1),
    "slim": ("slim", {}, 1),
    "als": ("als", {}, 1),
    "sequence": ("sequence", {}, 1),
    "transformer, without item attributes": ("transformer", {"attributes": [], **NO_TREND}, 1),
    "transformer, weights not averaged": ("transformer", {"averaging": 0.0, **NO_TREND}, 5),
    "transformer": ("transformer", NO_TREND, 5),
    "transformer, two members": ("transformer", {"members": 2, **NO_TREND}, 4),
    "two_tower": ("two_tower", NO_TREND, 5),
    "auto": ("auto", {}, 1),
    "auto with transformer": ("auto", {"networks": ["transformer"]}, 1),
    "auto with networks": ("auto", {"networks": ["transformer", "two_tower"]}, 1),
}
"""Row of the table → the model, its settings, and the number of seeds."""
TRIED = (
    "Tried for `transformer` on the validation, one seed each, NDCG@10: item vectors of length 1 instead of free ones, 8 epochs: 0.0645 "
    "instead of 0.0492 (+0.0153, +0.0134 to +0.0172), and the targets of the batch as further negatives with it: 0.0630. After 16 epochs with dropout "
    "0.4 and a tenth of the events hidden, these negatives gave 0.0702 instead of 0.0671 (+0.0031, +0.0018 to +0.0044). Dropout 0.2: "
    "0.0745 after 17 epochs with averaged weights and 32-bit products, 0.0726 after 18 epochs without the negatives of the batch. Batches of 1,024 "
    "instead of 2,048: 0.0718 after 6 of 12 epochs, 0.0738 at the end. Keeping the best held-out epoch instead of the latest "
    "that is as good but for chance: 0.0705 instead of 0.0726. Targets beyond the next event cost twice the time and were not better after two epochs. "
    "Averages of the weights over some 500 steps (exponential, 0.998) at the end: 0.0736 instead of 0.0724, and 0.0747 instead of 0.0734, with two "
    "seeds; over 100 steps 0.0725 and 0.0740. On the test these averages gain 0.0006 (+0.0001 to +0.0010) of seeds 3 and 4. The mean of the scores of these two networks: 0.0781, with averaged weights 0.0785; of three networks without averages 0.0795: `members`. "
    "Tried for the fusion on the validation, with two members, candidates among the best 100 by weighted scores: of the items that followed, 0.39 are candidates where the "
    "transformer proposes, 0.31 where it does not. Learned from half or three quarters of the users, for the others: weighted scores 0.0823, trees 0.0821, 200 candidates "
    "instead of 100 0.0802, with the popularity at the time of the last event 0.0825, with the similarity to the last item 0.0820; logit 0.0846 (+0.0023, +0.0004 to +0.0042), trees "
    "on top of it 0.0841, logit with the popularity at that time 0.0845. Learned from the hold-out, as `auto` does: weighted scores 0.0812. "
    "Holding out the last events of 8,000 users only, so that networks learn from more: logit 0.0827, but without networks 0.0692 instead of 0.0745, because events "
    "of others at the same time are then known, which are not at the test. Holding out one event of each user instead of a fifth of the events (131,413 instead "
    "of 119,834 to learn from): logit 0.0844; cross-fitted by two halves of the users, a network for each that knows the last events of the other, 0.0840; "
    "learned from half of the validation's users, for the others, 0.0848. The whole `auto`: 0.0840 instead of 0.0809, and without networks 0.0739 instead of "
    "0.0746 (-0.0007, -0.0014 to -0.0001), so that it is done with networks only. More members in that fusion: three 0.0849 (+0.0005, -0.0001 to +0.0011), five "
    "0.0855 (+0.0010, +0.0003 to +0.0017) for two and a half times the training; two are kept. A `transformer` that holds out nobody and learns for all 16 "
    "epochs: 0.0733 instead of 0.0735. Before, five seeds without averages had 0.0728 and on the test 0.0964 / 0.0571."
)
"""What was tried, stated with the results."""
DEPTH, BATCH = 10, 512
VALIDATION, TEST = 2, 1
"""How far from the end the event is that is asked for."""


@dataclass(frozen=True)
class LeaveOneOut:
    """All events, and how far each is from the last one of its user."""

    dataset: Dataset
    back: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset) -> LeaveOneOut:
        """Split a log."""
        h, back = dataset.histories, np.empty(len(dataset.log), np.int64)
        back[dataset.history_rows] = h.indptr[1:][h.owner] - np.arange(len(h.item))
        return cls(dataset, back)

    @classmethod
    def read(cls) -> LeaveOneOut:
        """Read the reviews."""
        project = parse_project(
            {
                "data": {"columns": {"timestamp": "timestamp"}},
                "items": {"id": "item_id", "attributes": {"attributes": "list"}},
            }
        )
        tables = (pq.read_table(DATA / f"{name}.parquet") for name in ("events", "items"))
        return cls.of(Dataset.from_frames(*tables, project=project))

    def before(self, event: int) -> Dataset:
        """Return the events before the one that is asked for."""
        return replace(self.dataset, log=self.dataset.log.rows(np.flatnonzero(self.back > event)))

    def followed(self, event: int) -> NDArray[np.int32]:
        """Return the item that followed, for each user."""
        h = self.dataset.histories
        return h.item[h.indptr[1:] - event]


@dataclass(frozen=True)
class Kept:
    """A run: the rank of what followed, for each user, and what the model cost."""

    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    seen: NDArray[np.float64]
    """Of the test, with the items of the history ranked, too."""
    in_bytes: NDArray[np.float64]
    """Of the test, with vectors of bytes; empty for models without."""
    facts: dict[str, Any]

    @staticmethod
    def file(name: str, seed: int) -> Path:
        """Return where a run is kept."""
        return KEPT / f"{name.replace(' ', '-').replace(',', '')}-{seed}.npz"

    @classmethod
    def read(cls, name: str, seed: int) -> Kept | None:
        """Return a run; None where it is missing."""
        if not cls.file(name, seed).exists():
            return None
        with np.load(cls.file(name, seed)) as found:
            arrays = {n: found[n] for n in ("validation", "test", "seen", "in_bytes")}
            return cls(**arrays, facts=json.loads(str(found["facts"])))

    def save(self, name: str, seed: int) -> None:
        """Write the run."""
        KEPT.mkdir(exist_ok=True)
        arrays = {n: getattr(self, n) for n in ("validation", "test", "seen", "in_bytes")}
        np.savez_compressed(self.file(name, seed), facts=np.array(json.dumps(self.facts)), **arrays)


def asked(known: Dataset, users: NDArray[np.int64]) -> Requests:
    """Return the requests of some users, made after all events."""
    return Requests.of_users(known, users, np.full(len(users), np.iinfo(np.int64).max // 2, np.int64))


def ranks(
    model: Retriever, known: Dataset, target: NDArray[np.int32], seen: bool = False
) -> NDArray[np.float64]:
    """Return how many items score higher than what followed, ties as a half; `seen`: items of the history are ranked, too."""
    found = []
    for start in range(0, len(target), BATCH):
        users = np.arange(start, min(start + BATCH, len(target)))
        requests = asked(known, users)
        scores = model.score(requests)
        own = scores[np.arange(len(users)), target[users]][:, None].copy()
        if not seen:
            h = requests.histories
            scores[h.owner, h.item] = -np.inf
            scores[np.arange(len(users)), target[users]] = own[:, 0]
        higher = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
        found.append(np.where(np.isfinite(own[:, 0]), higher, np.inf))
    return np.concatenate(found)


def gains(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the NDCG of lists with one relevant item at these ranks."""
    return np.where(at < DEPTH, 1 / np.log2(np.minimum(at, DEPTH) + 2), 0)


def pair(at: NDArray[np.float64]) -> str:
    """Return hit rate and NDCG."""
    return f"{(at < DEPTH).mean():.4f} / {gains(at).mean():.4f}"


def milliseconds(model: Retriever, known: Dataset, number: int = 300) -> float:
    """Return the median processor time of the 100 best items for one history."""
    took = []
    for user in np.linspace(0, len(known.users) - 1, number).astype(np.int64):
        requests = asked(known, np.array([user]))
        started = time.process_time()
        model.retrieve(requests, 100)
        took.append(time.process_time() - started)
    return 1000 * float(np.median(took))


def megabytes(model: Retriever) -> float:
    """Return the size of the saved model."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6


def fitted(name: str, seed: int, known: Dataset, progress: Progress) -> tuple[Retriever, str]:
    """Fit a model, or let `auto` choose; return it, and what was chosen."""
    kind, settings, seeds = MODELS[name]
    if kind == "auto":
        share = 0.0 if settings else 0.2  # with networks, as `shortlist evaluate`: one event of each user
        choice = choose(known, "last", DEPTH, share, progress, seed=seed, **settings)
        return choice.retriever, choice.sentence()
    own = {"seed": seed} if seeds > 1 else {}
    return RETRIEVERS[kind](**settings, **own).fit(known, progress), ""


def run(name: str, seed: int, split: LeaveOneOut) -> Kept:
    """Fit a model and rank for everyone."""
    learned, started = split.before(VALIDATION), time.process_time()
    with progress_bars() as progress:
        model, chosen = fitted(name, seed, learned, progress)
    facts = {
        "seconds": time.process_time() - started,
        "ms": milliseconds(model, learned),
        "MB": megabytes(model),
        "epochs": len(getattr(model, "curves_", ())),
        "chosen": chosen,
    }
    known, target = split.before(TEST), split.followed(TEST)
    in_bytes = np.empty(0)
    if isinstance(model, DeepRetriever):
        small = model.in_bytes()
        in_bytes = ranks(small, known, target)
        facts |= {"ms in bytes": milliseconds(small, learned), "MB in bytes": megabytes(small)}
    validation = ranks(model, learned, split.followed(VALIDATION))
    return Kept(validation, ranks(model, known, target), ranks(model, known, target, True), in_bytes, facts)


def row(name: str, runs: list[Kept]) -> str:
    """Return the row of a model: means over its seeds, and the interval over users of their mean."""
    test = np.stack([gains(one.test) for one in runs])
    of_users = test.mean(0)
    error = 1.96 * of_users.std() / np.sqrt(len(of_users))
    mean, spread = of_users.mean(), test.mean(1).std(ddof=1) if len(runs) > 1 else None
    cells = [name if spread is None else f"{name}, {len(runs)} seeds"]
    cells += [pair(np.concatenate([getattr(one, part) for one in runs])) for part in ("validation", "test")]
    cells += [f"{mean - error:.4f}–{mean + error:.4f}", "" if spread is None else f"{spread:.4f}"]
    cells.append(pair(np.concatenate([one.seen for one in runs])))
    facts = {key: np.median([one.facts[key] for one in runs]) for key in ("ms", "MB")}
    timed = [
        one.facts["seconds"] for one in runs if one.facts["seconds"] is not None
    ]  # not where it went on from a checkpoint
    cells += [f"{np.median(timed):.0f} s" if timed else "", f"{facts['ms']:.2f} ms", f"{facts['MB']:.1f} MB"]
    if len(runs[0].in_bytes):
        loss = np.concatenate([gains(one.in_bytes) - gains(one.test) for one in runs])
        small = [np.median([one.facts[f"{key} in bytes"] for one in runs]) for key in ("ms", "MB")]
        cells.append(f"{loss.mean():+.4f}; {small[0]:.2f} ms, {small[1]:.1f} MB")
    else:
        cells.append("")
    return f"| {' | '.join(cells)} |"


def compared(found: dict[str, list[Kept]]) -> list[str]:
    """Return by how much the best rows differ from others, over users."""
    lines = []
    for better, other in (
        ("transformer", "sequence"),
        ("transformer", "slim"),
        ("transformer, two members", "transformer"),
        ("auto", "transformer"),
        ("auto with transformer", "auto"),
        ("auto with transformer", "transformer"),
        ("auto with networks", "auto with transformer"),
    ):
        if better in found and other in found:
            gap = np.mean([gains(one.test) for one in found[better]], 0)
            gap = gap - np.mean([gains(one.test) for one in found[other]], 0)
            error = 1.96 * gap.std() / np.sqrt(len(gap))
            low, high = gap.mean() - error, gap.mean() + error
            lines.append(f"- `{better}` − `{other}`: NDCG {gap.mean():+.4f} ({low:+.4f} to {high:+.4f}).")
    return lines


def write() -> None:
    """Write the section from the runs that are kept."""
    found = {}
    for name, (_, _, seeds) in MODELS.items():
        if runs := [one for seed in range(seeds) if (one := Kept.read(name, seed)) is not None]:
            found[name] = runs
    protocol = (
        "Leave-one-out: each user's last event is the test, the one before it the validation, and models learn from the rest alone. "
        "At the test, the validation event is part of the history. All items of the catalogue are ranked, without those of the history; "
        "in one column with them. HR@10 / NDCG@10, means over seeds; intervals of 95 % over users; spread: standard deviation over seeds. "
        "Settings are the defaults of each model; those of the networks were chosen on the validation. In bytes: the same model with "
        '`vectors = "int8"`, the difference of NDCG, and what it costs. Networks of rows of their own are trained without learning `trend`, which '
        "takes a quarter more and does not act on requests this late. Two members are the networks of a seed and the next one, so that "
        "neighbouring seeds share a network. Times of networks are those of a machine with three to nine processes for its two cores. `auto` with "
        "networks holds out one event of each user, as `shortlist evaluate` does for such a test; without, a fifth of the events."
    )
    published = (
        "Published: eSASRec 0.0928 / 0.0523, SASRec with sampled softmax 0.0921 / 0.0531. Neither reads item attributes; "
        "`transformer` and `two_tower` read the categories and brands that the data set has."
    )
    columns = [
        "",
        "validation",
        "test",
        "NDCG of the test, 95 %",
        "spread",
        "test, items of the history ranked, too",
    ]
    columns += ["fit (processor)", "one history", "saved", "in bytes"]
    chosen = [
        f"- {name}: {found[name][0].facts['chosen']}" for name in found if found[name][0].facts["chosen"]
    ]
    results.write(
        "sequences",
        [
            "# Sequences\n",
            f"Written by `make benchmark-sequences`. {results.machine('numpy', 'numba', 'scipy', 'torch')} One thread, no GPU.\n",
            "## Amazon Beauty (5-core): 22,363 users, 12,101 items, 198,502 events\n",
            f"{protocol}\n",
            f"{published}\n",
            f"| {' | '.join(columns)} |",
            f"| {' | '.join('---' for _ in columns)} |",
            *(row(name, runs) for name, runs in found.items()),
            "",
            *compared(found),
            "",
            f"{TRIED}\n",
            *chosen,
        ],
    )


def main(arguments: list[str]) -> None:
    """Run what is named, or what is missing, and write the section; after the word `validation`, print the validation alone."""
    split = LeaveOneOut.read()
    if arguments[:1] == ["validation"]:
        for name in arguments[1:] or MODELS:
            with progress_bars() as progress:
                model, _ = fitted(name, 0, split.before(VALIDATION), progress)
            print(name, pair(ranks(model, split.before(VALIDATION), split.followed(VALIDATION))), flush=True)
        return
    wanted = [(name, seed) for name, (_, _, seeds) in MODELS.items() for seed in range(seeds)]
    named = {(name, int(seed or 0)) for name, _, seed in (one.partition(":") for one in arguments)}
    for name, seed in wanted:
        if (name, seed) in named or not (named or Kept.file(name, seed).exists()):
            found = run(name, seed, split)
            found.save(name, seed)
            print(name, seed, pair(found.validation), pair(found.test), flush=True)
    write()


if __name__ == "__main__":
    main(sys.argv[1:])
