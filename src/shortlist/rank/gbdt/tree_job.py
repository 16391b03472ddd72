"""A job of boosting: its rows, losses and parameters, as one value that can be carried out anywhere.

`Boosting` makes it. `grow_here` carries it out in this process. Another `Grow` may divide the rows among processes that call
`TreeJob.grow` at the same time: XGBoost adds up their histograms, and `total` their losses, so that all of them grow the same trees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.progress import Share
from shortlist.rank.gbdt.boosting_data import BinnedFeatures
from shortlist.rank.targets import Head
from shortlist.retrieve.kernels.softmax import RequestSoftmax

PATIENCE = 20
"""Rounds without a better validation loss after which boosting stops."""
Gradient = Callable[[NDArray[np.float32], xgb.DMatrix], tuple[NDArray[np.float32], NDArray[np.float32]]]
Metric = Callable[[NDArray[np.float32], xgb.DMatrix], tuple[str, float]]
Total = Callable[[float], float]
"""The sum of a number over all processes that grow the same trees."""


@dataclass(frozen=True, eq=False, repr=False)
class JobRows(ShortRepr):
    """Rows that trees are fitted to, or that say when boosting stops.

    Parameters
    ----------
    features
        As the trees take them.
    request : ndarray of shape (rows,), int64
        Request of each row; those of a request are adjacent.
    labels : tuple of ndarray of shape (rows,), float32
        What followed, one per head.
    factors : tuple of ndarray of shape (rows,), float
        What gradients, and what losses, are multiplied by, one per head. Of a listwise loss: how many candidates a row stands for.
    parent : ndarray of shape (rows,), float, optional
        Predicted probability of the objective that the head requires, if another model predicts it.
    """

    features: BinnedFeatures
    request: NDArray[np.int64]
    labels: tuple[NDArray[np.float32], ...]
    factors: tuple[NDArray[np.floating], ...]
    parent: NDArray[np.floating] | None = None

    def __len__(self) -> int:
        return len(self.request)

    def matrix(self, margin: NDArray[np.float64]) -> xgb.DMatrix:
        """Return XGBoost's matrix, with the margin at which each head starts."""
        rows, heads = len(self), len(margin)
        matrix = self.features.matrix
        matrix.set_label(np.zeros((rows, heads) if heads > 1 else rows, np.float32))
        margins = np.tile(margin, (rows, 1))
        matrix.set_base_margin(margins if heads > 1 else margins[:, 0])
        return matrix

    def softmax(self) -> RequestSoftmax:
        """Return the listwise loss of the rows."""
        return RequestSoftmax(
            self.request, self.labels[0].astype(np.float64), self.factors[0].astype(np.float64)
        )


