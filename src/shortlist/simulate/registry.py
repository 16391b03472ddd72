"""The worlds by name."""

from __future__ import annotations

from collections.abc import Callable

from shortlist.errors import ShortlistError, suggestion
from shortlist.simulate.apps import make_apps
from shortlist.simulate.movies import make_movies
from shortlist.simulate.shop import make_shop
from shortlist.simulate.video import make_video
from shortlist.simulate.world import World

WORLDS: dict[str, Callable[..., World]] = {
    "movies": make_movies,
    "video": make_video,
    "shop": make_shop,
    "apps": make_apps,
}


def make_world(
    name: str,
    users: int | None = None,
    items: int | None = None,
    sessions: int | None = None,
    seed: int = 0,
    days: int | None = None,
    later: int = 0,
) -> World:
    """Make a world and its log.

    Parameters
    ----------
    name : {"movies", "video", "shop", "apps"}
        Which world.
    users, items, sessions, days : int, optional
        Its size and the length of its log. Default: as the world's own function says.
    seed : int, default 0
        The same seed makes the same world.
    later : int, default 0
        Number of days after the end of the log on which further items arrive.

    Raises
    ------
    ShortlistError
        If no world has that name.

    Examples
    --------
    >>> from shortlist.simulate.registry import make_world
    >>> world = make_world("movies", users=200, items=100, sessions=1_000)
    >>> dataset = world.dataset()
    """
    if name not in WORLDS:
        raise ShortlistError(
            f"there is no world {name!r}{suggestion(name, WORLDS)}; there are: {', '.join(WORLDS)}",
            field="name",
        )
    sizes = {"users": users, "items": items, "sessions": sessions, "days": days}
    given = {parameter: size for parameter, size in sizes.items() if size is not None}
    return WORLDS[name](**given, seed=seed, later=later)
