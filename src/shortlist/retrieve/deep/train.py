"""Training of the transformer with PyTorch. Nothing else of Shortlist imports PyTorch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shortlist.data.progress import Progress
from shortlist.errors import DataError, ProjectError
from shortlist.metrics.ranking import discount
from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.batches import Held, Padded, Windows, hold_out
from shortlist.retrieve.deep.checkpoint import fingerprint, read_checkpoint, write_checkpoint
from shortlist.retrieve.deep.cost import TrainingCost
from shortlist.retrieve.deep.inputs import EventInputs
from shortlist.retrieve.deep.losses import full_softmax, sampled_softmax
from shortlist.retrieve.deep.network import Events, HistoryNetwork, ItemTable
from shortlist.retrieve.deep.settings import TransformerConfig
from shortlist.threads import thread_limit

Arrays = dict[str, NDArray[Any]]

DEPTH = 10
"""Length of the list on which held-out events are evaluated."""
WARM_UP = 0.05
"""Share of all steps in which the step size rises."""
LONGEST_GRADIENT = 1.0
"""Longer gradients are shortened to this length."""
MINUTE = 60.0
"""Seconds after which the remaining time is stated."""


class Trained(NamedTuple):
    """What training learned."""

    network: NDArray[np.float32]
    """float32: the weights of the network, in the order of `Architecture.shapes`."""
    own: NDArray[np.float32]
    """float32 (items, d): the own vector of each item."""
    token: NDArray[np.float32]
    """float32 (T, d): the vector of each token."""
    curves: list[dict[str, float]]
    """For each epoch: `loss` and, where events are held out, `ndcg@10` and `hit_rate@10` of these."""


class Trainer:
    """Trains the network and the item vectors on next events.

    Each event but the first of a user is a target, predicted from the events before it (shifted-sequence targets). AdamW
    takes steps along a cosine schedule. After each epoch the held-out events are ranked among the whole catalogue;
    training stops when that has not improved for `patience` epochs, and the best weights are kept.

    The numbers of an epoch follow from the seed, the epoch and the state before it, so that a training that goes on from
    a checkpoint ends as one that was not interrupted.

    `run` raises `DataError` where the loss is no longer a number.

    Parameters
    ----------
    config
        Settings.
    shape
        The shape of the network.
    tokens
        Sparse float32 (items, T): the tokens of each item that has events. Others are no negatives, because nobody could take
        them.
    events
        The events of all users; items are rows of `tokens`.
    progress
        Called with each step of training.
    """

    def __init__(
        self,
        config: TransformerConfig,
        shape: Architecture,
        tokens: sp.csr_matrix,
        events: EventInputs,
        progress: Progress,
    ) -> None:
        self.config, self.shape, self.progress = config, shape, progress
        self.n_items = int(tokens.shape[0])
        self.device = _device(config)
        training, self.held = hold_out(
            events, config.validation, shape.history, np.random.default_rng([config.seed, 0])
        )
        self.windows = Windows.of(training, shape.history)
        self.negatives = config.negatives_of(self.n_items)
        counts = np.bincount(training.item, minlength=self.n_items)
        self.frequency = _sampling(counts).to(self.device)
        with _seeded(config.seed, 0, self.device):
            self.table = ItemTable(tokens, shape.width).to(self.device)
            self.network = HistoryNetwork(shape, config.dropout).to(self.device)
        self.encode: Any = torch.compile(self.network, dynamic=True) if config.compile else self.network
        self.parts = nn.ModuleDict({"table": self.table, "network": self.network})
        self.optimizer = torch.optim.AdamW(
            self.parts.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
        )
        self.curves: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.started = 0.0
        self.resumed = 0
        self.told = False
        self.file = self._checkpoint_file(tokens, events)
        targets = int(self.windows.targets.sum())
        self.cost = TrainingCost(
            shape,
            self.n_items,
            int(tokens.shape[1]),
            self.negatives or self.n_items,
            targets,
            min(targets, -(-config.batch // config.accumulate)),
        )

    # ---------------------------------------------------------------- the loop

    def run(self) -> Trained:
        """Train, and return what was learned; zeros where no user has two events."""
        if not len(self.windows.start):
            return self._nothing()
        self.progress(self.cost.before(self.device.type), 1.0)
        self._resume()
        self.started, self.resumed = time.perf_counter(), len(self.curves)
        with _threads():
            for epoch in range(self.resumed, self.config.epochs):
                if self._finished():
                    break
                with _seeded(self.config.seed, epoch + 1, self.device):
                    self._epoch(epoch)
        if self.file is not None:
            self.file.unlink(missing_ok=True)
        self.parts.load_state_dict(self.best)
        state = {name: value.detach().cpu().numpy() for name, value in self.parts.state_dict().items()}
        network = np.concatenate([state[f"network.{name}"].ravel() for name in self.shape.shapes])
        return Trained(network, state["table.own"], state["table.token"], self.curves)

    def _nothing(self) -> Trained:
        own, token = (np.zeros(part.shape, np.float32) for part in (self.table.own, self.table.token))
        return Trained(np.zeros(self.shape.size, np.float32), own, token, [])

    def _epoch(self, epoch: int) -> None:
        rng = np.random.default_rng([self.config.seed, epoch + 1])
        batches = self.windows.batches(self.config.batch, rng)
        name = f"epoch {epoch + 1} of {self.config.epochs}"
        self.progress(name, 0.0)
        total = 0.0
        for number, rows in enumerate(batches):
            done = (epoch + number / len(batches)) / self.config.epochs
            self._set_step_size(done + 0.5 / len(batches) / self.config.epochs)
            total += self._step(rows)
            self._tell_time(done)
            self.progress(name, (number + 0.5) / len(batches))
        found = {"loss": total / max(len(batches), 1)} | self._evaluate()
        if not math.isfinite(found["loss"]):
            raise DataError(
                f"transformer: the loss of epoch {epoch + 1} is {found['loss']}; lower learning_rate ({self.config.learning_rate:g})",
                field="learning_rate",
            )
        self.curves.append(found)
        if self._best_epoch() == epoch:
            self.best = {n: value.detach().clone() for n, value in self.parts.state_dict().items()}
        self._save()
        self.progress(name, 1.0)
        self.progress(", ".join(f"{key} {value:.4g}" for key, value in found.items()), 1.0)

    def _best_epoch(self) -> int:
        """Return the epoch with the best held-out events so far; the last one where none are held out."""
        if not len(self.held.target):
            return len(self.curves) - 1
        return int(np.argmax([one[f"ndcg@{DEPTH}"] for one in self.curves]))

    def _finished(self) -> bool:
        return bool(self.curves) and len(self.curves) - 1 - self._best_epoch() >= self.config.patience

    def _set_step_size(self, done: float) -> None:
        scale = min(1.0, done / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * scale

    def _tell_time(self, done: float) -> None:
        """State the remaining time once, after a minute on a CPU. done: share of all epochs."""
        seconds = time.perf_counter() - self.started
        share = done - self.resumed / self.config.epochs
        if self.told or self.device.type != "cpu" or seconds < MINUTE or share <= 0:
            return
        self.told = True
        self.progress(self.cost.after_a_minute(seconds * (1 - done) / share, self.config.epochs), 1.0)

    # ---------------------------------------------------------------- one step

    def _step(self, rows: NDArray[np.int64]) -> float:
        """Take a step on some windows, and return the mean loss of their targets."""
        self.parts.train()
        parts = [part for part in np.array_split(rows, self.config.accumulate) if len(part)]
        padded = [self.windows.padded(part) for part in parts]
        weight = max(sum(float(one.weight.sum()) for one in padded), 1e-9)
        sampled = (
            torch.multinomial(self.frequency, self.negatives, replacement=True) if self.negatives else None
        )
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for one in padded:
            with self._precision():
                loss = self._loss(one, sampled) / weight
            torch.autograd.backward(loss)
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self.parts.parameters(), LONGEST_GRADIENT)
        self.optimizer.step()
        return total

    def _loss(self, batch: Padded, sampled: Tensor | None) -> Tensor:
        """Return the summed loss of a batch. `sampled` are the negatives; None: the whole catalogue."""
        items, targets = self._tensor(batch.item), self._tensor(batch.target)
        weights = self._tensor(batch.weight)
        there, hidden = weights > 0, self.config.hidden_items
        targets, weights = targets[there], weights[there]
        if sampled is None:
            vectors = self.table(None, hidden)
            states = self._states(vectors[items], batch)[there]
            return full_softmax(states, vectors, targets, weights)
        used, place = torch.unique(torch.cat([items.ravel(), targets, sampled]), return_inverse=True)
        vectors = self.table(used, hidden)
        read, own, wrong = place.split([items.numel(), len(targets), len(sampled)])
        states = self._states(vectors[read.view(items.shape)], batch)[there]
        expected = torch.log(self.negatives * self.frequency[sampled])
        same = targets[:, None] == sampled[None, :]
        return sampled_softmax(states, vectors[own], vectors[wrong], expected, same, weights)

    def _states(self, vectors: Tensor, batch: Padded) -> Tensor:
        item, gap, kind, value = (
            self._tensor(one) for one in (batch.item, batch.gap, batch.kind, batch.value)
        )
        states: Tensor = self.encode(vectors, Events(item, gap, kind, value))
        return states

    def _precision(self) -> AbstractContextManager[Any]:
        wanted = self.config.precision
        able = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        use = wanted == "bfloat16" or (wanted == "auto" and able)
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=use)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    # ---------------------------------------------------------------- evaluation

    @torch.no_grad()
    def _evaluate(self) -> dict[str, float]:
        """Rank the held-out events among the whole catalogue; items of the history are left out unless they are the target."""
        if not len(self.held.target):
            return {}
        self.parts.eval()
        vectors = self.table()
        ranks = np.concatenate(
            [
                self._ranks(self.held, vectors, start, min(start + 256, len(self.held.target)))
                for start in range(0, len(self.held.target), 256)
            ]
        )
        gains = np.append(discount(DEPTH), 0.0)[np.minimum(ranks, DEPTH)]
        return {f"ndcg@{DEPTH}": float(gains.mean()), f"hit_rate@{DEPTH}": float((ranks < DEPTH).mean())}

    def _ranks(self, held: Held, vectors: Tensor, low: int, high: int) -> NDArray[np.int64]:
        """Return how many items score higher than the target, for the held-out events low ≤ row < high."""
        batch, lengths = held.padded(low, high)
        target = self._tensor(held.target[low:high].astype(np.int64))[:, None]
        rows = torch.arange(high - low, device=self.device)
        states = self._states(vectors[self._tensor(batch.item)], batch)[rows, self._tensor(lengths - 1)]
        scores = states @ vectors.T
        own = scores.gather(1, target)
        seen = torch.zeros_like(scores, dtype=torch.bool)
        owner = np.repeat(np.arange(high - low), lengths)
        seen[
            self._tensor(owner), self._tensor(batch.item[np.arange(batch.item.shape[1]) < lengths[:, None]])
        ] = True
        return ((scores > own) & ~seen).sum(1).cpu().numpy()

    # ---------------------------------------------------------------- checkpoints

    def _checkpoint_file(self, tokens: sp.csr_matrix, events: EventInputs) -> Path | None:
        if self.config.checkpoints is None:
            return None
        settings = self.config.model_dump(exclude={"checkpoints", "exact_items", "recall", "device"})
        arrays = [tokens.data, tokens.indices, tokens.indptr]
        arrays += [events.indptr, events.item, events.gap, events.kind, events.value, events.weight]
        return Path(self.config.checkpoints) / f"{fingerprint(settings, arrays)}.npz"

    def _save(self) -> None:
        if self.file is None:
            return
        arrays = {f"now.{name}": value for name, value in self.parts.state_dict().items()}
        arrays |= {f"best.{name}": value for name, value in self.best.items()}
        for name, weight in self.parts.named_parameters():
            for moment, value in self.optimizer.state[weight].items():
                arrays[f"{moment}.{name}"] = value
        plain = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
        write_checkpoint(self.file, plain, {"curves": self.curves})

    def _resume(self) -> None:
        found = read_checkpoint(self.file) if self.file is not None else None
        if found is None:
            return
        arrays, facts = found
        tensors = {name: torch.from_numpy(value).to(self.device) for name, value in arrays.items()}
        self.parts.load_state_dict(
            {n.removeprefix("now."): t for n, t in tensors.items() if n.startswith("now.")}
        )
        self.best = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        for name, weight in self.parts.named_parameters():
            if (
                f"step.{name}" in tensors
            ):  # a weight without gradients, such as that of no tokens, has no moments
                self.optimizer.state[weight] = {
                    moment: tensors[f"{moment}.{name}"] for moment in ("step", "exp_avg", "exp_avg_sq")
                }
        self.curves = facts["curves"]
        self.progress(f"going on after epoch {len(self.curves)}: {self.file}", 1.0)


def _sampling(counts: NDArray[np.int64]) -> Tensor:
    """Return how often each item is sampled as a negative, float32 (items,): half evenly, half by the root of its events."""
    root = np.sqrt(counts)
    share = 0.5 / len(counts) + 0.5 * root / max(float(root.sum()), 1.0)
    return torch.from_numpy((share / share.sum()).astype(np.float32))


def _device(config: TransformerConfig) -> torch.device:
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise ProjectError(
            'device = "cuda", and PyTorch finds no GPU; use "auto", or install a build of torch with CUDA',
            field="device",
        )
    return torch.device("cuda" if there and config.device != "cpu" else "cpu")


@contextmanager
def _seeded(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Seed PyTorch for an epoch, and leave the generators of the program as they were."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        yield


@contextmanager
def _threads() -> Iterator[None]:
    """Limit the threads of PyTorch as those of the other libraries."""
    before, limit = torch.get_num_threads(), thread_limit()
    torch.set_num_threads(before if limit is None else min(before, limit))
    try:
        yield
    finally:
        torch.set_num_threads(before)