@dataclass(frozen=True, eq=False, repr=False)
class TreeJob(ShortRepr):
    """What is boosted, from what, and how.

    Parameters
    ----------
    heads
        The objectives of the model: one, or several that share its trees.
    parameters
        XGBoost's.
    trees
        Number of trees, at most.
    margin : ndarray of shape (heads,), float64
        Where each head starts.
    scales : ndarray of shape (heads,), float64
        What brings the losses of the heads to one unit.
    listwise
        Whether the loss compares the candidates of a request.
    training
        The rows.
    validation
        The rows that end boosting; None: it does not end before the last tree.
    begun
        A model to which trees are added.
    """

    heads: tuple[Head, ...]
    parameters: dict[str, Any]
    trees: int
    margin: NDArray[np.float64]
    scales: NDArray[np.float64]
    listwise: bool
    training: JobRows
    validation: JobRows | None
    begun: xgb.Booster | None = None

    def with_rows(
        self, training: JobRows, validation: JobRows | None, begun: bytes | None = None, threads: int = 1
    ) -> TreeJob:
        """Return the job with other rows, a saved model that it begins with, and another number of threads."""
        booster = None if begun is None else xgb.Booster({"nthread": threads}, model_file=bytearray(begun))
        parameters = {**self.parameters, "nthread": threads}
        return replace(self, training=training, validation=validation, begun=booster, parameters=parameters)

    def grow(self, report: Share | None = None, total: Total | None = None) -> xgb.Booster:
        """Boost.

        Parameters
        ----------
        report
            Called with the share of the trees that is done.
        total
            Adds up a number over the processes that hold the rows together (default: this one has all).

        Returns
        -------
        xgboost.Booster
            All trees that were grown; `best_iteration` says where the loss of the validation rows was least.
        """
        metric: Metric | None = None
        if self.validation is not None:
            metric = self._metric(self.validation, total or (lambda number: number))
        stops = self.validation is not None
        return xgb.train(
            self.parameters,
            self.training.matrix(self.margin),
            self.trees,
            evals=[(self.validation.matrix(self.margin), "validation")]
            if self.validation is not None
            else [],
            early_stopping_rounds=PATIENCE if stops else None,
            verbose_eval=False,
            xgb_model=self.begun,
            callbacks=[_Rounds(report, self.trees)] if report else None,
            obj=self.gradient(),
            custom_metric=metric,
        )

    def gradient(self) -> Gradient:
        """Return XGBoost's objective: first and second derivatives of the losses of the training rows by their margins."""
        rows, size = self.training, len(self.heads)
        if self.listwise:
            return rows.softmax().gradient

        def gradient(
            margins: NDArray[np.float32], _data: xgb.DMatrix
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            # XGBoost takes float32; computed in it as well, a round takes half the time that it takes in float64
            m = margins.reshape(len(rows), size)
            first, second = np.empty(m.shape, np.float32), np.empty(m.shape, np.float32)
            for at, (head, label, factor) in enumerate(
                zip(self.heads, rows.labels, rows.factors, strict=True)
            ):
                g, h = head.loss.gradient(m[:, at], label, self.parent(rows, at, m))
                np.multiply(g, factor, out=first[:, at], casting="same_kind")
                np.multiply(h, factor, out=second[:, at], casting="same_kind")
            return (first, second) if size > 1 else (first[:, 0], second[:, 0])

        return gradient

    def _metric(self, rows: JobRows, total: Total) -> Metric:
        if self.listwise:
            softmax = rows.softmax()
            requests = max(total(softmax.requests), 1.0)

            def of_requests(margins: NDArray[np.float32], _data: xgb.DMatrix) -> tuple[str, float]:
                own = float(softmax.losses(margins).sum()) if len(rows) else 0.0
                return "loss", total(own) / requests

            return of_requests

        def of_rows(margins: NDArray[np.float32], _data: xgb.DMatrix) -> tuple[str, float]:
            return "loss", total(self.loss(margins, rows))

        return of_rows

    def loss(self, margins: NDArray[np.float32], rows: JobRows) -> float:
        """Return the loss of rows, whose factors are their shares in it."""
        m = margins.reshape(len(rows), len(self.heads))
        total = 0.0
        for at, (head, label, share) in enumerate(zip(self.heads, rows.labels, rows.factors, strict=True)):
            losses = head.loss.loss(m[:, at], label, self.parent(rows, at, m))
            # losses of rounds differ in their sixth digit: sums are float64
            total += self.scales[at] * float(np.dot(losses.astype(np.float64), share))
        return total

    def parent(self, rows: JobRows, at: int, margins: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the probability of the objective that a head requires; 1 if it requires none."""
        if rows.parent is not None:
            return rows.parent
        names = [head.name for head in self.heads]
        given = self.heads[at].given
        if given is None or given not in names:
            return np.ones(1)
        before = names.index(given)
        return self.heads[before].loss.value(margins[:, before], self.parent(rows, before, margins))


class Grow(Protocol):
    """Carries out a job of boosting, wherever its trees grow."""

    def __call__(self, job: TreeJob, report: Share | None = None) -> xgb.Booster:
        """Return what `TreeJob.grow` returns. report: called with the share of the trees that is done."""


def grow_here(job: TreeJob, report: Share | None = None) -> xgb.Booster:
    """Carry out a job in this process; see `Grow`."""
    return job.grow(report)


class _Rounds(xgb.callback.TrainingCallback):
    """Reports the rounds that are done."""

    def __init__(self, report: Share, rounds: int) -> None:
        super().__init__()
        self._report, self._rounds = report, rounds

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: object) -> bool:  # noqa: ARG002 - XGBoost's interface
        """Report a round; False lets the training go on."""
        self._report(min((epoch + 1) / self._rounds, 1.0))
        return False
