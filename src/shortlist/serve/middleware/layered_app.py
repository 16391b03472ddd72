"""An application whose ASGI layers are outside of those that FastAPI adds by itself."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from shortlist.serve.middleware.asgi import App, Receive, Scope, Send


class LayeredApp(FastAPI):
    """A FastAPI application with layers around all of it.

    `add_middleware` puts a layer inside of FastAPI's own, which handle errors, telemetry and the size of bodies. `Guard` does all
    of that, and `FastPath` answers most requests without FastAPI: around FastAPI, such a request passes five layers
    less, which is a twentieth of its time where many are answered together.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._layers: list[tuple[Any, dict[str, Any]]] = []
        self._outermost: App | None = None

    def add_layer(self, layer: Any, **settings: Any) -> None:
        """Put a layer around the application and the layers that were added before; it is made as `layer(app, **settings)`."""
        self._layers.append((layer, settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if self._outermost is None:
            self._outermost = self._layered()
        await self._outermost(scope, receive, send)

    def _layered(self) -> App:
        app: App = super().__call__
        for layer, settings in self._layers:
            app = layer(app, **settings)
        return app
