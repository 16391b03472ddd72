"""Functions for executors, which first compare the version of their Shortlist with that of the driver.

Python sends a function as the name of its module and its arguments. An executor with another version would call another function of
that name, or find none: it would fail with an error about names, or give an answer that nobody compares. Here the function travels
as bytes, which are read after the comparison.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from shortlist.errors import EngineError
from shortlist.version import __version__

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True, repr=False)
class OnExecutor:
    """A function of batches for `mapInArrow`.

    Attributes
    ----------
    version
        The version of the driver's Shortlist.
    packed
        The function.
    """

    version: str
    packed: bytes

    def __call__(self, batches: Batches) -> Batches:
        """Call the function. Raises `EngineError` where the executor has another version."""
        if self.version != __version__:
            raise EngineError(
                f"the Python of an executor has Shortlist {__version__}, and the driver has {self.version}; install "
                f"'shortlist[spark]=={self.version}' on every worker"
            )
        function: Callable[[Batches], Batches] = pickle.loads(self.packed)  # noqa: S301 - from the driver, over Spark
        return function(batches)

    def __repr__(self) -> str:
        return f"OnExecutor({len(self.packed):,} bytes)"


def on_executors(function: Callable[[Batches], Batches]) -> OnExecutor:
    """Return a function as executors call it."""
    from pyspark import cloudpickle

    packed: bytes = cloudpickle.dumps(function)  # type: ignore[no-untyped-call]
    return OnExecutor(__version__, packed)
