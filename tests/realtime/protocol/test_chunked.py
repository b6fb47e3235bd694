"""Chunks, read back by another implementation of HTTP/1.1."""

import h11
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.chunked import LAST_CHUNK, chunk


@given(st.lists(st.binary(max_size=5000), max_size=5))
def test_a_body_in_chunks_is_read_back(payloads: list[bytes]) -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    client.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    client.receive_data(b"".join(chunk(payload) for payload in payloads) + LAST_CHUNK)

    body = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        body += bytes(event.data) if isinstance(event, h11.Data) else b""
    assert body == b"".join(payloads)
