"""Which process of a server answers on a connection: asked of the kernel, since no client can tell.

Separate because it reads /proc, and nothing else here does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.clients import SocketClient
from tests.live import LiveServer


def worker_of(server: LiveServer, client: SocketClient) -> int:
    """The id of the process at the other end of an open socket."""
    port = client.socket.local_address[1]
    inode = _inode(server.port, port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(os.readlink(file) == f"socket:[{inode}]" for file in (process / "fd").iterdir()):
                return int(process.name)
    raise LookupError(f"nobody holds the other end of port {port}")


@contextmanager
def frozen(process: int) -> Iterator[None]:
    """Stop a process for a while, as a machine that pauses does."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _inode(local: int, remote: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ends = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ends == [local, remote]:
            return fields[9]
    raise LookupError(f"no connection from port {remote} to {local}")
