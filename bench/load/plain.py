"""The pool in Python, for a machine without a C compiler: the same behaviour, a third of the speed.

Where it measures, the figures of the fastest servers are its own limit and not theirs; the report says so.
"""

from __future__ import annotations

import re
import select
import socket
import time
from array import array
from itertools import count

from bench.load.pool import EVER, PING, PONG, SOCKET, STREAM, Counters, Records
from bench.load.wire import text_frame

NEW, HANDSHAKE, GREETING, OPEN, GONE = range(5)
MARK = re.compile(rb"#(\d{8})")
CURSOR = re.compile(rb'"cursor":"([^"]{1,47})"')
CARRY = 8  # of a stream's bytes, that much may be the beginning of a mark
LINGER = b"\1\0\0\0\0\0\0\0"  # on, for no time: no TIME_WAIT, the next run wants the ports


class _Connection:
    __slots__ = ("began", "cursor", "greetings", "kept", "kind", "number", "opened", "request", "socket", "state")

    def __init__(self, number: int, request: bytes, kind: int, greetings: int) -> None:
        self.number, self.request, self.kind, self.greetings = number, request, kind, greetings
        self.state, self.kept, self.cursor = NEW, b"", ""
        self.began = self.opened = 0.0
        self.socket: socket.socket | None = None


