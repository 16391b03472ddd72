"""nginx in front of servers, with the settings of deploy/nginx.conf."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.paths import ROOT
from support.servers import Server, free_port, wait_until_healthy

MAIN = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/shortlist.conf;
}}
"""


class Nginx:
    """nginx on a free port of the loopback interface; its settings are those of the repository, with these servers.

    Attributes
    ----------
    url : str
        Address of nginx, without a trailing slash.
    """

    def __init__(self, folder: Path, servers: Sequence[Server]) -> None:
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            pytest.skip("nginx is missing; run: sudo apt-get install -y nginx-light")
        folder.mkdir()
        self.log = folder / "error.log"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = (ROOT / "deploy" / "nginx.conf").read_text()
        named = re.findall(r"^ *server server-\d+:8000 .*;\n", settings, re.MULTILINE)
        assert len(named) == len(servers)
        for line, server in zip(named, servers, strict=True):
            settings = settings.replace(line, re.sub(r"server-\d+:8000", f"127.0.0.1:{server.port}", line))
        settings = settings.replace("listen 80;", f"listen 127.0.0.1:{port};")
        (folder / "shortlist.conf").write_text(settings)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
        command = [program, "-e", str(self.log), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.process = subprocess.Popen(command)
        wait_until_healthy(self.url, lambda: self.process.poll() is None)

    def stop(self) -> None:
        """Stop nginx after the requests that run (SIGQUIT)."""
        self.process.send_signal(3)
        self.process.wait(30)
