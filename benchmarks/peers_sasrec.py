"""RecTools' SASRec for `make benchmark-sasrec`; runs in an environment of its own (peers_deep.txt).

    python peers_sasrec.py FOLDER SECONDS

FOLDER holds `train.parquet` (user, item, time) and `users.parquet` (user). Lists of ten for these users, without what they had, are
written to `lists.parquet` (user, item, rank). Training stops after so many seconds of processor time. Settings are the defaults of
RecTools, which are those of its publication.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from rectools.dataset import Dataset
from rectools.models import SASRecModel


class Clock(pl.Callback):
    """Stops a training after some seconds of processor time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.started, self.epochs = seconds, time.process_time(), 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Count, and stop where the time is over."""
        self.epochs += 1 / trainer.num_training_batches
        if time.process_time() - self.started > self.seconds:
            trainer.should_stop = True


def main(folder: Path, seconds: float) -> None:
    """Train and recommend."""
    torch.set_num_threads(1)
    pl.seed_everything(0, verbose=False)
    events = pd.read_parquet(folder / "train.parquet")
    events = events.rename(columns={"user": "user_id", "item": "item_id", "time": "datetime"}).assign(
        weight=1.0
    )
    dataset = Dataset.construct(events)
    clock = Clock(seconds)

    def trainer() -> pl.Trainer:
        return pl.Trainer(
            max_epochs=1_000,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        )

    model = SASRecModel(get_trainer_func=trainer)
    model.fit(dataset)
    took = time.process_time() - clock.started
    users = pd.read_parquet(folder / "users.parquet")["user"]
    users = users[users.isin(events["user_id"])]
    lists = model.recommend(
        users=users.to_numpy(), dataset=dataset, k=10, filter_viewed=True, on_unsupported_targets="ignore"
    )
    lists = lists.rename(columns={"user_id": "user", "item_id": "item"})[["user", "item", "rank"]]
    lists.to_parquet(folder / "lists.parquet")
    (used,) = (
        one for one in model.fit_trainer.callbacks if isinstance(one, Clock)
    )  # RecTools copies the trainer
    print(json.dumps({"seconds": took, "epochs": used.epochs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
