"""Events on their way to many clients, and which of them one client still lacks.

Pure logic, no I/O. A large fan-out takes many turns of the event loop; whatever happens to a client meanwhile, it is
first given what is due here, so that to each client it looks as if every event had reached everybody at once.
"""

from __future__ import annotations

from operator import attrgetter

from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import Subscriber


class Backlog:
    """Frames by topic, each topic's in the order of the log."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames: dict[str, list[Frame]] = {}

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, frame: Frame) -> None:
        """Take a frame that stands behind all that are here."""
        self._frames.setdefault(frame.entry.topic, []).append(frame)

    def on(self, topic: str) -> list[Frame]:
        """What is on its way on one topic."""
        return self._frames.get(topic, [])

    def is_all_on(self, topic: str) -> bool:
        """Whether nothing is on its way on any other topic."""
        return len(self._frames) == 1 and topic in self._frames

    def due(self, state: Subscriber) -> list[Frame]:
        """What a live subscriber lacks, in order. It must be sent that: it stands behind the last of it from now on."""
        frames: list[Frame] = []
        if len(self._frames) < len(state.topics):
            both = [topic for topic in self._frames if topic in state.topics]
        else:
            both = [topic for topic in state.topics if topic in self._frames]
        for topic in both:
            start = max(state.topics[topic], state.position)
            frames += [frame for frame in self._frames[topic] if frame.position > start]
        if not frames:
            return frames
        if len(both) > 1:
            frames.sort(key=attrgetter("position"))
        state.advance(frames[-1].position, frames[-1].check)
        return frames

    def forget(self, topic: str, position: int) -> None:
        """Drop what nobody lacks any more: the topic's frames up to a position."""
        rest = [frame for frame in self._frames.get(topic, ()) if frame.position > position]
        if rest:
            self._frames[topic] = rest
        else:
            self._frames.pop(topic, None)
