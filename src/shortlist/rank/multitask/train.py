"""Training of the multi-task network with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from shortlist.config.short_repr import ShortRepr
from shortlist.deep.cost import TrainingCost, state_bytes
from shortlist.deep.device import chosen_device, seeded
from shortlist.deep.task import TrainingTask
from shortlist.rank.multitask.inputs import FeatureKnots
from shortlist.rank.multitask.network import MultitaskNetwork
from shortlist.rank.multitask.settings import MultitaskConfig
from shortlist.rank.multitask.shape import MultitaskShape
from shortlist.rank.targets import Head, Target
from shortlist.retrieve.kernels.softmax import RequestSoftmax

Doubles = NDArray[np.float64]

ROWS = 8_192
"""Validation rows that are evaluated at once."""
MIN_VALIDATION_ROWS = 20
"""Fewer validation rows of an objective disable early stopping."""
LEVEL = 0.01
"""Penalty of the squares of listwise margins."""


@dataclass(frozen=True, eq=False, repr=False)
class HeadRows(ShortRepr):
    """Training or validation rows with what each objective learns from them.

    Attributes
    ----------
    matrix
        float32 (rows, features).
    request
        int64 (rows,): the request of each row; those of a request are adjacent.
    label, weight
        float64 (rows, objectives); the weight is 0 where the label is unknown.
    """

    matrix: NDArray[np.float32]
    request: NDArray[np.int64]
    label: Doubles
    weight: Doubles

    @classmethod
    def of(cls, matrix: NDArray[np.float32], request: NDArray[np.int64], targets: Sequence[Target]) -> Self:
        """Make the rows from a target for each objective."""
        label = np.stack([target.label for target in targets], axis=1)
        return cls(matrix, request, label, np.stack([target.weighted() for target in targets], axis=1))


class _Step(NamedTuple):
    """Some rows, and how many rows the batch has."""

    rows: NDArray[np.int64]
    size: int


class Objectives(TrainingTask[_Step]):
    """Prediction of every objective for the rows of requests.

    The losses are those of the boosted trees: their gradients by the margins are computed by the same code and carried on
    through the network. An objective that requires another one reads its probability and does not change it. `listwise` is
    cross-entropy over the rows of each request. The gradients of an objective are scaled to a mean square of 1 where
    training starts, so that no objective is drowned.

    Parameters
    ----------
    config
        Settings.
    heads
        The objectives, each after the one that it requires.
    knots
        The rows of the table of each feature.
    training, validation
        The examples.
    """

    name: ClassVar[str] = "multitask"
    watched: ClassVar[str] = "validation loss"
    rising: ClassVar[bool] = False

    def __init__(
        self,
        config: MultitaskConfig,
        heads: Sequence[Head],
        knots: FeatureKnots,
        training: HeadRows,
        validation: HeadRows,
    ) -> None:
        self.heads, self.knots, self.training, self.validation = list(heads), knots, training, validation
        self.names = [head.name for head in heads]
        self.shape = MultitaskShape(
            int(knots.begin[-1]),
            len(knots),
            config.embedding,
            config.crosses,
            config.rank,
            config.experts,
            config.hidden,
            config.output,
            len(self.heads),
        )
        device = chosen_device(config)
        with seeded(config.seed, 0, device):
            self.network = MultitaskNetwork(self.shape, knots, config.dropout).to(device)
        starts = self._starts()
        self.network.start.data.copy_(self.network.start.new_tensor(starts))
        self.scale = self._scales(np.tile(starts, (len(training.matrix), 1)))
        super().__init__(nn.ModuleDict({"network": self.network}), device, self._cost(config))

    def _starts(self) -> list[float]:
        found = []
        for at, head in enumerate(self.heads):
            label, weight = self.training.label[:, at], self.training.weight[:, at]
            found.append(0.0 if head.loss_name == "listwise" else head.loss.start(label, weight))
        return found

    def _scales(self, start: Doubles) -> Doubles:
        """Return the factor of each objective's gradient."""
        found = np.ones(len(self.heads))
        weight = self.training.weight
        for at in range(len(self.heads)):
            gradient, _ = self._head(at, start, self.training, slice(None))
            total = float((weight[:, at] > 0).sum())
            square = float((gradient**2).sum()) / max(total, 1)
            found[at] = 1 / max(np.sqrt(square), 1e-9)
        return found

    def _cost(self, config: MultitaskConfig) -> TrainingCost:
        shape, rows = self.shape, len(self.training.matrix)
        d, batch = shape.inputs, min(rows, -(-config.batch // config.accumulate))
        row = shape.crosses * 2 * d * shape.rank + shape.experts * shape.hidden * (d + shape.output)
        row += d * shape.objectives * shape.experts
        states = 4 * d + 3 * shape.crosses * d + 4 * shape.experts * (shape.hidden + shape.output)
        return TrainingCost(
            shape.size,
            state_bytes(shape.size) + 4 * batch * states,
            6.0 * rows * row,
            rows // max(batch, 1),
            f"{rows:,} examples an epoch, {len(self.heads)} objectives",
        )

    # ---------------------------------------------------------------- training

    @override
    def batches(self, epoch: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        begin = np.flatnonzero(np.diff(self.training.request, prepend=-1))
        sizes = np.diff(np.append(begin, len(self.training.request)))
        order = rng.permutation(len(begin))
        batch = (np.cumsum(sizes[order]) - 1) // size
        groups = np.split(order, np.flatnonzero(np.diff(batch)) + 1)
        return [_ranges(begin[group], sizes[group]) for group in groups]

    @override
    def parts(self, batch: NDArray[np.int64], number: int) -> list[_Step]:
        return [_Step(part, len(batch)) for part in np.array_split(batch, number) if len(part)]

    @override
    def loss(self, part: _Step) -> Tensor:
        found = self._margins(self.training, part.rows).float()
        margins = found.detach().cpu().numpy().astype(np.float64)
        gradients, total = np.empty_like(margins), 0.0
        for at in range(len(self.heads)):
            gradient, loss = self._head(at, margins, self.training, part.rows)
            gradients[:, at] = self.scale[at] * gradient / part.size
            total += self.scale[at] * float(loss.sum()) / part.size
        carried = (found * self.tensor(gradients.astype(np.float32))).sum()
        return carried - carried.detach() + total

    def _margins(self, rows: HeadRows, some: NDArray[np.int64]) -> Tensor:
        row, share = self.knots.places(rows.matrix[some])
        margins: Tensor = self.network(self.tensor(row), self.tensor(share))
        return margins

    def _head(
        self, at: int, margins: Doubles, rows: HeadRows, some: NDArray[np.int64] | slice
    ) -> tuple[Doubles, Doubles]:
        """Return the weighted gradient and loss of one objective, float64 (rows,) each."""
        head, label, weight = self.heads[at], rows.label[some, at], rows.weight[some, at]
        if head.loss_name == "listwise":
            return listwise(margins[:, at], label, weight, rows.request[some])
        parent = self._parent(at, margins)
        gradient, _ = head.loss.gradient(margins[:, at], label, parent)
        loss = head.loss.loss(margins[:, at], label, parent)
        return np.asarray(weight * gradient), np.asarray(weight * loss)

    def _parent(self, at: int, margins: Doubles) -> Doubles:
        """Return the probability of the objective that one requires; 1 if it requires none."""
        given = self.heads[at].given
        if given is None:
            return np.ones(1)
        before = self.names.index(given)
        return np.asarray(self.heads[before].loss.value(margins[:, before], self._parent(before, margins)))

    # ---------------------------------------------------------------- validation

    @override
    def evaluate(self) -> dict[str, float]:
        weight = self.validation.weight
        if ((weight > 0).sum(0) < MIN_VALIDATION_ROWS).any():
            return {}
        rows = np.arange(len(weight))
        parts = [rows[at : at + ROWS] for at in range(0, len(rows), ROWS)]
        found = [self._margins(self.validation, part).float().cpu().numpy() for part in parts]
        margins = np.concatenate(found).astype(np.float64)
        losses = {}
        for at, name in enumerate(self.names):
            _, loss = self._head(at, margins, self.validation, slice(None))
            losses[name] = float(loss.sum()) / float(weight[:, at].sum())
        total = sum(self.scale[at] * losses[name] for at, name in enumerate(self.names))
        return {self.watched: float(total)} | {f"{name} loss": loss for name, loss in losses.items()}

    @override
    def data(self) -> list[NDArray[Any]]:
        sets = (self.training, self.validation)
        return [array for one in sets for array in (one.matrix, one.request, one.label, one.weight)]


def listwise(
    margins: Doubles, label: Doubles, weight: Doubles, request: NDArray[np.int64]
) -> tuple[Doubles, Doubles]:
    """Return gradient and loss of the softmax over the rows of each request, float64 (rows,) each.

    A softmax does not say at which level the margins of a request are; a small penalty of their squares keeps them where
    probabilities can be told apart.
    """
    softmax = RequestSoftmax(request, label, weight)
    gradient, _ = softmax.gradient(margins)
    level = LEVEL * weight * margins
    return np.asarray(gradient + level, np.float64), softmax.losses(margins) + 0.5 * level * margins


def _ranges(begin: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of some runs, one after the other."""
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    return np.asarray(np.arange(indptr[-1]) - np.repeat(indptr[:-1], sizes) + np.repeat(begin, sizes))
