"""Pages of allowed origins may call the server (CORS)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from shortlist.serve.answers import failure
from shortlist.serve.middleware.asgi import App


class AllowedOrigins(CORSMiddleware):
    """Starlette's CORS layer, with the methods and headers of this server, and errors in JSON.

    Parameters
    ----------
    origins
        Origins whose pages may call the server, such as `https://shop.example`; `*` for any.
    """

    def __init__(self, app: App, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "DELETE"),
            allow_headers=("authorization", "content-type", "x-request-id"),
            expose_headers=("retry-after", "x-request-id"),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        return failure(
            "pages of this origin cannot send this request; `shortlist serve --cors-origin ORIGIN` allows an origin",
            answer.status_code,
            vary="Origin",
        )
