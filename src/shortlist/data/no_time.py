"""The value of a missing time."""

from __future__ import annotations

import numpy as np

NO_TIME: int = int(np.iinfo(np.int64).min)
"""Stands in arrays of milliseconds where there is no time."""
