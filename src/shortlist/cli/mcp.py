"""`shortlist mcp`: tools for agents."""

from __future__ import annotations

from typing import Annotated

import typer

from shortlist.cli.terminal import (
    BundleArgument,
    FunctionsOption,
    ThreadsOption,
    bundle_path,
    existing_store,
    load_functions,
)
from shortlist.errors import import_extra
from shortlist.threads import set_threads


def mcp(
    bundle: BundleArgument,
    store: Annotated[
        str | None,
        typer.Option(
            help="The event store of the running server, so that answers know what has happened since training. It is only read "
            "(default: none)."
        ),
    ] = None,
    http: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help="Port at which programs of this machine are answered over HTTP, at /mcp (default: standard input and output).",
        ),
    ] = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Let agents ask a recommender by the Model Context Protocol (MCP).

    The tools recommend, rank, similar, why and preview only read. An agent starts this command itself and talks to it over standard
    input and output.
    """
    import_extra("mcp.server.lowlevel", "mcp")  # before the bundle is loaded
    set_threads(threads)
    load_functions(functions)
    from shortlist.agents.followed import FollowedRecommender
    from shortlist.agents.server import make_mcp_server, serve_http, serve_stdio
    from shortlist.recommender import Recommender

    path = bundle_path(bundle)
    opened = (
        None
        if store is None
        else existing_store(store, "store", "start the server first, or leave --store out")
    )
    server = make_mcp_server(FollowedRecommender(Recommender.load(path), path, opened))
    if http is None:
        serve_stdio(server)
    else:
        serve_http(server, http)
