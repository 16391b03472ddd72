"""Training of the two towers with PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from shortlist.config.short_repr import ShortRepr
from shortlist.data.histories import Histories
from shortlist.data.progress import Progress
from shortlist.deep.cost import TrainingCost, state_bytes
from shortlist.deep.device import chosen_device, seeded
from shortlist.deep.loop import TrainingLoop
from shortlist.deep.task import TrainingTask
from shortlist.retrieve.deep.batches import held_users
from shortlist.retrieve.deep.held_out import ROWS, SLACK, WATCHED, quality, ranks_of
from shortlist.retrieve.deep.losses import sampled_softmax
from shortlist.retrieve.deep.settings import TwoTowerConfig
from shortlist.retrieve.deep.tables import ItemTable, TokenSum
from shortlist.retrieve.deep.tower_network import TowerNetwork, VisitTensors
from shortlist.retrieve.deep.tower_shape import TowerShape
from shortlist.retrieve.deep.towers import gaps_before, hours_of

HARD = 100
"""Items that a user's hard negatives are sampled from."""
MINED = 20_000
"""Users for whom these are found before an epoch; others have none in it."""


class TrainedTowers(NamedTuple):
    """The result of training."""

    network: NDArray[np.float32]
    """float32: the weights of the network, in the order of `TowerShape.shapes`."""
    own: NDArray[np.float32]
    """float32 (items, d): the own vector of each item."""
    token: NDArray[np.float32]
    """float32 (T, d): the vector of each token of items."""
    user_token: NDArray[np.float32]
    """float32 (U, d): the vector of each token of users."""
    context_token: NDArray[np.float32]
    """float32 (C, d): the vector of each token of contexts."""
    curves: list[dict[str, float]]
    """For each epoch: `loss` and, where events are held out, `ndcg@10` and `hit_rate@10` of these."""


@dataclass(frozen=True, repr=False)
class TowerData(ShortRepr):
    """The training data of the towers.

    Attributes
    ----------
    histories
        The events of all users.
    kind
        int64 (E,): their kinds.
    weight
        float32 (E,): how much they count, above 0.
    item_tokens, user_tokens, context_tokens
        Sparse float32: the tokens of each item, of each user, and of the context of each event.
    """

    histories: Histories
    kind: NDArray[np.int64]
    weight: NDArray[np.float32]
    item_tokens: sp.csr_matrix
    user_tokens: sp.csr_matrix
    context_tokens: sp.csr_matrix


def train_towers(
    config: TwoTowerConfig, shape: TowerShape, data: TowerData, progress: Progress
) -> TrainedTowers:
    """Train both towers on the events of users; zeros where no event follows on something known."""
    task = UserChoices(config, shape, data)
    if not len(task.targets):
        sizes = (*data.item_tokens.shape, data.user_tokens.shape[1], data.context_tokens.shape[1])
        own, token, of_users, of_contexts = (np.zeros((n, shape.width), np.float32) for n in sizes)
        return TrainedTowers(np.zeros(shape.size, np.float32), own, token, of_users, of_contexts, [])
    state, curves = TrainingLoop(task, config, progress).run()
    own, token = state["table.own"], state["table.described.token"]
    network = shape.joined(state, "network.")
    of_users, of_contexts = state["users.token"], state["contexts.token"]
    return TrainedTowers(network, own, token, of_users, of_contexts, curves)


class _Before(NamedTuple):
    """Some events with the padded histories before them, as arrays, (B, L) and (B,)."""

    item: NDArray[np.int64]
    back: NDArray[np.int64]
    kind: NDArray[np.int64]
    weight: NDArray[np.float32]
    gap: NDArray[np.int64]
    hour: NDArray[np.int64]
    user: NDArray[np.int64]
    event: NDArray[np.int64]


class _TowerPart(NamedTuple):
    """A part of a batch: its target events, and the weight of the whole batch."""

    targets: NDArray[np.int64]
    weight: float


