"""An application that was made before a fork is refused in the child, whose events nobody would store."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from fastapi import FastAPI

from shortlist.errors import ShortlistError
from shortlist.serve.app import make_app


async def start(app: FastAPI) -> None:
    """Start an application as a server does."""
    async with app.router.lifespan_context(app):
        pass


def test_a_preloaded_application_is_refused(bundle: Path, tmp_path: Path) -> None:
    app = make_app(bundle, tmp_path / "e.sqlite")
    try:
        child = os.fork()
        if not child:
            try:
                asyncio.run(start(app))
                os._exit(1)
            except ShortlistError as error:
                os._exit(0 if "let each worker make its own" in error.message else 2)
            finally:
                os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        app.state.service.writer.stop()
