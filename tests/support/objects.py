"""A server with the interface of S3, in this process."""

from __future__ import annotations

import os
import urllib.request
import uuid
from pathlib import Path
from unittest.mock import patch

from moto.server import ThreadedMotoServer

from shortlist.engines.object_store import ObjectStore
from support.servers import free_port


class S3Server:
    """A server on a free port of the loopback interface; `environment` makes this process use it, and its children."""

    def __init__(self) -> None:
        port = free_port()
        self.server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        self.server.start()
        self.address = f"http://127.0.0.1:{port}"
        self.environment = patch.dict(
            os.environ,
            {
                "AWS_ENDPOINT_URL": self.address,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
            },
        )
        self.environment.start()

    def bucket(self) -> str:
        """Make a bucket and return its address."""
        name = f"b{uuid.uuid4().hex[:12]}"
        request = urllib.request.Request(f"{self.address}/{name}", method="PUT")
        urllib.request.urlopen(request, timeout=20).close()
        return f"s3://{name}"

    def put(self, address: str, file: Path) -> None:
        """Write an object."""
        ObjectStore.of(address).upload(file)

    def stop(self) -> None:
        """Stop the server, and give the environment back."""
        self.environment.stop()
        self.server.stop()
