"""Servers with the interfaces of Azure Blob Storage and Google Cloud Storage, where their programs are installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
import uuid
from pathlib import Path
from unittest.mock import patch

from shortlist.engines.object_store import ObjectStore
from support.servers import free_port
from support.waiting import wait_for

PROGRAMS = {"az": "azurite-blob", "gs": "gcp-storage-emulator"}
"""Scheme → program: `npm install -g azurite`, `pip install gcp-storage-emulator`."""
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of Azurite's account, which its documentation names."""


class Emulator:
    """A server on a free port of the loopback interface; this process uses it until `stop`."""

    def __init__(self, scheme: str, folder: Path) -> None:
        self.scheme, port = scheme, free_port()
        self.address = address = f"http://127.0.0.1:{port}"
        commands = {
            "az": ("--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry", "--blobPort", str(port)),
            "gs": ("start", "--host", "127.0.0.1", "--port", str(port), "--in-memory"),
        }  # fmt: skip
        program = shutil.which(PROGRAMS[scheme])
        assert program is not None
        with (folder / f"{scheme}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, *commands[scheme]], cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
        variables = {
            "az": {
                "AZURE_STORAGE_ACCOUNT": "devstoreaccount1",
                "AZURE_STORAGE_KEY": KEY,
                "AZURE_STORAGE_BLOB_ENDPOINT": address,
            },
            "gs": {"STORAGE_EMULATOR_HOST": address},
        }
        self.environment = patch.dict(os.environ, variables[scheme])
        self.environment.start()

        def answers() -> str:
            with contextlib.suppress(OSError):  # Azurite listens before it knows its account
                return self.bucket()
            return ""

        wait_for(answers, f"{program} answers", 60)

    def bucket(self) -> str:
        """Make a bucket, or container, and return its address."""
        name = f"b{uuid.uuid4().hex[:12]}"
        if self.scheme == "az":
            ObjectStore.of(f"az://{name}").files.create_dir(name)
        else:
            body = json.dumps({"name": name}).encode()
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{self.address}/storage/v1/b?project=test", body, headers)
            urllib.request.urlopen(request, timeout=20).close()
        return f"{self.scheme}://{name}"

    def stop(self) -> None:
        """Stop the server, and give the environment back."""
        self.environment.stop()
        self.process.terminate()
        self.process.wait(20)
