"""The request that opens a WebSocket: what is taken from it, and what is refused with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.utils import accept_key

from realtime.server import handshake
from realtime.server.handshake import Refused, Request, accepted, head, parse, response

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
LARGEST = 4096
MOST = 20
COMMON = {
    b"Host": b"example.org",
    b"Upgrade": b"websocket",
    b"Connection": b"keep-alive, Upgrade",
    b"Sec-WebSocket-Key": KEY,
    b"Sec-WebSocket-Version": b"13",
}


def request(first: bytes = b"GET /ws HTTP/1.1", *more: bytes, **changes: bytes | None) -> bytes:
    """A request that would be accepted but for the changes; None leaves a header out."""
    changed = {name.replace("_", "-").encode(): value for name, value in changes.items()}
    headers = {**COMMON, **changed}
    lines = [name + b": " + value for name, value in headers.items() if value is not None]
    return b"\r\n".join([first, *lines, *more]) + b"\r\n\r\n"


def read(data: bytes) -> tuple[Request, bytes] | None:
    return parse(data, largest=LARGEST, most_headers=MOST)


def refusal(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read(data)
    return caught.value


def opened(data: bytes) -> Request:
    found = read(data)
    assert found is not None
    return found[0]


def test_a_request_is_read() -> None:
    found = opened(request(b"GET /ws/caf%C3%A9?a=b%20c&d HTTP/1.1", b"X-Thing:  two words \t", b"X-Thing: \xe9"))

    assert (found.path, found.raw_path, found.query) == ("/ws/café", b"/ws/caf%C3%A9", b"a=b%20c&d")
    assert found.headers[0] == (b"host", b"example.org")
    assert found.headers[-2:] == [(b"x-thing", b"two words"), (b"x-thing", b"\xe9")]
    assert found.accept.decode() == accept_key(KEY.decode())


def test_an_absolute_target_is_read_as_its_path() -> None:
    assert opened(request(b"GET ws://example.org:80/ws?x HTTP/1.1")).raw_path == b"/ws"


def test_subprotocols_are_listed_in_order_over_several_headers() -> None:
    found = opened(request(b"GET / HTTP/1.1", b"Sec-WebSocket-Protocol: c", Sec_WebSocket_Protocol=b"a, b.2"))

    assert found.subprotocols == ["a", "b.2", "c"]


@given(st.integers(0, len(request())), st.binary(max_size=20))
def test_a_request_is_whole_with_its_last_byte_and_gives_back_what_follows(cut: int, rest: bytes) -> None:
    data = request()

    assert (read(data[:cut]) is None) == (cut < len(data))
    found = read(data + rest)
    assert found is not None and found[1] == rest


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        pytest.param(request(b"POST /ws HTTP/1.1"), 405, "opened with GET", id="another method"),
        pytest.param(request(b"GET /ws HTTP/1.0"), 400, "HTTP/1.1", id="an old version"),
        pytest.param(request(b"GET /ws HTTP/2"), 400, "request line", id="a version that is none"),
        pytest.param(request(b"GET  /ws HTTP/1.1"), 400, "request line", id="two spaces"),
        pytest.param(request(b"GET ws HTTP/1.1"), 400, "request line", id="a relative target"),
        pytest.param(request(b"GET /w\xc3\xa9 HTTP/1.1"), 400, "request line", id="bytes that are no URL"),
        pytest.param(request(b"GET /#x HTTP/1.1"), 400, "request line", id="a fragment"),
        pytest.param(request(Host=None), 400, "host", id="no host"),
        pytest.param(request(b"GET / HTTP/1.1", b"Host: b"), 400, "host", id="two hosts"),
        pytest.param(request(Upgrade=None), 426, "speaks WebSocket", id="no upgrade"),
        pytest.param(request(Upgrade=b"h2c"), 426, "speaks WebSocket", id="another upgrade"),
        pytest.param(request(Connection=b"close"), 426, "speaks WebSocket", id="an upgrade of nothing"),
        pytest.param(request(Sec_WebSocket_Version=b"8"), 426, "version 13", id="an old WebSocket"),
        pytest.param(request(Sec_WebSocket_Version=None), 400, "one Sec-WebSocket-Version", id="no version"),
        pytest.param(
            request(b"GET / HTTP/1.1", b"Sec-WebSocket-Version: 13"),
            400,
            "one Sec-WebSocket-Version",
            id="two versions",
        ),
        pytest.param(request(Sec_WebSocket_Key=None), 400, "one Sec-WebSocket-Key", id="no key"),
        pytest.param(request(b"GET / HTTP/1.1", b"Sec-WebSocket-Key: " + KEY), 400, "one", id="two keys"),
        pytest.param(request(Sec_WebSocket_Key=b"c2hvcnQ="), 400, "16 bytes", id="a short key"),
        pytest.param(request(Sec_WebSocket_Key=b"?" * 24), 400, "16 bytes", id="a key that is no base64"),
        pytest.param(request(Sec_WebSocket_Protocol=b"a,,b"), 400, "lists names", id="an empty subprotocol"),
        pytest.param(request(Sec_WebSocket_Protocol=b"a, a"), 400, "each once", id="a subprotocol twice"),
        pytest.param(request(b"GET / HTTP/1.1", b"X Y: z"), 400, "header is malformed", id="a space in a name"),
        pytest.param(request(b"GET / HTTP/1.1", b" folded"), 400, "header is malformed", id="a folded header"),
        pytest.param(request(b"GET / HTTP/1.1", b"X: a\nY: b"), 400, "header is malformed", id="a bare line feed"),
        pytest.param(request(b"GET / HTTP/1.1", b"X: \0"), 400, "header is malformed", id="a zero byte"),
        pytest.param(request(Content_Length=b"5"), 400, "no body", id="a length"),
        pytest.param(request(Transfer_Encoding=b"chunked"), 400, "no body", id="chunks"),
        pytest.param(request(Cookie=b"x" * LARGEST), 431, "4096 bytes", id="too many bytes"),
        pytest.param(b"GET /" + b"x" * LARGEST, 431, "4096 bytes", id="too many bytes before the end has come"),
        pytest.param(request(b"GET / HTTP/1.1", *[b"X: y"] * MOST), 431, "20 headers", id="too many headers"),
    ],
)
def test_what_is_no_handshake_is_refused_with_the_reason(data: bytes, status: int, words: str) -> None:
    refused = refusal(data)

    assert (refused.status, words in refused.text) == (status, True)
    assert refused.response().startswith(b"HTTP/1.1 %d " % status)


def test_a_refusal_says_what_would_do() -> None:
    assert b"\r\nsec-websocket-version: 13\r\n" in refusal(request(Sec_WebSocket_Version=b"8")).response()
    assert b"\r\nupgrade: websocket\r\n" in refusal(request(Upgrade=None)).response()
    assert b"\r\nallow: GET\r\n" in refusal(request(b"POST / HTTP/1.1")).response()


@given(st.data())
def test_damage_is_refused_or_taken_and_raises_nothing_else(drawn: st.DataObject) -> None:
    data = bytearray(request(Sec_WebSocket_Protocol=b"realtime.v1", Origin=b"https://example.org"))
    for _ in range(drawn.draw(st.integers(1, 4))):
        data[drawn.draw(st.integers(0, len(data) - 1))] = drawn.draw(st.integers(0, 255))

    try:
        found = read(bytes(data))
    except Refused:
        return
    assert found is None or len(found[0].headers) == 7


def test_clients_that_say_the_same_share_it() -> None:
    first, second = opened(request(User_Agent=b"A Browser")), opened(request(User_Agent=b"A Browser"))

    assert first.headers[-1] is second.headers[-1]


def test_secrets_are_not_kept_and_what_is_kept_is_bounded() -> None:
    for number in range(handshake.SHARED_HEADERS + 10):
        opened(request(User_Agent=b"agent %d" % number, Authorization=b"Bearer secret", Cookie=b"sessionid=secret"))

    assert len(handshake._shared) <= handshake.SHARED_HEADERS
    assert not any(b"secret" in value for _, value in handshake._shared.values())


def test_the_answer_proves_that_the_request_was_read() -> None:
    answer = accepted(opened(request()), [(b"x-more", b"yes")], "realtime.v1")

    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n") and answer.endswith(b"\r\n\r\n")
    assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"\r\nsec-websocket-protocol: realtime.v1\r\n" in answer
    assert b"\r\nx-more: yes\r\n" in answer


def test_a_response_has_its_length_and_closes() -> None:
    assert response(403, [(b"x", b"y")], b"No.") == (
        b"HTTP/1.1 403 Forbidden\r\nx: y\r\ncontent-length: 3\r\nconnection: close\r\n\r\nNo."
    )


@pytest.mark.parametrize("header", [(b"x", b"a\r\nset-cookie: b"), (b"x\r\ny", b"a"), (b"", b"a"), (b"x", b"\0")])
def test_no_header_smuggles_another(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="this is no header"):
        head(200, [header])
