"""A worker process of `shortlist serve`: it loads the application by this module's name."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def make_worker_app() -> FastAPI:
    """Import and make the application from the environment.

    The garbage collector rests meanwhile: modules and models stay, and looking through them costs a sixth of the start.
    """
    gc.disable()
    try:
        from shortlist.serve.app import app_from_environment

        return app_from_environment()
    finally:
        gc.enable()
