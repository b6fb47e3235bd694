"""nginx with nchan, from Debian's packages: unpacked into .tools, never installed."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.load.generator import Load
from bench.load.pool import STREAM
from bench.load.wire import get_request, websocket_request
from bench.machine import TOOLS
from bench.peers.server import Missing, Server
from bench.program import Program

HOME = TOOLS / "nginx"
PACKAGES = ("nginx", "libnginx-mod-nchan")
MODULE = "usr/lib/nginx/modules/ngx_nchan_module.so"
TIMEOUT = 120

CONFIGURATION = """
load_module {module};
worker_processes 1;
worker_rlimit_nofile 65536;
daemon off;
pid {home}/run/nginx.pid;
error_log stderr error;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    nchan_max_reserved_memory 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /sub {{ nchan_subscriber; nchan_channel_id all; nchan_subscriber_first_message newest; }}
        location = /sse {{ nchan_subscriber eventsource; nchan_channel_id all; nchan_subscriber_first_message newest; }}
        location = /pub {{ nchan_publisher; nchan_channel_id all; nchan_message_buffer_length 600; }}
    }}
}}
"""

# nchan has places of its own that heed no *_temp_path, and without the directories built in nginx does not start.
BUILT_IN, OURS = b"/var/lib/nginx/", b"temporary-dirs/"  # of one length; the second lies under the prefix


class Nchan(Server):
    """nginx + nchan: the fan-out of a whole server in C."""

    name = "nginx + nchan"
    overload = 500

    def start(self) -> Program:
        program, module = _programs()
        run = HOME / "run"
        (run / OURS.decode()).mkdir(parents=True, exist_ok=True)
        file = run / "nginx.conf"
        file.write_text(CONFIGURATION.format(module=module, home=HOME, port=self.port))
        return Program([str(program), "-p", str(run), "-c", str(file), "-e", "stderr"], self.port)

    def version(self) -> str:
        program, _ = _programs()
        said = subprocess.run([str(program), "-v"], capture_output=True, text=True, check=True).stderr
        return f"{said.rpartition(': ')[2].strip()} with nchan {_package_version()}"

    def requests(self, count: int) -> list[bytes]:
        return [websocket_request("/sub")] * count

    def publish(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        times = {}
        for mark in marks:
            times[mark] = time.monotonic()
            connection.request("POST", "/pub", self.message(mark))
            connection.getresponse().read()
        connection.close()
        return times


class NchanStreams(Nchan):
    """The same by server-sent events."""

    name = "nginx + nchan, SSE"
    kind = STREAM

    def requests(self, count: int) -> list[bytes]:
        return [get_request("/sse", {"Accept": "text/event-stream"})] * count


def _programs() -> tuple[Path, Path]:
    """The server and its module: the machine's own, else Debian's packages unpacked. Raises Missing."""
    for root in (Path("/"), HOME):
        program, module = root / "usr/sbin/nginx", root / MODULE
        if os.access(program, os.X_OK) and module.exists():
            return program, module
    _unpack()
    return HOME / "usr/sbin/nginx", HOME / MODULE


def _unpack() -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Missing("no nginx with nchan here, and no apt-get to fetch Debian's")
    packages = HOME / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "download", *PACKAGES], cwd=packages, check=True, capture_output=True, timeout=TIMEOUT
        )
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(HOME)], check=True, capture_output=True)
        for file in (HOME / "usr/sbin/nginx", HOME / MODULE):
            file.write_bytes(file.read_bytes().replace(BUILT_IN, OURS))
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Missing(f"Debian's {' and '.join(PACKAGES)} could not be fetched: {error}") from error


def _package_version() -> str:
    names = [path.name for path in (HOME / "packages").glob("libnginx-mod-nchan_*")]
    return names[0].split("_")[1].replace("%3a", ":") if names else "of this machine"
