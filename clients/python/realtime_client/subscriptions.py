"""The topics that the program follows besides those that come by themselves: asked for, granted, taken away.

Separate because a topic has two lives: until it is granted it is asked for on each line anew, and from then on the
cursor holds for it, so that each line only names it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .messages import Message


class Subscriptions:
    """``names`` is what a new line is to name."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._granted = set(topics)
        self.wanted: dict[str, int | None] = {}
        """What is to be asked for, with the seq to follow from."""

    @property
    def names(self) -> list[str]:
        """Those that are granted."""
        return sorted(self._granted)

    def want(self, topic: str, after: int | None) -> Message:
        """Remember a topic; return the data of the command that asks for it."""
        self.wanted[topic] = after
        return {"topic": topic} if after is None else {"topic": topic, "after": after}

    def drop(self, topic: str) -> bool:
        """Forget a topic; return whether lines named it."""
        self.wanted.pop(topic, None)
        was_named = topic in self._granted
        self._granted.discard(topic)
        return was_named

    def doubt(self) -> bool:
        """One of those that lines name is granted no more, and nobody says which: name none, ask for each.

        Return whether there were any.
        """
        doubtful, self._granted = self._granted, set()
        self.wanted |= dict.fromkeys(doubtful)
        return bool(doubtful)

    def note(self, message: Message) -> bool:
        """Take in what the server says of a topic; return whether lines have one more to name."""
        topic = (message.get("data") or {}).get("topic")
        if message["type"] == "Unsubscribed":
            self._granted.discard(topic)
        if message["type"] != "Subscribed" or topic not in self.wanted:
            return False
        del self.wanted[topic]
        is_new = topic not in self._granted
        self._granted.add(topic)
        return is_new
