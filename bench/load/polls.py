"""Polling clients: a few kept connections, one request after the other on each, answered and counted."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Polled:
    """How it went: answers, those of them that were not 200 or 304, and how long each took, sorted, in seconds."""

    answers: int
    refused: int
    seconds: float
    latencies: list[float]
    complaint: str

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def poll(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Polled:
    """Send the requests, one at a time on each connection, for so long or until there are no more."""
    poller = select.epoll()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    by_descriptor = {each.fileno(): _Poller(each) for each in sockets}
    for descriptor, client in by_descriptor.items():
        poller.register(descriptor, select.EPOLLIN)
        client.ask(next(requests, None))
    begin, latencies, refused, complaint = time.monotonic(), [], 0, b""
    while (now := time.monotonic()) < begin + seconds and any(each.asked for each in by_descriptor.values()):
        for descriptor, _ in poller.poll(0.1):
            client = by_descriptor[descriptor]
            if (status := client.answer()) is None:
                continue
            latencies.append(time.monotonic() - client.asked)
            if status not in (b"200", b"304"):
                refused += 1
                complaint = complaint or client.last[:300]
            client.ask(next(requests, None))
    for each in sockets:
        each.close()
    return Polled(len(latencies), refused, now - begin, sorted(latencies), complaint.decode(errors="replace"))


class _Poller:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._data = b""
        self.asked = 0.0
        self.last = b""

    def ask(self, request: bytes | None) -> None:
        """Send the request; rest, when there is none."""
        self.asked = time.monotonic() if request else 0.0
        self._socket.sendall(request or b"")

    def answer(self) -> bytes | None:
        """The status of the answer, once all of it has come. Raises ConnectionError when it never will."""
        got = self._socket.recv(1 << 18)
        if not got:
            raise ConnectionError(f"the server closed a polling connection: {self._data[:200]!r}")
        self._data += got
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return None
        length = LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return None
        self.last, self._data = self._data, b""
        return head.split(b" ", 2)[1]
