"""What this process is called among those that serve one log.

Separate so that who starts processes can name them: one that takes the place of another then speaks in its name, and
what the dead one said counts no longer.
"""

from __future__ import annotations

import uuid

_name = ""


def name() -> str:
    """This process's name; one of its own until somebody gives it another."""
    return _name or be(uuid.uuid4().hex)


def be(name: str) -> str:
    """Give this process its name, before it serves. No two that run at once may have the same."""
    global _name
    _name = name
    return name