class PlainPool:
    """A pool of non-blocking sockets under one epoll. See ``Pool``."""

    def __init__(self, port: int, *, room: int, records: int, hello: bytes = b"", cursors: bool = False) -> None:
        self._port, self._room, self._hello, self._cursors = port, room, hello, cursors
        self._epoll = select.epoll()
        self._all: list[_Connection] = []
        self._by_descriptor: dict[int, _Connection] = {}
        self._next = self._opening = 0
        self._sources = count()
        self._counters = dict.fromkeys(Counters._fields, 0)
        self._complaint = b""
        self._pong = text_frame(PONG)
        self.forget()

    def add(self, request: bytes, *, kind: int = SOCKET, greetings: int = 0) -> int:
        if len(self._all) == self._room:
            raise ValueError("the pool is full")
        self._all.append(_Connection(len(self._all), request, kind, greetings))
        return len(self._all) - 1

    def run(self, seconds: float, *, marks: int = EVER, opening: bool = False, at_once: int = 64) -> None:
        deadline = time.monotonic() + seconds
        while True:
            while self._next < len(self._all) and self._opening < at_once:
                self._begin(self._all[self._next])
                self._next += 1
            left = deadline - time.monotonic()
            done = opening and self._next == len(self._all) and not self._opening
            if done or self._counters["marks"] >= marks or left <= 0:
                return
            for descriptor, events in self._epoll.poll(min(0.05, left)):
                if connection := self._by_descriptor.get(descriptor):
                    (self._connected if events & select.EPOLLOUT else self._readable)(connection)

    def send(self, connection: int, data: bytes) -> bool:
        return self._tell(self._all[connection], data)

    def cut(self, first: int, last: int) -> None:
        for connection in self._all[first:last]:
            if connection.socket:
                self._gone(connection)

    def counters(self) -> Counters:
        return Counters(**self._counters)

    def records(self) -> Records:
        return Records(self._at, self._connections, self._marks)

    def forget(self) -> None:
        self._at, self._connections, self._marks = array("d"), array("I"), array("I")

    def opened(self) -> list[tuple[float, float]]:
        return [(each.began, each.opened) for each in self._all if each.state == OPEN]

    def cursor(self, connection: int) -> str:
        return self._all[connection].cursor

    def complaint(self) -> str:
        return self._complaint.decode(errors="replace")

    def close(self) -> None:
        self.cut(0, len(self._all))
        self._epoll.close()

    def _begin(self, connection: _Connection) -> None:
        opened = socket.socket()
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        opened.bind((f"127.0.0.{next(self._sources) % 4 + 1}", 0))
        connection.socket, connection.state, connection.began = opened, HANDSHAKE, time.monotonic()
        self._opening += 1
        self._by_descriptor[opened.fileno()] = connection
        self._epoll.register(opened.fileno(), select.EPOLLOUT)
        opened.connect_ex(("127.0.0.1", self._port))

    def _connected(self, connection: _Connection) -> None:
        assert connection.socket
        if not self._tell(connection, connection.request):
            self._complain(b"could not connect")
            self._gone(connection)
            return
        self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)

    def _readable(self, connection: _Connection) -> None:
        assert connection.socket
        try:
            got = connection.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        self._counters["bytes"] += len(got)
        data = connection.kept + got
        used = self._take(connection, data, time.monotonic()) if got else -1
        if used < 0:
            if connection.state != OPEN:
                self._complain(b"closed while it was opened")
            self._gone(connection)
            return
        connection.kept = data[used:]

    def _take(self, connection: _Connection, data: bytes, at: float) -> int:
        """Take what can be taken; return how many bytes, -1 when the connection ends."""
        used = 0
        if connection.state == HANDSHAKE:
            used = self._handshake(connection, data, at)
            if used <= 0:
                return used
        if connection.kind == STREAM:
            self._note(connection, data[used:], at)
            return max(used, len(data) - CARRY)
        return self._frames(connection, data, used, at)

    def _handshake(self, connection: _Connection, data: bytes, at: float) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101" if connection.kind == SOCKET else b"HTTP/1.1 200"):
            self._complain(data)
            return -1
        connection.state = GREETING
        if connection.greetings == 0 or connection.kind == STREAM:
            self._is_open(connection, at)
        return end + 4

    def _frames(self, connection: _Connection, data: bytes, used: int, at: float) -> int:
        while len(data) - used >= 2:
            head, size = 2, data[used + 1] & 0x7F
            if size > 125:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[used + 2 : used + head], "big")
            if len(data) - used < head + size:
                break
            payload = data[used + head : used + head + size]
            if not self._frame(connection, data[used] & 0x0F, payload, at):
                return -1
            used += head + size
        return used

    def _frame(self, connection: _Connection, opcode: int, payload: bytes, at: float) -> bool:
        if opcode == 8:
            self._complain(b"closed with %d" % (int.from_bytes(payload[:2], "big") or 1005))
            return False
        if opcode == 9:
            self._counters["pings"] += 1
            return self._tell(connection, bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        self._counters["frames"] += 1
        if self._cursors and (found := CURSOR.search(payload)):
            connection.cursor = found[1].decode()
        if PING.encode() in payload[:64]:
            self._counters["pings"] += 1
            return self._tell(connection, self._pong)
        if connection.state == GREETING:
            return self._greeted(connection, at)
        self._note(connection, payload, at)
        return True

    def _greeted(self, connection: _Connection, at: float) -> bool:
        if self._hello and not connection.opened:  # once, after the first greeting
            connection.opened = at
            if not self._tell(connection, self._hello):
                return False
        connection.greetings -= 1
        if connection.greetings == 0:
            self._is_open(connection, at)
        return True

    def _is_open(self, connection: _Connection, at: float) -> None:
        connection.state, connection.opened = OPEN, at
        self._opening -= 1
        self._counters["opened"] += 1

    def _note(self, connection: _Connection, data: bytes, at: float) -> None:
        for found in MARK.finditer(data):
            self._counters["marks"] += 1
            self._at.append(at)
            self._connections.append(connection.number)
            self._marks.append(int(found[1]))

    def _tell(self, connection: _Connection, data: bytes) -> bool:
        try:
            return bool(connection.socket and connection.socket.send(data) == len(data))
        except OSError:
            return False

    def _gone(self, connection: _Connection) -> None:
        was_open = connection.state == OPEN
        self._counters["closed" if was_open else "failed"] += 1
        if connection.state in (HANDSHAKE, GREETING):
            self._opening -= 1
        connection.state, connection.kept = GONE, b""
        if connection.socket:
            del self._by_descriptor[connection.socket.fileno()]
            connection.socket.close()
            connection.socket = None

    def _complain(self, text: bytes) -> None:
        self._complaint = self._complaint or text[:500]
