"""Very many items: weigh by what an item is, not by which it is (Saito & Joachims 2022, "Off-policy evaluation for large action
spaces via embeddings").

In a catalogue of thousands the chance that the log showed just the item that the new policy wants is tiny, and weights explode.
If what an item brings depends on its category (topic, price range, a cluster of its vectors) and hardly on which one of the
category it is, the chance of the category is enough: w = π(category | x) / π₀(category | x), both sums over the items in it.
The weights are far smaller. What is left out, how items differ within a category, is the bias, which no interval shows: choose
categories within which items are alike, and compare with finer ones.
"""

from __future__ import annotations

import numpy as np

from shortlist.evaluate.offpolicy.single import Choices
from shortlist.evaluate.offpolicy.support import OffPolicy, overlap, settle


def estimate_marginal(
    log: Choices,
    policy: np.ndarray,
    logging: np.ndarray,
    category: np.ndarray,
    outcome: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, OffPolicy]:
    """mips, its self-normalised form, and with an outcome model its doubly robust one.

    policy, logging float (n, A): both policies' chances of every action in each row; category int (A,), from 0; outcome float
    (n, A) from `fit_outcome`.
    """
    of = category[log.action]
    weight = marginal_weights(policy, logging, category)[np.arange(len(log)), of]
    one = np.ones(len(log))
    covered = overlap(weight, log.reward, log.cluster)

    def kept(name: str, above: np.ndarray, below: np.ndarray) -> OffPolicy:
        facts = {"categories": int(category.max(initial=-1)) + 1}
        return settle(name, above, below, covered, log.cluster, draws, seed, facts)

    found = {
        "mips": kept("mips", weight * log.reward, one),
        "snmips": kept("snmips", weight * log.reward, weight),
    }
    if outcome is not None:
        left = log.reward - outcome[np.arange(len(log)), log.action]
        direct = np.einsum("na,na->n", policy, outcome)
        found["mdr"] = kept("mdr", direct + weight * left, one)
    return found


def marginal_weights(policy: np.ndarray, logging: np.ndarray, category: np.ndarray) -> np.ndarray:
    """float64 (n, categories): how much likelier each category is under the new policy."""
    n = int(category.max(initial=-1)) + 1
    groups = np.zeros((len(category), n))
    groups[np.arange(len(category)), category] = 1.0
    above, below = policy @ groups, logging @ groups
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
