"""The Python clients: both have the same methods, and their types are those of the interface."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest

from shortlist.serve.openapi import openapi_document
from shortlist_client import AsyncClient, Client
from shortlist_client import answers as answer_types
from shortlist_client import requests as request_types


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(one).parameters) for name, one in found if not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    return dict(openapi_document()["components"]["schemas"])


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("RecommendBody", request_types.RecommendRequest),
        ("PageBody", request_types.PageRequest),
        ("EventBody", request_types.EventBody),
        ("ItemAnswer", answer_types.ItemAnswer),
        ("RecommendAnswer", answer_types.Slate),
        ("RowAnswer", answer_types.Row),
        ("PageAnswer", answer_types.Page),
        ("EventsAnswer", answer_types.EventsAnswer),
        ("AudienceBody", request_types.AudienceRequest),
        ("ItemBody", request_types.ItemChange),
        ("NamedItemBody", request_types.NamedItemChange),
        ("NamedUserBody", request_types.NamedUserBody),
        ("AudienceAnswer", answer_types.AudienceAnswer),
        ("MemberAnswer", answer_types.MemberAnswer),
        ("SimilarUserAnswer", answer_types.SimilarUserAnswer),
        ("WhyAnswer", answer_types.WhyAnswer),
        ("ItemChanged", answer_types.ItemChanged),
        ("ItemsChanged", answer_types.ItemsChanged),
        ("ItemRetired", answer_types.ItemRetired),
        ("UserChanged", answer_types.UserChanged),
        ("UsersChanged", answer_types.UsersChanged),
        ("UserErased", answer_types.UserErased),
        ("UserExport", answer_types.UserExport),
    ],
)
def test_the_types_have_the_fields_of_the_interface(schemas: dict[str, Any], schema: str, kind: type) -> None:
    assert set(get_type_hints(kind)) == set(schemas[schema]["properties"])
