"""Outcomes that were not observed: those that come late, and clicks on slots that nobody examined.

An example is labelled positive only if its outcome was observed. A purchase that follows after three days is missing if
the log ends after one; an item in slot 8 may not have been looked at. In both cases a true positive is observed with a
known probability: the share of delays that are shorter than the time since the request, or the examination probability
of the slot.

Inverse propensity weighting corrects the examples on average. An observed positive counts for 1 / observed positives. An
observed negative is a true one with probability (1 − p) / (1 − p · observed), where p is the probability of a positive.

Delays are known only for outcomes that have come, which are the short ones: the sample is truncated on the right.
Lynden-Bell's estimator corrects for this. From the longest delay d downwards it estimates the share of outcomes with
exactly this delay among those of at most d that would have been observed with d.

References
----------
Joachims, Swaminathan & Schnabel (2017). Unbiased learning-to-rank with biased feedback. WSDM.
Wang, Golbandi, Bendersky, Metzler & Najork (2018). Position bias estimation for unbiased learning to rank in personal
search. WSDM. (The weight of negatives.)
Ktena et al. (2019). Addressing delayed feedback for continuous training with neural networks in CTR prediction. RecSys.
Lynden-Bell (1971). A method of allowing for known observational selection in small samples. MNRAS.
Woodroofe (1985). Estimating a distribution function with truncated data. Annals of Statistics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_OBSERVED = 0.1
"""A positive counts for at most 1 / MIN_OBSERVED, so that a few rows do not dominate the model."""
MIN_DELAYS = 50
"""With fewer outcomes, the distribution of delays is not estimated and nothing is weighted."""
MAX_PROBABILITY = 0.99


def share_arrived(
    delays: NDArray[np.int64], elapsed: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Estimate which share of outcomes arrives within given times.

    Parameters
    ----------
    delays, elapsed : ndarray of shape (outcomes,), int64
        Outcomes that arrived: the delay of each, and the time for which it could have been observed, ms.
    at : ndarray of shape (n,), int64
        Times after the request, ms.

    Returns
    -------
    ndarray of shape (n,), float64
        Shares of the outcomes that arrive within the longest observed delay; 1 if there are too few outcomes.
    """
    if len(delays) < MIN_DELAYS:
        return np.ones(len(at))
    values, counts = np.unique(delays, return_counts=True)
    # at risk at delay d: arrived within d, and d would have been observed
    arrived = np.searchsorted(np.sort(delays), values, side="right")
    too_short = np.searchsorted(
        np.sort(elapsed), values, side="left"
    )  # observed for less than d, so arrived before d
    at_risk = np.maximum(arrived - too_short, counts)
    factor = 1.0 - counts / at_risk
    # F(d) = Π over longer delays of (1 − share of exactly that delay)
    share = np.concatenate([np.cumprod(factor[::-1])[::-1][1:], [1.0]])
    place = np.searchsorted(values, at, side="right") - 1
    return np.where(place >= 0, share[np.maximum(place, 0)], 0.0)


def observation_weights(
    label: NDArray[np.float64], observed: NDArray[np.float64], probability: NDArray[np.floating] | float
) -> NDArray[np.float64]:
    """Return the weight of each example, float64 (rows,).

    Parameters
    ----------
    label : ndarray of shape (rows,), float64
        Observed labels; above 0 is positive.
    observed : ndarray of shape (rows,), float64
        Probability that a positive is observed.
    probability
        Probability of a true positive, per row or for all.
    """
    seen = np.clip(observed, MIN_OBSERVED, 1.0)
    p = np.clip(probability, 0.0, MAX_PROBABILITY)
    return np.where(label > 0, 1.0 / seen, (1.0 - p) / (1.0 - p * seen))


def base_rate(
    label: NDArray[np.float64], observed: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """Return the share of true positives: each observed one counts for 1 / observed."""
    total = float(weight.sum())
    positives = float((weight * (label > 0) / np.clip(observed, MIN_OBSERVED, 1.0)).sum())
    return min(positives / total, MAX_PROBABILITY) if total > 0 else 0.0
