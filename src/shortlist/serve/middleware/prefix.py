"""The path prefix below which a reverse proxy serves the server.

Some proxies remove the prefix before they pass a request on, others leave it. This layer removes it where it was left,
before anything else reads the path: access control and routes must see the same path. For the same reason the
application itself is not told the prefix (`root_path`): Starlette would remove it once more, behind access control.
"""

from __future__ import annotations

from shortlist.serve.middleware.asgi import App, Receive, Scope, Send


class PathPrefix:
    """ASGI layer that removes a path prefix, where a request has it.

    Parameters
    ----------
    prefix
        Starts with a slash and does not end with one, such as `/recs`.
    """

    def __init__(self, app: App, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, without the prefix."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path == self.prefix:
                await redirect(f"{self.prefix}/", send)
                return
            if path.startswith(f"{self.prefix}/"):
                scope = {**scope, "path": path[len(self.prefix) :]}
        await self.app(scope, receive, send)


async def redirect(path: str, send: Send) -> None:
    """Redirect to a path of the same host: the addresses in the page are relative, and need the slash."""
    headers = [(b"location", path.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
