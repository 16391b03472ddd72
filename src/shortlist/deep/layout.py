"""The weights of a network as one flat array, which a bundle holds and which needs no PyTorch to be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shapes = dict[str, tuple[int, ...]]


class WeightLayout(ABC):
    """The shape of a network, from which the names, shapes and order of its weights follow."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """The name and shape of each weight, in the order in which they are stored. Matrices are (input, output)."""

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def split(self, flat: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each weight by name, as a view of the flat array float32 (size,)."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            end = start + int(np.prod(shape))
            found[name] = flat[start:end].reshape(shape)
            start = end
        return found

    def joined(self, state: Mapping[str, NDArray[Any]], prefix: str = "") -> NDArray[np.float32]:
        """Return the weights of a trained module as one flat array. `prefix`: what their names begin with in `state`."""
        return np.concatenate([np.asarray(state[prefix + name], np.float32).ravel() for name in self.shapes])


def check_names(**names: Any) -> None:
    """Raise `ValueError` for names that are no list of texts: bundles may hold anything."""
    for field, value in names.items():
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{field} must be a list of texts and is {value!r}")


def check_sizes(sizes: Mapping[str, int], least: int = 1) -> None:
    """Raise `ValueError` for a size of a network that is no whole number from `least` on: bundles may hold anything."""
    for name, size in sizes.items():
        if type(size) is not int or size < least:
            raise ValueError(f"{name} must be a whole number from {least} and is {size!r}")
