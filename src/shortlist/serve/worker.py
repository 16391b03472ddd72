"""A worker process of `shortlist serve`: it loads the application by this module's name."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def make_worker_app() -> FastAPI:
    """Import and make the application from the environment.

    The garbage collector rests meanwhile: modules and models stay, and looking through them costs a sixth of the start.
    """
    gc.disable()
    try:
        if os.environ.get("SHORTLIST_TENANTS"):
            from shortlist.serve.tenants.app import tenants_from_environment as from_environment
        else:
            from shortlist.serve.app import app_from_environment as from_environment

        return from_environment()
    finally:
        gc.enable()
