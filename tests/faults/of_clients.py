"""What clients do to the server, from which the others must not suffer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from tests.faults.rig import Rig
from tests.faults.scenario import fault

SLOW_CLIENTS = 10  # of each kind; all of one user, who has no others
RECEIVES = 4096
HANDSHAKE = (
    "GET /ws?auto=0&topics={topics} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def do_not_read(rig: Rig) -> None:
    """Subscribe, and take nothing of what comes; or one byte a second."""
    readers = []
    for number in range(2 * SLOW_CLIENTS):
        who = ("mona", "nils", "olga", "paul")[number % 4]
        topics = ",".join(rig.world.topics["everyday"])
        request = HANDSHAKE.format(topics=topics, host=rig.network.host, token=rig.world.tokens[who])
        connection = rig.connect(request=request.encode(), receives=RECEIVES)
        if number % 2:
            readers.append(connection)
    threading.Thread(target=_one_byte_a_second, args=(readers,), daemon=True).start()


def _one_byte_a_second(connections: list[socket.socket]) -> None:
    with suppress(OSError):  # let go
        while True:
            time.sleep(1.0)
            for connection in connections:
                connection.recv(1)


fault(
    "slow-readers",
    "Clients subscribe and never read, or read one byte a second.",
    strike=do_not_read,
    heal=lambda rig: rig.let_go(),
    seconds=15,
)
fault(
    "half-handshakes",
    "Five hundred strangers send half a handshake, and wait.",
    strike=lambda rig: [rig.connect(request=HANDSHAKE[:60].encode()) for _ in range(500)],
    heal=lambda rig: rig.let_go(),
    seconds=8,
)
