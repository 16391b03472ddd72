"""A private PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

from support.servers import free_port


class Postgres:
    """A PostgreSQL server on a free port of the loopback interface, in a temporary folder."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("PostgreSQL is missing; run: sudo apt-get install -y postgresql")
        self.bin, self.port = found[-1].parent, free_port()
        # PostgreSQL refuses to run as root, and only root may enter pytest's own temporary folder
        self.folder = folder = Path(tempfile.mkdtemp(prefix="shortlist-"))
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "shortlist", "-A", "trust", "--no-sync")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        prefix = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        )
        done = subprocess.run(
            [*prefix, str(self.bin / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server in one of the modes of `pg_ctl`: smart, fast or immediate."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def server(self) -> str:
        """Address of the server, without a database."""
        return f"postgresql://shortlist@127.0.0.1:{self.port}"

    def database(self) -> str:
        """Create an empty database and return its address."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "shortlist", name)
        return f"{self.server}/{name}"
