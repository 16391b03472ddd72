"""An experiment with two arms."""

from __future__ import annotations

from typing import Any

from shortlist.config.experiments import Experiment

ARMS = {"now": {}, "varied": {"diversity": 0.6}}


def experiment(**more: Any) -> Experiment:
    """An experiment on plays, with further or other settings."""
    return Experiment.model_validate({"metric": "play", "arms": ARMS, **more})
