"""Training of the transformer with PyTorch."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from shortlist.data.progress import Progress
from shortlist.deep.device import chosen_device, seeded
from shortlist.deep.loop import TrainingLoop
from shortlist.deep.task import TrainingTask
from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.batches import Padded, Windows, hold_out
from shortlist.retrieve.deep.cost import transformer_cost
from shortlist.retrieve.deep.held_out import ROWS, SLACK, WATCHED, quality, ranks_of
from shortlist.retrieve.deep.inputs import EventInputs
from shortlist.retrieve.deep.losses import full_softmax, sampled_softmax
from shortlist.retrieve.deep.network import Events, HistoryNetwork
from shortlist.retrieve.deep.settings import TransformerConfig
from shortlist.retrieve.deep.tables import ItemTable


class Trained(NamedTuple):
    """The result of training."""

    network: NDArray[np.float32]
    """float32: the weights of the network, in the order of `Architecture.shapes`."""
    own: NDArray[np.float32]
    """float32 (items, d): the own vector of each item."""
    token: NDArray[np.float32]
    """float32 (T, d): the vector of each token."""
    curves: list[dict[str, float]]
    """For each epoch: `loss` and, where events are held out, `ndcg@10` and `hit_rate@10` of these."""


class _WindowsPart(NamedTuple):
    """A part of a batch: windows, the negatives of the whole batch (None: the whole catalogue), and its weight."""

    windows: Padded
    sampled: Tensor | None
    weight: float


def train(
    config: TransformerConfig,
    shape: Architecture,
    tokens: sp.csr_matrix,
    events: EventInputs,
    progress: Progress,
) -> Trained:
    """Train the network and the item vectors on next events; zeros where no user has two events.

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
    task = NextItems(config, shape, tokens, events)
    if not len(task.windows.start):
        own, token = (np.zeros((rows, shape.width), np.float32) for rows in tokens.shape)
        return Trained(np.zeros(shape.size, np.float32), own, token, [])
    state, curves = TrainingLoop(task, config, progress).run()
    network = shape.joined(state, "network.")
    own, token = state["table.own"], state["table.described.token"]
    return Trained(network, own, token, curves)


