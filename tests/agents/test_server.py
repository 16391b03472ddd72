"""The MCP server over real standard input and output, and over HTTP, asked by the SDK's own client."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents
from typer.testing import CliRunner

from shortlist.agents.followed import FollowedRecommender
from shortlist.agents.server import make_mcp_server
from shortlist.cli.main import app
from shortlist.data.attributes import NumberAttribute
from shortlist.errors import MissingExtraError
from shortlist.recommender import Recommender
from shortlist.serve.openapi import openapi_document
from shortlist.store.edits import approve, propose
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent
from support.paths import ROOT
from support.servers import free_port
from support.shell import code_blocks
from support.waiting import wait_for


async def called(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    """The structured answer of a tool; its text says the same."""
    result = await client.call_tool(name, arguments)
    assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    return result.is_error, result.structured_content


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return json.loads(content.text)


def started(bundle: Path, store: Path) -> StdioServerParameters:
    """The server as the guide configures it, with other paths."""
    (written,) = code_blocks(ROOT / "docs" / "how-to" / "mcp.md", "json")
    configured = json.loads(written)["mcpServers"]["shortlist"]
    assert configured["command"] == "shortlist"
    places = {"/srv/shop/bundle": str(bundle), "/srv/shop/bundle-events.sqlite": str(store)}
    arguments = [places.get(one, one) for one in configured["args"]]
    return StdioServerParameters(
        command=sys.executable, args=["-m", "shortlist.cli", *arguments], env=dict(os.environ)
    )


async def check_tools(client: Client, recommender: Recommender) -> str:
    """Ask every tool. Returns the first item of user u00001."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"recommend", "rank", "similar", "why", "preview"}
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
    fields = openapi_document()["components"]["schemas"]["RecommendBody"]["properties"]
    # an agent speaks for nobody by a token: it has no key
    assert set(tools["recommend"].input_schema["properties"]) == set(fields) - {"user_token"}
    assert "price < 20" in tools["recommend"].input_schema["properties"]["filters"]["description"]

    failed, slate = await called(client, "recommend", {"user": "u00001", "n": 4})
    assert not failed
    expected = recommender.recommend("u00001", 4)
    assert [one["item"] for one in slate["items"]] == [one.item for one in expected]
    _, following = await called(client, "recommend", {"user": "u00001", "n": 4, "cursor": slate["cursor"]})
    assert following["first_position"] == 4
    _, ranked = await called(client, "rank", {"user": "u00001", "items": ["m00003", "m00001"]})
    assert {one["item"] for one in ranked["items"]} == {"m00001", "m00003"}
    _, similar = await called(client, "similar", {"item": "m00001", "n": 3})
    assert [one["item"] for one in similar["items"]] == [one.item for one in recommender.similar("m00001", 3)]
    _, why = await called(client, "why", {"user": "u00001", "item": slate["items"][0]["item"]})
    assert (why["shown"], why["stage"]) == (True, "slate")
    change = {"rules": [{"name": "short", "when": "minutes < 90", "action": "hide"}]}
    _, preview = await called(client, "preview", {"rerank": change, "people": 20})
    assert preview["people"] == 20
    assert 0 < preview["changed"] <= 1
    assert [part["part"] for part in preview["parts"]][-1] == "rule: short"
    assert set(preview["objectives"]) == {"play", "seconds", "rating"}
    return str(slate["items"][0]["item"])


async def check_resources(client: Client) -> None:
    objectives = await read(client, "shortlist://objectives")
    assert set(objectives["objectives"]) == {"play", "seconds", "rating"}
    attributes = await read(client, "shortlist://attributes")
    assert attributes["items"]["minutes"] == {"kind": "number"}
    assert {one.uri for one in (await client.list_resources()).resources} == {
        "shortlist://objectives",
        "shortlist://attributes",
        "shortlist://health",
    }
    with pytest.raises(MCPError, match="there are: shortlist://"):
        await client.read_resource("shortlist://nothing")


def test_an_agent_over_stdio(bundle: Path, recommender: Recommender, tmp_path: Path) -> None:
    """One process, as an agent starts it: every tool, every resource, and what a server stores in the meantime."""
    target = tmp_path / "events.sqlite"
    store = EventStore(target)

    async def ask() -> None:
        async with Client(stdio_client(started(bundle, target))) as client:
            seen = await check_tools(client, recommender)
            await check_resources(client)
            store.write([StoredEvent("e1", "u00001", seen, "play", recommender.now(), 900.0)])
            rule = {"name": "short ones", "when": "minutes > 90", "action": "hide"}
            approve(store, propose(store, {"rerank": {"rules": [rule]}}, {}, 0, "x", "anna"), "", "ben")
            await asyncio.sleep(FollowedRecommender.FOLLOW)
            _, later = await called(client, "recommend", {"user": "u00001", "n": 4})
            shown = [one["item"] for one in later["items"]]
            assert seen not in shown
            items = recommender.dataset.items
            lengths = items.attribute("minutes", NumberAttribute).values[items.ids.codes(shown)]
            assert lengths.max() <= 90
            health = await read(client, "shortlist://health")
            assert (health["events_since"], health["settings"], health["settings_fault"]) == (1, 1, None)

    asyncio.run(ask())
    assert list(store.slates()) == [], "nothing is written"
    store.close()


def test_errors_name_the_field(recommender: Recommender) -> None:
    """An error is an answer that the agent can read and correct."""
    server = make_mcp_server(FollowedRecommender(recommender, Path("bundle")))
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("recommend", {"usr": "u1"}, "usr"),
        ("recommend", {"n": 0}, "n"),
        ("recommend", {"weights": {"fame": 1.0}}, "weights.fame"),
        ("recommend", {"filters": "minuts < 3"}, "filters"),
        ("recommend", {"cursor": "x"}, "cursor"),
        ("rank", {"user": "u1"}, "items"),
        ("rank", {"items": ["m00001", "m00001"]}, "items.1.item"),
        ("similar", {"item": "nothing"}, "item"),
        ("similar", {"item": "m00001", "n": 0}, "n"),
        ("why", {"user": "u00001"}, "item"),
        ("preview", {"weights": {"fame": 1}}, "weights.fame"),
        ("preview", {"weights": {"play": "much"}}, "weights.play"),
        ("preview", {"rerank": {"diversty": 1}}, "rerank.diversty"),
        ("preview", {"rerank": {"diversity": 7}}, "rerank.diversity"),
        (
            "preview",
            {"rerank": {"rules": [{"name": "x", "when": "a < 3", "action": "hide"}]}},
            "rerank.rules.0.when",
        ),
        ("preview", {"rerank": {"exposure_by": "colour"}}, "rerank.exposure_by"),
        ("recomend", {}, "name"),
    ]

    async def ask() -> None:
        async with Client(server) as client:
            for name, arguments, field in cases:
                failed, answer = await called(client, name, arguments)
                assert (failed, answer["field"]) == (True, field), answer

    asyncio.run(ask())


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_over_http(bundle: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "shortlist.cli", "mcp", str(bundle), "--http", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: listens(port), "the MCP server", 120)

        async def ask() -> Any:
            async with Client(f"http://127.0.0.1:{port}/mcp") as client:
                return await called(client, "recommend", {"history": ["m00001"], "n": 3})

        failed, slate = asyncio.run(ask())
        assert not failed
        assert len(slate["items"]) == 3
    finally:
        process.terminate()
        process.wait(30)


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[mcp\]'"):
        CliRunner().invoke(app, ["mcp", "bundle"], catch_exceptions=False)
