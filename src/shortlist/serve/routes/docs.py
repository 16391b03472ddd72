"""The reference of the API at `/docs`: Swagger UI, whose files are part of the installation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

FILES = Path(str(files("fastapi_offline"))) / "static"
NAMES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


def add(app: FastAPI) -> None:
    """Add the reference. Its addresses are relative, so that it works below any path prefix."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=app.title,
        swagger_js_url=f"docs/{NAMES[0]}",
        swagger_css_url=f"docs/{NAMES[1]}",
        swagger_favicon_url=f"docs/{NAMES[2]}",
    )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page

    for name in NAMES:
        app.get(f"/docs/{name}", include_in_schema=False)(_file(FILES / name))


def _file(path: Path) -> Callable[[], Awaitable[FileResponse]]:
    async def answer() -> FileResponse:
        return FileResponse(path, headers={"cache-control": "max-age=86400"})

    return answer
