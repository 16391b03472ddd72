"""Where a training runs, and from which seed. Only training imports it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from shortlist.deep.settings import TrainingSettings
from shortlist.errors import ProjectError
from shortlist.threads import thread_limit


def chosen_device(settings: TrainingSettings) -> torch.device:
    """Return the device that settings ask for. Raises `ProjectError` where it is a GPU and there is none."""
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise ProjectError(
            'device = "cuda", and PyTorch finds no GPU; use "auto", or install a build of torch with CUDA',
            field="device",
        )
    return torch.device("cuda" if there and settings.device != "cpu" else "cpu")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for products in bfloat16, which make them several times as fast."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, Any] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # newer versions of PyTorch have it
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextmanager
def seeded(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Seed PyTorch for an epoch (0: the initial weights), and leave the generators of the program as they were."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        yield


@contextmanager
def limited_threads() -> Iterator[None]:
    """Limit the threads of PyTorch as those of the other libraries."""
    before, limit = torch.get_num_threads(), thread_limit()
    torch.set_num_threads(before if limit is None else min(before, limit))
    try:
        yield
    finally:
        torch.set_num_threads(before)
