"""The search over families of retrievers: each is tuned in turn, and those that are worth their cost are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from shortlist.data.progress import Progress
from shortlist.errors import DataError
from shortlist.metrics.significance import Estimate
from shortlist.retrieve.fusion.holdout import Kind
from shortlist.retrieve.fusion.networks import clear_networks, is_network
from shortlist.retrieve.fusion.tuner import Trial, Tuner

JUDGES = 12_000
"""At most this many users judge a fusion."""
CLOSE = 0.5
"""Families with less than this fraction of the best one's NDCG are left out."""


def usual_families(kind: Kind) -> list[str]:
    """Return the families that are tried where none are named, in the order of the search.

    What is recommended follows on the history in time, except in a random hold-out: then the order of events says something. Where all of it
    follows one moment, what was popular before that moment says something, too.
    """
    popular = ["popular"] if kind == "time" else []
    ordered = ["sequence", "sequential_slim"] if kind != "random" else []
    return ["neighbours", *popular, "spectral", "slim", "als", *ordered]


def search_families(
    tuner: Tuner,
    families: Sequence[str],
    trials: int,
    progress: Progress,
    doing: str = "tuning",
    named: Collection[str] = (),
) -> dict[str, str]:
    """Tune each family, as far as the time allows.

    Parameters
    ----------
    tuner
        Fits the settings and records the trials.
    families
        Names of models, in the order in which they are tuned.
    trials
        Number of settings that each family may try.
    progress
        Called with the step, which tells the best trial so far, and the share of it that is done.
    doing
        The first words of each step.
    named
        Families that are tuned in any case; others are left out where the best settings of another one contain them (`INCLUDED`).

    Returns
    -------
    dict
        Network → why it refuses the data.
    """
    refused = {}
    for number, family in enumerate(families, 1):
        if not tuner.affordable(family) or (family not in named and tuner.includes(family)):
            continue
        step = f"{doing} {family}, {number} of {len(families)}{_so_far(tuner.trials)}"
        progress(step, 0.0)
        try:
            tuner.search(family, trials, partial(progress, step))
        except DataError as error:
            if not is_network(family):
                raise
            refused[family] = str(error)
        progress(step, 1.0)
    return refused


def _so_far(trials: Sequence[Trial]) -> str:
    """Return the best of the trials as the end of a sentence."""
    if not trials:
        return ""
    best = max(trials, key=lambda t: t.ndcg)
    return f"; best of {len(trials)} trials: {best.model} {best.ndcg:.4f}"


def kept_families(tuner: Tuner, k: int) -> tuple[list[Trial], dict[str, Estimate]]:
    """Return the best trials of the families that are worth using together, and the gains of networks.

    A family is left out where its NDCG is below `CLOSE` of the best one's, a network also where its gain is not clear.

    Parameters
    ----------
    tuner
        Has searched the families.
    k
        Length of the lists whose NDCG decides.

    Returns
    -------
    trials
        Best first.
    gains
        Network → NDCG that a fusion gains by it; see `clear_networks`.
    """
    best = sorted((tuner.best(family) for family in tuner.fitted), key=lambda t: -t.ndcg)
    close = [t for t in best if t.ndcg >= CLOSE * best[0].ndcg]
    return clear_networks(tuner, close, tuner.sample(JUDGES), k)