class UserChoices(TrainingTask[_TowerPart]):
    """Prediction of what a user takes, from the events before it, the user's attributes, the context and the moment.

    The targets of a batch are negatives of each other; with those that are sampled evenly they are an estimate of the whole
    catalogue, corrected for how often each is expected (logQ). Hard negatives are a sample of the items that the model
    ranks highest for a user. They stand for those items, and the other negatives for all others, so that
    they make the estimate more exact where it matters and do not bias it.

    After each epoch the last event of some users, which is held out, is ranked among the whole catalogue. For the
    parameters see `train_towers`.
    """

    name: ClassVar[str] = "two_tower"
    watched: ClassVar[str] = WATCHED
    slack: ClassVar[float] = SLACK

    def __init__(self, config: TwoTowerConfig, shape: TowerShape, data: TowerData) -> None:
        self.config, self.shape, self.source = config, shape, data
        device = chosen_device(config)
        h = data.histories
        self.owner, self.n_items = h.owner, int(data.item_tokens.shape[0])
        self.targets, self.held = self._split(np.random.default_rng([config.seed, 0]))
        counts = np.bincount(h.item[self.targets], minlength=self.n_items).astype(np.float32)
        self.share = torch.from_numpy(counts / max(counts.sum(), 1)).to(device)
        self.hard = np.empty((0, 0), np.int64)
        """Rows of users: the items that the model ranks highest, −1 for none."""
        with seeded(config.seed, 0, device):
            self.table = ItemTable(data.item_tokens, shape.width).to(device)
            self.users = TokenSum(data.user_tokens, shape.width).to(device)
            self.contexts = TokenSum(data.context_tokens, shape.width).to(device)
            self.network = TowerNetwork(shape, config.dropout).to(device)
        parts = {"table": self.table, "users": self.users, "contexts": self.contexts, "network": self.network}
        super().__init__(nn.ModuleDict(parts), device, self._cost())

    def _split(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the events that are learned from and those that are held out: the last ones of some users with 3 or more."""
        h = self.source.histories
        held = h.indptr[1:][held_users(np.diff(h.indptr), self.config.validation, rng)] - 1
        later = np.arange(len(h.item)) > h.indptr[:-1][self.owner]
        described = np.diff(self.source.user_tokens.indptr)[self.owner] > 0
        usable = later | described | (np.diff(self.source.context_tokens.indptr) > 0)
        usable[held] = False
        return np.flatnonzero(usable), held

    def _cost(self) -> TrainingCost:
        shape, config, d = self.shape, self.config, self.shape.width
        source = self.source
        tokens = sum(m.shape[1] for m in (source.item_tokens, source.user_tokens, source.context_tokens))
        weights = (self.n_items + tokens) * d + shape.size
        targets, batch = len(self.targets), min(len(self.targets), -(-config.batch // config.accumulate))
        compared = batch + config.negatives + config.hard_negatives
        row = 2 * shape.history * d + 2 * shape.inputs * (shape.hidden + d) + compared * d
        tower = 4 * d * shape.hidden * min(self.n_items, batch * shape.history + compared) / max(batch, 1)
        memory = batch * (shape.history * (d + 3 * shape.pools) + 2 * shape.inputs + 4 * compared)
        memory += 4 * shape.hidden * min(self.n_items, batch * shape.history + compared)
        work = f"{targets:,} targets an epoch, each against {compared - 1:,} items"
        steps = targets // max(batch, 1)
        return TrainingCost(
            weights, state_bytes(weights) + 4 * memory, 6.0 * targets * (row + tower), steps, work
        )

    # ---------------------------------------------------------------- training

    @override
    def batches(self, epoch: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        if epoch and self.config.hard_negatives:
            self._mine(rng)
        order = rng.permutation(self.targets)
        return np.array_split(order, max(1, round(len(order) / size)))

    @override
    def parts(self, batch: NDArray[np.int64], number: int) -> list[_TowerPart]:
        weight = float(self.source.weight[batch].sum())
        return [_TowerPart(part, weight) for part in np.array_split(batch, number) if len(part)]

    @override
    def loss(self, part: _TowerPart) -> Tensor:
        config, rows = self.config, self._rows(part.targets)
        target = self.tensor(self.source.histories.item[part.targets].astype(np.int64))
        even = torch.randint(self.n_items, (config.negatives,), device=self.device)
        pool, hard = torch.cat([target, even]), self._hard_of(rows.user)
        chosen = self._chosen(hard)
        items = self.tensor(rows.item)
        used, place = torch.unique(
            torch.cat([items.ravel(), pool, chosen.clamp(min=0).ravel()]), return_inverse=True
        )
        vectors = self.network.items(self.table(used, config.hidden_items))
        read, wrong, further = place.split([items.numel(), len(pool), chosen.numel()])
        states = self._states(vectors[read.view(items.shape)], rows, hidden=config.hidden_histories)
        states = states / config.temperature
        expected = len(target) * self.share[pool] + config.negatives / self.n_items
        left_out = (target[:, None] == pool[None, :]) | _listed(hard, used)[:, wrong]
        scores = torch.einsum("bd,bhd->bh", states, vectors[further.view(chosen.shape)])
        scores = scores + np.log(max(hard.shape[1], 1) / max(config.hard_negatives, 1))
        scores = scores.masked_fill(chosen < 0, -torch.inf)
        weights = self.tensor(self.source.weight[part.targets])
        own, negatives = vectors[wrong[: len(target)]], vectors[wrong]
        logs = torch.log(expected)
        return sampled_softmax(states, own, negatives, logs, left_out, weights, scores) / part.weight

    def _hard_of(self, users: NDArray[np.int64]) -> Tensor:
        """Return the items that the model ranked highest for users, int64 (B, D), −1 for none; D is 0 before they are known."""
        return self.tensor(self.hard[users] if len(self.hard) else np.empty((len(users), 0), np.int64))

    def _chosen(self, hard: Tensor) -> Tensor:
        """Return a sample of each row, (B, H)."""
        if not hard.shape[1]:
            return hard
        return hard.gather(
            1, torch.randint(hard.shape[1], (len(hard), self.config.hard_negatives), device=self.device)
        )

    def _rows(self, targets: NDArray[np.int64]) -> _Before:
        """Return the histories before some events, padded."""
        h, user = self.source.histories, self.owner[targets]
        start = np.maximum(h.indptr[:-1][user], targets - self.shape.history)
        length = targets - start
        place = np.arange(max(int(length.max()), 1))
        there = place < length[:, None]
        at = np.where(there, start[:, None] + place, 0)
        before = h.pick(start, targets)
        return _Before(
            np.where(there, h.item[at], 0).astype(np.int64),
            np.where(there, length[:, None] - 1 - place, 0),
            np.where(there, self.source.kind[at], 0),
            np.where(there, self.source.weight[at], 0).astype(np.float32),
            gaps_before(before, h.time[targets]),
            hours_of(h.time[targets]),
            user,
            targets,
        )

    def _states(self, vectors: Tensor, rows: _Before, hidden: float = 0.0) -> Tensor:
        """Return the vectors of users; `hidden`: share whose history, whose context, and whose moment, is not read."""
        weight, described = self.tensor(rows.weight), self.users(self.tensor(rows.user))
        context = self.contexts(self.tensor(rows.event))
        seen = torch.full((len(weight),), float(self.config.moment), device=self.device)
        if hidden:
            known = described.any(1) | context.any(1)
            shown = ~known | (torch.rand_like(seen) >= hidden)
            weight = weight * shown[:, None]
            seen = seen * (torch.rand_like(seen) >= hidden)
            if not self.contexts.empty:
                context = context * (~shown | (torch.rand_like(seen) >= hidden))[:, None]
        if self.shape.contexts:
            described = torch.cat([described, context], 1)
        back, kind, gap, hour = (self.tensor(one) for one in (rows.back, rows.kind, rows.gap, rows.hour))
        return self.network.users(vectors, described, VisitTensors(back, kind, weight, gap, hour, seen))

    @torch.no_grad()
    def _mine(self, rng: np.random.Generator) -> None:
        """Find the items that the model ranks highest for users, without those they have taken."""
        self.modules.eval()
        h, vectors = self.source.histories, self.network.items(self.table())
        depth = min(HARD, self.n_items)
        self.hard = np.full((len(h), depth), -1, np.int64)
        last = np.flatnonzero(np.diff(self.owner[self.targets], append=-1))  # the last target of each user
        asked = rng.permutation(self.targets[last])[:MINED]
        for low in range(0, len(asked), ROWS):
            rows = self._rows(asked[low : low + ROWS])
            scores = self._states(vectors[self.tensor(rows.item)], rows) @ vectors.T
            taken = h.pick(h.indptr[:-1][rows.user], h.indptr[1:][rows.user])
            scores[self.tensor(taken.owner), self.tensor(taken.item.astype(np.int64))] = -torch.inf
            best = scores.topk(depth)
            found = best.indices.masked_fill(torch.isneginf(best.values), -1)
            self.hard[rows.user] = found.cpu().numpy()
        self.modules.train()

    # ---------------------------------------------------------------- held-out events

    @override
    def evaluate(self) -> dict[str, float]:
        if not len(self.held):
            return {}
        vectors, found = self.network.items(self.table()), []
        for low in range(0, len(self.held), ROWS):
            asked = self.held[low : low + ROWS]
            rows = self._rows(asked)
            states = self._states(vectors[self.tensor(rows.item)], rows)
            target = self.tensor(self.source.histories.item[asked].astype(np.int64))
            row, column = np.nonzero(rows.weight)
            seen = self.tensor(row), self.tensor(rows.item[row, column])
            found.append(ranks_of(states, vectors, target, seen))
        return quality(np.concatenate(found))

    @override
    def data(self) -> list[NDArray[Any]]:
        source, h = self.source, self.source.histories
        matrices = source.item_tokens, source.user_tokens, source.context_tokens
        tokens = [part for m in matrices for part in (m.data, m.indices, m.indptr)]
        return [*tokens, h.indptr, h.item, h.time, source.kind, source.weight]


def _listed(hard: Tensor, used: Tensor) -> Tensor:
    """Return whether each row lists an item, bool (B, n). hard: int64 (B, D), −1 for none; used: int64 (n,), rising."""
    at = torch.searchsorted(used, hard).clamp(max=len(used) - 1)
    found = (used[at] == hard).to(torch.int8)
    empty = torch.zeros((len(hard), len(used)), dtype=torch.int8, device=hard.device)
    return empty.scatter_add(1, at, found) > 0
