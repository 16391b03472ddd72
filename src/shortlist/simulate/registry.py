"""The worlds by name."""

from __future__ import annotations

from collections.abc import Callable

from shortlist.errors import ShortlistError
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
    """A world, of its usual size where none is given. Raises `ShortlistError` for a name there is not."""
    if name not in WORLDS:
        raise ShortlistError(f"there is no world {name!r}; there are: {', '.join(WORLDS)}", field="name")
    sizes = {"users": users, "items": items, "sessions": sessions, "days": days}
    return WORLDS[name](
        **{what: size for what, size in sizes.items() if size is not None}, seed=seed, later=later
    )
