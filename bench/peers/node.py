"""Node's ``ws`` and socket.io, with their defaults. npm installs them into .tools."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.load.generator import Load
from bench.load.wire import text_frame, websocket_request
from bench.machine import TOOLS
from bench.peers.server import Missing, Server
from bench.program import Program

HOME = TOOLS / "node"
HERE = Path(__file__).parent
INSTALL_TIMEOUT = 120


class NodeServer(Server):
    """A server that runs in Node."""

    package: str
    script: str

    def start(self) -> Program:
        if not shutil.which("node"):
            raise Missing("no node on the PATH")
        install()
        modules = {"NODE_PATH": str(HOME / "node_modules")}
        return Program(["node", str(HERE / self.script), str(self.port)], self.port, modules)

    def version(self) -> str:
        about = json.loads((HOME / "node_modules" / self.package / "package.json").read_text())
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return f"{self.package} {about['version']} on Node {node}"


class Ws(NodeServer):
    """The usual WebSocket library."""

    name = "Node ws"
    package, script = "ws", "ws.cjs"
    overload = 500


class SocketIo(NodeServer):
    """socket.io over WebSocket, without the polling before it."""

    name = "socket.io"
    package, script = "socket.io", "socketio.cjs"
    greetings = 2  # Engine.IO's open, Socket.IO's connect
    hello = text_frame(b"40")
    envelope = len('42["event",""]')
    overload = 200

    def requests(self, count: int) -> list[bytes]:
        return [websocket_request("/socket.io/?EIO=4&transport=websocket")] * count

    def publish(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        frames = [text_frame(b'42["publish","%s"]' % self.message(mark)) for mark in marks]
        return dict(zip(marks, load.send(0, frames), strict=True))


def install() -> None:
    """Install both, unless they are there. Raises Missing."""
    if all((HOME / "node_modules" / name).is_dir() for name in ("ws", "socket.io")):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("no npm on the PATH")
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "package.json").write_text('{"private": true}\n')
    quiet = ["--no-audit", "--no-fund", "--cache", str(TOOLS / "npm-cache")]
    command = [npm, "install", "--prefix", str(HOME), *quiet, "ws", "socket.io"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_TIMEOUT, cwd=HOME)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Missing(f"npm could not install ws and socket.io: {error}") from error