class NextItems(TrainingTask[_WindowsPart]):
    """Prediction of next events by a transformer.

    Each event but the first of a user is a target, predicted from the events before it (shifted-sequence targets). On large
    catalogues it competes with the other targets of its batch and with sampled items, corrected for how often each is
    expected (logQ). After each epoch the held-out events are ranked among the whole catalogue. For the parameters see `train`.
    """

    name: ClassVar[str] = "transformer"
    watched: ClassVar[str] = WATCHED
    slack: ClassVar[float] = SLACK

    def __init__(
        self, config: TransformerConfig, shape: Architecture, tokens: sp.csr_matrix, events: EventInputs
    ) -> None:
        self.config, self.events, self.tokens = config, events, tokens
        self.n_items, device = int(tokens.shape[0]), chosen_device(config)
        training, self.held = hold_out(
            events, config.validation, shape.history, np.random.default_rng([config.seed, 0])
        )
        self.windows = Windows.of(training, shape.history)
        self.negatives = config.negatives_of(self.n_items)
        counts = np.bincount(training.item, minlength=self.n_items)
        self.frequency = _sampling(counts).to(device)
        self.share = torch.from_numpy((counts / max(counts.sum(), 1)).astype(np.float32)).to(device)
        with seeded(config.seed, 0, device):
            self.table = ItemTable(tokens, shape.width).to(device)
            self.network = HistoryNetwork(shape, config.dropout).to(device)
        self.encode: Any = torch.compile(self.network, dynamic=True) if config.compile else self.network
        targets = int(self.windows.targets.sum())
        batch = min(targets, -(-config.batch // config.accumulate))
        compared = self.negatives + batch if self.negatives else self.n_items
        cost = transformer_cost(shape, (self.n_items, int(tokens.shape[1])), compared, targets, batch)
        modules = nn.ModuleDict({"table": self.table, "network": self.network})
        super().__init__(modules, device, cost)

    @override
    def batches(self, epoch: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        return self.windows.batches(size, rng)

    @override
    def parts(self, batch: NDArray[np.int64], number: int) -> list[_WindowsPart]:
        padded = [self.windows.padded(part) for part in np.array_split(batch, number) if len(part)]
        weight = max(sum(float(one.weight.sum()) for one in padded), 1e-9)
        sampled = (
            torch.multinomial(self.frequency, self.negatives, replacement=True) if self.negatives else None
        )
        return [_WindowsPart(one, sampled, weight) for one in padded]

    @override
    def loss(self, part: _WindowsPart) -> Tensor:
        return self._summed_loss(part.windows, part.sampled) / part.weight

    def _summed_loss(self, batch: Padded, sampled: Tensor | None) -> Tensor:
        items, targets = self.tensor(batch.item), self.tensor(batch.target)
        weights = self.tensor(batch.weight)
        there, hidden = weights > 0, self.config.hidden_items
        targets, weights = targets[there], weights[there]
        if sampled is None:
            vectors = self._vectors(None, hidden)
            states = self._states(vectors[items], batch)[there]
            return full_softmax(states, vectors, targets, weights)
        pool = torch.cat([targets, sampled])
        used, place = torch.unique(torch.cat([items.ravel(), pool]), return_inverse=True)
        vectors = self._vectors(used, hidden)
        read, wrong = place.split([items.numel(), len(pool)])
        states = self._states(vectors[read.view(items.shape)], batch)[there]
        expected = len(targets) * self.share[pool] + self.negatives * self.frequency[pool]
        own, negatives = vectors[wrong[: len(targets)]], vectors[wrong]
        same = targets[:, None] == pool[None, :]
        return sampled_softmax(states, own, negatives, torch.log(expected), same, weights)

    def _vectors(self, items: Tensor | None = None, hidden: float = 0.0) -> Tensor:
        """Return the vectors of some items, of length 1, (m, d); see `ItemTable`."""
        return functional.normalize(self.table(items, hidden), dim=-1)

    def _states(self, vectors: Tensor, batch: Padded) -> Tensor:
        item, gap, kind, value = (
            self.tensor(one) for one in (batch.item, batch.gap, batch.kind, batch.value)
        )
        states: Tensor = self.encode(vectors, Events(item, gap, kind, value))
        return states

    @override
    def evaluate(self) -> dict[str, float]:
        held = len(self.held.target)
        if not held:
            return {}
        vectors = self._vectors()
        starts = range(0, held, ROWS)
        return quality(np.concatenate([self._ranks(vectors, low, min(low + ROWS, held)) for low in starts]))

    def _ranks(self, vectors: Tensor, low: int, high: int) -> NDArray[np.int64]:
        """Return the ranks of the held-out events low ≤ row < high."""
        batch, lengths = self.held.padded(low, high)
        rows = torch.arange(high - low, device=self.device)
        states = self._states(vectors[self.tensor(batch.item)], batch)[rows, self.tensor(lengths - 1)]
        owner = np.repeat(np.arange(high - low), lengths)
        item = batch.item[np.arange(batch.item.shape[1]) < lengths[:, None]]
        target = self.tensor(self.held.target[low:high].astype(np.int64))
        return ranks_of(states, vectors, target, (self.tensor(owner), self.tensor(item)))

    @override
    def data(self) -> list[NDArray[Any]]:
        tokens, events = self.tokens, self.events
        arrays = [tokens.data, tokens.indices, tokens.indptr]
        return [*arrays, events.indptr, events.item, events.gap, events.kind, events.value, events.weight]


def _sampling(counts: NDArray[np.int64]) -> Tensor:
    """Return how often each item is sampled as a negative, float32 (items,): half evenly, half by the root of its events."""
    root = np.sqrt(counts)
    share = 0.5 / max(len(counts), 1) + 0.5 * root / max(float(root.sum()), 1.0)
    return torch.from_numpy((share / share.sum()).astype(np.float32))
