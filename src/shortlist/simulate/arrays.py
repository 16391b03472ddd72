"""Array types of the simulated worlds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
IdArray = NDArray[np.str_]
Columns = dict[str, NDArray[np.generic]]
"""A table as arrays of equal length, by column name."""
