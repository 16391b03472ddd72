"""Requests of whole batches: all users who are about to act, at one moment."""

from __future__ import annotations

import numpy as np

from shortlist.config.rank import RankSettings
from shortlist.data.dataset import Dataset
from shortlist.rank.past_requests import PastRequests, within_limit


def with_batches(
    past: PastRequests,
    dataset: Dataset,
    span: tuple[int, int],
    horizon: int,
    settings: RankSettings,
    rng: np.random.Generator,
) -> PastRequests:
    """Add a request for each user at a few moments of a window, as slates that are computed ahead have them.

    A ranker that learns only from moments of action knows what is taken within minutes of what was popular a moment ago. A slate that is
    computed at night, mailed, or evaluated at one moment has to last until the user comes back: what it knows is days old by then.
    Users who do not act within the horizon are left out, as in requests of users who came.

    Parameters
    ----------
    past
        Moments of action, to which they are added.
    dataset
        The log.
    span
        Start and end of the window, ms; the `settings.batches` moments divide it into equal parts.
    horizon
        Longest attribution window of an objective, ms.
    settings
        Above `max_rows` expected examples, requests are drawn at random.
    rng
        Draws them.
    """
    log, (start, end) = dataset.log, span
    parts = [np.stack([past.moments, past.users.astype(np.int64)])]
    for moment in np.linspace(start, end, settings.batches, endpoint=False).astype(np.int64):
        low, high = np.searchsorted(log.time, [moment, min(moment + horizon, end)])
        users = np.unique(log.user[low:high][log.acted[low:high]]).astype(np.int64)
        parts.append(np.stack([np.full(len(users), moment), users]))
    pairs = np.unique(np.concatenate(parts, axis=1), axis=1)
    size, _ = within_limit(pairs.shape[1], settings)
    if size < pairs.shape[1]:
        pairs = pairs[:, np.sort(rng.permutation(pairs.shape[1])[:size])]
    return PastRequests(pairs[1].astype(np.int32), pairs[0])
