"""Recommendations and events of a Shortlist server: `Client`, and `AsyncClient` with the same methods to await."""

from shortlist_client.answers import EventsAnswer, ItemAnswer, Page, Row, ShownItem, Slate
from shortlist_client.asynchronous import AsyncClient
from shortlist_client.client import Client
from shortlist_client.errors import ApiError
from shortlist_client.requests import (
    ClientOptions,
    EventBody,
    GivenItem,
    Id,
    PageRequest,
    RankRequest,
    RecommendRequest,
)
from shortlist_client.tokens import sign_user

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientOptions",
    "EventBody",
    "EventsAnswer",
    "GivenItem",
    "Id",
    "ItemAnswer",
    "Page",
    "PageRequest",
    "RankRequest",
    "RecommendRequest",
    "Row",
    "ShownItem",
    "Slate",
    "sign_user",
]
__version__ = "0.1.0"
