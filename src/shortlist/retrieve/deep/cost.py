"""The cost of training the transformer, estimated before it begins."""

from __future__ import annotations

from shortlist.deep.cost import TrainingCost, state_bytes
from shortlist.retrieve.deep.architecture import Architecture


def transformer_cost(
    shape: Architecture, vectors: tuple[int, int], compared: int, targets: int, batch: int
) -> TrainingCost:
    """Return what a training will take.

    Memory is that of the weights, and of states, attention and scores of a batch. Operations are those of the forward pass, and
    twice that backward.

    Parameters
    ----------
    shape
        The network.
    vectors
        Number of vectors of items and of tokens.
    compared
        Number of items that each target is compared with.
    targets
        Number of targets of an epoch.
    batch
        Number of targets that are computed at once.
    """
    d, length = shape.width, min(shape.history, batch)
    weights = sum(vectors) * d + shape.size
    states = shape.blocks * (14 * d + 6 * shape.hidden + 3 * shape.heads * length)
    scores = 4 * compared + 2 * d
    block = 6 * d * d + 3 * d * shape.hidden + d * shape.history
    softmax = "the whole catalogue" if compared == vectors[0] else f"{compared:,} sampled items"
    return TrainingCost(
        weights,
        state_bytes(weights) + 4 * batch * (states + scores),
        6.0 * targets * (shape.blocks * block + compared * d),
        targets // batch if batch else 0,
        f"{targets:,} targets an epoch, each against {softmax}",
    )
