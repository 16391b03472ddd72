"""Recommendations and events of a Shortlist server: `Client`, and `AsyncClient` with the same methods to await."""

from shortlist_client.answers import (
    AudienceAnswer,
    EventsAnswer,
    ItemAnswer,
    ItemChanged,
    ItemRetired,
    ItemsChanged,
    MemberAnswer,
    Page,
    Row,
    ShownItem,
    SimilarUserAnswer,
    Slate,
    UserChanged,
    UserErased,
    UserExport,
    UsersChanged,
    WhyAnswer,
)
from shortlist_client.asynchronous import AsyncClient
from shortlist_client.client import Client
from shortlist_client.errors import ApiError
from shortlist_client.requests import (
    AudienceRequest,
    ClientOptions,
    EventBody,
    GivenItem,
    Id,
    ItemChange,
    NamedItemChange,
    NamedUserBody,
    PageRequest,
    RankRequest,
    RecommendRequest,
)
from shortlist_client.tokens import sign_user

__all__ = [
    "ApiError",
    "AsyncClient",
    "AudienceAnswer",
    "AudienceRequest",
    "Client",
    "ClientOptions",
    "EventBody",
    "EventsAnswer",
    "GivenItem",
    "Id",
    "ItemAnswer",
    "ItemChange",
    "ItemChanged",
    "ItemRetired",
    "ItemsChanged",
    "MemberAnswer",
    "NamedItemChange",
    "NamedUserBody",
    "Page",
    "PageRequest",
    "RankRequest",
    "RecommendRequest",
    "Row",
    "ShownItem",
    "SimilarUserAnswer",
    "Slate",
    "UserChanged",
    "UserErased",
    "UserExport",
    "UsersChanged",
    "WhyAnswer",
    "sign_user",
]
__version__ = "0.1.0"
