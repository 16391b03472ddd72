r"""The value of other slates, from slates that were drawn with known chances.

Under the position-based model, an item brings e_k · v in slot k, where e_k is the probability that the slot is looked at and
v what the item brings once it is. A slate is worth Σ_j e_j · v_j. The log says v of the items that it showed. Each of these
stands for the times at which it could have been shown and was not: it is weighted by one over the chance of being on the
slate. That chance is not logged; the chance of an item in its slot k, given the slots above, is: p_k. For K slots,

    w = (1 / p_k + K − k) / K        (k = 1 … K)

has the mean 1 for every item that can be drawn in every slot: slot k contributes 1 / p_k if it draws the item, each slot below
contributes 1 because the item is already on the slate, and those above contribute nothing, where it was available and not
drawn. Taken over all slots, the expectation is Σ_k [P(available at k) + P(drawn above k)] / K = 1.

A model of v fills in for items that were not shown, and the weighted rows correct the model's error (doubly robust: Dudík,
Langford & Li 2011). If all items of a slate could be drawn, the estimate is right whatever the model says.

Weights are limited to `LARGEST_WEIGHT`: beyond it, single rows would decide the result. The part that the limit takes away is filled in by
the model, and is missing in `SlateValues.covered`, so that the overlap shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_WEIGHT = 30.0
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class SlateValues:
    """The estimated value of a slate for each logged one.

    Attributes
    ----------
    value : ndarray of float, shape (n_slates,)
        Estimated utility of the slate that would have been shown.
    covered : ndarray of float, shape (n_slates,)
        Share of it that the log covers; the mean is 1 if the logging policy could have shown everything.
    """

    value: FloatArray
    covered: FloatArray

    def __repr__(self) -> str:
        return f"SlateValues({len(self.value):,} slates, mean {self.value.mean():.4g}, covered {self.covered.mean():.0%})"


def drawing_weights(items: IntArray, chances: FloatArray) -> FloatArray:
    """Return the weight w of every shown item, float (n_slates, n_slots).

    Parameters
    ----------
    items : ndarray of int, shape (n_slates, n_slots)
        The slates, −1 for an empty slot.
    chances : ndarray of float, shape (n_slates, n_slots)
        Chance of each item in its slot, given the slots above. Slots that come before the first random one are certain and
        weigh 1.
    """
    shown = items >= 0
    chance = np.where(shown, chances, 1.0)
    random = chance < 1
    slots = items.shape[1]
    first = np.where(random.any(1), random.argmax(1), slots)[:, None]
    last = np.where(shown.any(1), slots - shown[:, ::-1].argmax(1), 0)[:, None]
    slot = np.arange(slots)
    weight = np.minimum((1 / chance + (last - 1 - slot)) / np.maximum(last - first, 1), LARGEST_WEIGHT)
    return np.asarray(np.where(shown & (slot >= first), weight, np.where(shown, 1.0, 0.0)))


def slate_values(
    shown: IntArray,
    per_look: FloatArray,
    weight: FloatArray,
    target: IntArray,
    predicted: tuple[FloatArray, FloatArray],
    examined: FloatArray,
) -> SlateValues:
    """Estimate the value of other slates, one for each logged slate.

    Parameters
    ----------
    shown, target : ndarray of int, shape (n_slates, n_slots)
        Items of the logged and of the other slates, −1 for an empty slot.
    per_look : ndarray of float, shape (n_slates, n_slots)
        Utility of what followed each shown item, divided by the probability that its slot is looked at.
    weight : ndarray of float, shape (n_slates, n_slots)
        `drawing_weights`.
    predicted : tuple of ndarray of float, shape (n_slates, n_slots)
        What a model predicts for the shown and for the target items, in units of `per_look`.
    examined : ndarray of float, shape (n_slots,)
        Probability that a slot is looked at.
    """
    same = (target[:, :, None] == shown[:, None, :]) & (shown >= 0)[:, None, :]
    # at[s, k]: how often the slot is looked at in which the target slate has the item of the logged slot k
    at = np.einsum("sjk,j->sk", same, examined) * weight
    known, other = predicted
    filled = (target >= 0) * examined
    value = (filled * other).sum(1) + (at * (per_look - known)).sum(1)
    return SlateValues(value, at.sum(1) / np.maximum(filled.sum(1), 1e-12))


def order_values(
    shown: IntArray, per_look: FloatArray, scores: FloatArray, examined: FloatArray
) -> FloatArray:
    """Return the utility of each logged slate in another order, float (n_slates,).

    It needs no chances, and judges only how a recommender orders what was shown.

    Parameters
    ----------
    shown, per_look, examined
        As in `slate_values`.
    scores : ndarray of float, shape (n_slates, n_slots)
        Scores of the shown items by which they would be ordered. NaN comes last.
    """
    last = np.where(shown >= 0, np.nan_to_num(scores, nan=-np.inf), -np.inf)
    # equal scores keep no order of the log: the mean of their slots counts
    above = (last[:, None, :] > last[:, :, None]).sum(2)
    equal = ((last[:, None, :] == last[:, :, None]) & (shown >= 0)[:, None, :]).sum(2)
    total = np.concatenate([[0.0], np.cumsum(examined)])
    slots = len(examined)
    looked = (total[np.minimum(above + equal, slots)] - total[np.minimum(above, slots)]) / np.maximum(
        equal, 1
    )
    return np.asarray(np.where(shown >= 0, looked * per_look, 0.0).sum(1))
