"""What becomes of a connection when work for it fails: it is closed in a way that makes its client come back.

Apart from the connection, which does such work in several places.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as DatabaseError

from realtime.members import Member
from realtime.protocol.errors import ProtocolError

logger = logging.getLogger("realtime.connection")


@contextmanager
def closed_by_errors(client: Member, work: str) -> Iterator[None]:
    """Close the connection where ``work`` fails: the client comes back with its cursor."""
    try:
        yield
    except ProtocolError as error:
        client.close(error)
    except DatabaseError:
        client.close(ProtocolError("unavailable"))
    except Exception:
        logger.exception("%s failed", work)
        client.failed()
