"""How long to wait before another attempt."""

from __future__ import annotations

import random
from collections.abc import Callable

from shortlist_client.errors import ApiError

FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
"""Seconds."""


def delay_before(
    attempt: int,
    retry_after: float | None,
    longest: float = LONGEST_DELAY,
    draw: Callable[[], float] = random.random,
) -> float:
    """Return the seconds to wait: exponential back-off with full jitter; no less than the server says.

    Clients that failed together do not come back together.

    References
    ----------
    Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    spread = min(longest, FIRST_DELAY * 2.0 ** (attempt - 1)) * draw()
    return spread + (retry_after or 0.0)


def wait_before(error: Exception, attempt: int, retries: int) -> float:
    """Return the seconds to wait before an attempt after a failure. Raises the failure where there is no further attempt."""
    if not isinstance(error, ApiError) or not error.temporary or attempt > retries:
        raise error
    if (error.retry_after or 0.0) > LONGEST_DELAY:
        raise error  # the caller knows better what to do meanwhile
    return delay_before(attempt, error.retry_after)
