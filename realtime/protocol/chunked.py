"""The pieces in which HTTP/1.1 sends a body whose length is not known: bytes in, bytes out.

Apart from any server, so that one event for many streams is cut to size once.
"""

LAST_CHUNK = b"0\r\n\r\n"


def chunk(payload: bytes) -> bytes:
    """Return one piece of a body. An empty payload gives nothing: an empty piece would end the body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
