"""The MCP server: tools and resources of a recommender over stdio, or over HTTP on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from shortlist.agents.followed import FollowedRecommender
from shortlist.agents.resources import RESOURCES
from shortlist.agents.tools import TOOLS, find_tool
from shortlist.data.json_text import as_json
from shortlist.errors import ShortlistError, import_extra
from shortlist.version import __version__

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

JSON = "application/json"
THREADS = 2
"""Calls that are answered at the same time; further ones wait."""
INSTRUCTIONS = (
    "Recommendations with predictions, reasons and prices. Read shortlist://objectives and shortlist://attributes for the names that "
    "weights, filters and boosts use. Nothing is changed or stored by a tool."
)


class _Handlers:
    """The handlers of the requests of the protocol."""

    def __init__(self, followed: FollowedRecommender) -> None:
        self.followed = followed
        self.types = import_extra("mcp_types", "mcp")
        self.limit = anyio.CapacityLimiter(THREADS)

    async def list_tools(self, _context: Any, _params: Any) -> Any:
        types = self.types
        hints = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    description=tool.description,
                    input_schema=tool.body.model_json_schema(),
                    annotations=hints,
                )
                for tool in TOOLS.values()
            ]
        )

    async def call_tool(self, _context: Any, params: Any) -> Any:
        try:
            tool, arguments = find_tool(params.name), params.arguments or {}
            content = await anyio.to_thread.run_sync(
                lambda: tool(self.followed.current(), arguments), limiter=self.limit
            )
            failed = False
        except ShortlistError as error:  # a result, so that the agent can correct its call
            content, failed = {"error": error.message, "field": error.field}, True
        text = self.types.TextContent(text=as_json(content).decode())
        return self.types.CallToolResult(content=[text], structured_content=content, is_error=failed)

    async def list_resources(self, _context: Any, _params: Any) -> Any:
        return self.types.ListResourcesResult(
            resources=[
                self.types.Resource(uri=one.uri, name=one.name, description=one.description, mime_type=JSON)
                for one in RESOURCES.values()
            ]
        )

    async def read_resource(self, _context: Any, params: Any) -> Any:
        one = RESOURCES.get(params.uri)
        if one is None:
            raise import_extra("mcp.shared.exceptions", "mcp").MCPError(
                self.types.INVALID_PARAMS,
                f"there is no resource {params.uri!r}; there are: {', '.join(RESOURCES)}",
            )
        content = await anyio.to_thread.run_sync(one.read, self.followed, limiter=self.limit)
        text = self.types.TextResourceContents(uri=one.uri, mime_type=JSON, text=as_json(content).decode())
        return self.types.ReadResourceResult(contents=[text])


def make_mcp_server(followed: FollowedRecommender) -> Server[Any]:
    """Make the server. Raises `MissingExtraError` where the SDK is not installed."""
    handlers = _Handlers(followed)
    made: Server[Any] = import_extra("mcp.server.lowlevel", "mcp").Server(
        "shortlist",
        version=__version__,
        title=f"Shortlist: {followed.loaded.recommender.project.name}",
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_read_resource=handlers.read_resource,
    )
    return made


def serve_stdio(server: Server[Any]) -> None:
    """Answer the program that started this process, until it closes the input."""
    stdio = import_extra("mcp.server.stdio", "mcp")

    async def run() -> None:
        async with stdio.stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(run)


def serve_http(server: Server[Any], port: int) -> None:
    """Answer programs of this machine at `http://127.0.0.1:PORT/mcp` (streamable HTTP), until interrupted."""
    app = server.streamable_http_app(json_response=True, stateless_http=True, host="127.0.0.1")
    import_extra("uvicorn", "mcp").run(app, host="127.0.0.1", port=port, log_level="warning")
