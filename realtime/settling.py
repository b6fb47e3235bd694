"""Rights are read from tables that are ahead of the log: what changed them may be committed and not have a place yet.

A client that began with such rights would be told neither of a topic that it lost (it never seemed to have it) nor be
kept from what was said on one before it came back to it. So whoever reads rights lets the log catch up with them.
"""

from __future__ import annotations

import time

from realtime.conf import conf
from realtime.controls import control_waits
from realtime.protocol.errors import ProtocolError
from realtime.relay import relay

PAUSE = 0.01  # seconds between two looks


def settle(user_id: object) -> None:
    """Return once every control entry about the user that is committed has its place. Call it after reading rights.

    Blocks, for no time at all unless the user's rights changed just now. Raises ProtocolError ``unavailable`` when
    nobody can sequence for ``START_TIMEOUT`` seconds.
    """
    deadline = time.monotonic() + conf.START_TIMEOUT
    while control_waits(user_id):
        if time.monotonic() >= deadline:
            raise ProtocolError("unavailable")
        relay.wake()
        time.sleep(PAUSE)
