"""The training loop of every network. Only training imports it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shortlist.data.progress import Progress
from shortlist.deep.checkpoint import fingerprint, read_checkpoint, remove_checkpoint, write_checkpoint
from shortlist.deep.device import limited_threads, multiplies_bfloat16, seeded
from shortlist.deep.settings import TrainingSettings
from shortlist.deep.task import Part, TrainingTask
from shortlist.errors import DataError

WARM_UP = 0.05
"""Share of all steps in which the step size rises."""
LONGEST_GRADIENT = 1.0
"""Longer gradients are shortened to this length."""
LATEST = 4
"""Averages are over the latest of so many parts of the steps at most, so that a short training is not averaged with its beginning."""
MINUTE = 60.0
"""Seconds after which the remaining time is stated."""
NO_PART_OF_THE_NUMBERS = {"checkpoints", "exact_items", "recall", "device", "trend", "vectors"}
"""Settings that a checkpoint does not depend on."""


class Learned(NamedTuple):
    """The result of training."""

    state: dict[str, NDArray[Any]]
    """Each weight by its name in the task's modules; the best ones."""
    curves: list[dict[str, float]]
    """For each epoch: `loss`, and what the task measured on held-out examples."""


class TrainingLoop(Generic[Part]):
    """Trains a network: AdamW along a cosine schedule, in epochs, with early stopping and checkpoints.

    After each epoch the task is evaluated on held-out examples; training stops when that has not improved for
    `patience` epochs, and the weights of the best epoch are kept, or of the latest one that is as good but for the task's `slack`.
    Without held-out examples the last ones are. With `averaging`, all this is done with an exponential average of the weights, whose noise is
    lower than that of the weights of any one step (Polyak & Juditsky 1992; Shamir & Zhang 2013 for the latest part of the steps).

    The numbers of an epoch follow from the seed, the epoch and the state before it, so that a training that goes on from
    a checkpoint ends as one that was not interrupted.

    `run` raises `DataError` where the loss is no longer a number.

    Parameters
    ----------
    task
        What is trained.
    settings
        Settings.
    progress
        Called with each step of training.
    """

    def __init__(self, task: TrainingTask[Part], settings: TrainingSettings, progress: Progress) -> None:
        self.task, self.settings, self.progress = task, settings, progress
        self.modules, self.device = task.modules, task.device
        self.optimizer = torch.optim.AdamW(
            self.modules.parameters(), settings.learning_rate, (0.9, 0.98), weight_decay=settings.weight_decay
        )
        self.curves: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        kept = dict(self.modules.named_parameters()) if settings.averaging else {}
        self.averages = {name: weight.detach().clone() for name, weight in kept.items()}
        self.started = 0.0
        self.resumed = 0
        self.told = False
        self.file = self._checkpoint_file()

    def run(self) -> Learned:
        """Train, and return what was learned."""
        self.progress(self.task.cost.before(self.device.type), 1.0)
        self._resume()
        self.started, self.resumed = time.perf_counter(), len(self.curves)
        with limited_threads():
            for epoch in range(self.resumed, self.settings.epochs):
                if self._finished():
                    break
                with seeded(self.settings.seed, epoch + 1, self.device):
                    self._epoch(epoch)
        if self.file is not None:
            remove_checkpoint(self.file)
        self.modules.load_state_dict(self.best)
        state = {name: value.detach().cpu().numpy() for name, value in self.modules.state_dict().items()}
        return Learned(state, self.curves)

    # ---------------------------------------------------------------- epochs

    def _epoch(self, epoch: int) -> None:
        settings, name = self.settings, f"epoch {epoch + 1} of {self.settings.epochs}"
        batches = self.task.batches(epoch, settings.batch, np.random.default_rng([settings.seed, epoch + 1]))
        self.progress(name, 0.0)
        total = 0.0
        for number, batch in enumerate(batches):
            done = (epoch + number / len(batches)) / settings.epochs
            self._set_step_size(done + 0.5 / len(batches) / settings.epochs)
            total += self._step(batch)
            self._average(epoch * len(batches) + number)
            self._tell_time(done)
            self.progress(name, (number + 0.5) / len(batches))
        with self._averaged():
            found = {"loss": total / max(len(batches), 1)} | self._evaluate()
        if not math.isfinite(found["loss"]):
            raise DataError(
                f"{self.task.name}: the loss of epoch {epoch + 1} is {found['loss']}; lower learning_rate ({settings.learning_rate:g})",
                field="learning_rate",
            )
        self.curves.append(found)
        if self._is_good(epoch):
            with self._averaged():
                self.best = {n: value.detach().clone() for n, value in self.modules.state_dict().items()}
        self._save()
        self.progress(name, 1.0)
        self.progress(", ".join(f"{key} {value:.4g}" for key, value in found.items()), 1.0)

    def _step(self, batch: NDArray[np.int64]) -> float:
        """Take a step on some examples, and return their mean loss."""
        self.modules.train()
        parts = self.task.parts(batch, self.settings.accumulate)
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in parts:
            with self._precision():
                loss = self.task.loss(part)
            torch.autograd.backward(loss)
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self.modules.parameters(), LONGEST_GRADIENT)
        self.optimizer.step()
        return total

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the averages towards the weights after a step, the steps counted from 0: they are over a quarter of the steps at most."""
        share = max(1 - self.settings.averaging, LATEST / (LATEST + step))
        for name, weight in self.modules.named_parameters():
            if name in self.averages:
                self.averages[name].lerp_(weight, share)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Exchange the weights for their averages, where there are any."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for name, weight in self.modules.named_parameters():
            if name in self.averages:
                weight.data, self.averages[name] = self.averages[name], weight.data

    @torch.no_grad()
    def _evaluate(self) -> dict[str, float]:
        self.modules.eval()
        return self.task.evaluate()

    def _precision(self) -> AbstractContextManager[Any]:
        wanted = self.settings.precision
        use = wanted == "bfloat16" or (wanted == "auto" and multiplies_bfloat16(self.device))
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=use)

    def _best_epoch(self) -> int:
        """Return the epoch that was best on held-out examples so far; the last one where none are held out."""
        watched = self.task.watched
        if watched not in self.curves[0]:
            return len(self.curves) - 1
        values = np.array([one[watched] for one in self.curves])
        return int(np.argmax(values if self.task.rising else -values))

    def _is_good(self, epoch: int) -> bool:
        """Return whether the latest epoch is the best so far, but for the slack of the task."""
        best = self._best_epoch()
        watched, slack = self.task.watched, self.task.slack
        if best == epoch or not slack:
            return best == epoch
        now, then = self.curves[epoch][watched], self.curves[best][watched]
        return now >= (1 - slack) * then if self.task.rising else now <= (1 + slack) * then

    def _finished(self) -> bool:
        return bool(self.curves) and len(self.curves) - 1 - self._best_epoch() >= self.settings.patience

    def _set_step_size(self, done: float) -> None:
        scale = min(1.0, done / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * scale

    def _tell_time(self, done: float) -> None:
        """State the remaining time once, after a minute on a CPU. done: share of all epochs."""
        seconds = time.perf_counter() - self.started
        share = done - self.resumed / self.settings.epochs
        if self.told or self.device.type != "cpu" or seconds < MINUTE or share <= 0:
            return
        self.told = True
        left = seconds * (1 - done) / share
        self.progress(self.task.cost.after_a_minute(left, self.settings.epochs), 1.0)

    # ---------------------------------------------------------------- checkpoints

    def _checkpoint_file(self) -> Path | None:
        if self.settings.checkpoints is None:
            return None
        settings = self.settings.model_dump(exclude=NO_PART_OF_THE_NUMBERS)
        try:
            Path(self.settings.checkpoints).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.task.name}: the folder of checkpoints cannot be made: {error}; name another one",
                field="checkpoints",
            ) from None
        name = fingerprint({"model": self.task.name, **settings}, self.task.data())
        return Path(self.settings.checkpoints) / f"{name}.npz"

    def _save(self) -> None:
        if self.file is None:
            return
        arrays = {f"now.{name}": value for name, value in self.modules.state_dict().items()}
        arrays |= {f"best.{name}": value for name, value in self.best.items()}
        arrays |= {f"average.{name}": value for name, value in self.averages.items()}
        for name, weight in self.modules.named_parameters():
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
        self.modules.load_state_dict(
            {n.removeprefix("now."): t for n, t in tensors.items() if n.startswith("now.")}
        )
        self.best = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        self.averages = {name: tensors[f"average.{name}"] for name in self.averages}
        for name, weight in self.modules.named_parameters():
            if (
                f"step.{name}" in tensors
            ):  # a weight without gradients, such as that of no tokens, has no moments
                self.optimizer.state[weight] = {
                    moment: tensors[f"{moment}.{name}"] for moment in ("step", "exp_avg", "exp_avg_sq")
                }
        self.curves = facts["curves"]
        self.progress(f"going on after epoch {len(self.curves)}: {self.file}", 1.0)
