"""What was seen lately, and no more than that."""

from __future__ import annotations


class Recent:
    """A set that forgets its oldest members beyond ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._members: dict[str, None] = {}

    def __contains__(self, member: str) -> bool:
        return member in self._members

    def add(self, member: str) -> bool:
        """Remember ``member``; return whether it is new."""
        if member in self._members:
            return False
        self._members[member] = None
        if len(self._members) > self.limit:
            del self._members[next(iter(self._members))]
        return True
