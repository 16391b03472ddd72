"""What all settings share: nothing unknown is taken, every field has its docstring, durations are written as people write them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

IMPRESSION = "impression"
"""The kind of event that says an item was shown. It feeds counters and ranker examples, never a history."""

MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@lru_cache(maxsize=1024)
def duration_ms(text: str) -> int:
    """`"30d"`, `"12h"`, `"15m"`, `"90s"`, `"2w"` in milliseconds. Raises `ValueError` on anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text)
    if not match or float(match.group(1)) <= 0:
        raise ValueError(f'{text!r} is not a duration; write for example "30d", "12h", "15m" or "90s"')
    return int(float(match.group(1)) * MS[match.group(2)])


def _written(text: str) -> str:
    duration_ms(text)
    return text


Duration = Annotated[str, AfterValidator(_written)]
"""A duration as people write it; `duration_ms` says how long it is."""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
