"""One event to many clients, in slices: nobody else on the event loop waits long for a large fan-out.

Rule 5 of the subscriber state lives here. Whoever is reached gets all it lacks at once, in order and in one write; so
a client that a later, smaller fan-out reaches first has the earlier events before the later one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import perf_counter

from realtime.conf import conf
from realtime.members import Member, Members
from realtime.metrics import metrics
from realtime.protocol.backlog import Backlog
from realtime.protocol.frame import Form, Frame, joined

STRIDE = 64  # members served between two looks at the clock: well under a millisecond's work
_TRANSPORTS: dict[Form | None, str] = {"wire": "websocket", "wire_binary": "websocket", "wire_sse": "sse"}


class Sweep:
    """One way round the members of a topic, as they stand when it begins.

    It brings each what is on its way to it; with ``ephemeral``, those frames alone, which have no place in the order.
    """

    __slots__ = ("done", "ephemeral", "members", "topic", "upto")

    def __init__(self, topic: str, ephemeral: list[Frame] | None = None) -> None:
        self.topic = topic
        self.ephemeral = ephemeral
        self.members: list[Member] | None = None  # until it begins
        self.done = 0
        self.upto = 0  # position: the sweep brings everything up to here


class FanOut:
    """What is on its way to the members of one event loop. ``later`` runs something in the loop's next turn."""

    def __init__(
        self,
        members: Members,
        give_up: Callable[[Member, Exception], None],
        later: Callable[[Callable[[], None]], object],
        *,
        clock: Callable[[], float] = perf_counter,
        stride: int = STRIDE,
    ) -> None:
        self._members = members
        self._give_up = give_up
        self._later = later
        self._clock = clock
        self._stride = stride
        self._backlog = Backlog()
        self._small: deque[Sweep] = deque()
        self._large: deque[Sweep] = deque()
        self._coming: set[str] = set()  # topics with a sweep that has not begun: it takes along what comes meanwhile
        self._has_run = False  # in this turn of the loop
        self._delivered: Counter[str] = Counter()

    @property
    def busy(self) -> bool:
        """Whether anybody still lacks anything."""
        return bool(self._small or self._large)

    def add(self, frame: Frame) -> None:
        """Have an event brought to the members of its topic, behind all that is on its way. Call ``start`` then."""
        topic = frame.entry.topic
        self._backlog.add(frame)
        if topic not in self._coming:
            self._coming.add(topic)
            self._queue(Sweep(topic))

    def tell(self, frames: list[Frame]) -> None:
        """Bring ephemeral events to the members of their topic, which is one for all of them."""
        self._queue(Sweep(frames[0].entry.topic, frames))
        self.start()

    def start(self) -> None:
        """Begin at once; what comes later in this turn of the loop goes out together, in the next."""
        if not self._has_run:
            self._run()

    def settle(self, member: Member) -> None:
        """Send a member now all that is on its way to it; then it is as if everything had reached everybody."""
        if self._backlog and member.state.live:
            frames = self._backlog.due(member.state)
            if frames:
                self._send(member, frames)

    def _queue(self, sweep: Sweep) -> None:
        is_small = len(self._members.on(sweep.topic)) <= self._stride
        (self._small if is_small else self._large).append(sweep)

    def _run(self) -> None:
        """Serve for as long as a slice may take: the small ones first, though never so that the large ones starve."""
        self._has_run = True
        self._later(self._next)
        end = self._clock() + conf.FANOUT_SLICE
        self._serve(self._small, end - conf.FANOUT_SLICE / 2 if self._large else end)
        self._serve(self._large, end)
        for transport, count in self._delivered.items():
            metrics.delivered.labels(transport).inc(count)
        self._delivered.clear()

    def _next(self) -> None:
        self._has_run = False
        if self.busy:
            self._run()

    def _serve(self, sweeps: deque[Sweep], end: float) -> None:
        while sweeps:
            if self._is_done(sweeps[0]):
                sweeps.popleft()
            if self._clock() >= end:
                return

    def _is_done(self, sweep: Sweep) -> bool:
        """Go one stride further; True at the end of the way."""
        members = sweep.members
        if members is None:
            members = self._begin(sweep)
        chunk = members[sweep.done : sweep.done + self._stride]
        sweep.done += len(chunk)
        if sweep.ephemeral is not None:
            self._serve_ephemeral(chunk, sweep.ephemeral)
        elif self._backlog.is_all_on(sweep.topic):
            self._serve_alike(chunk, self._backlog.on(sweep.topic))
        else:
            for member in chunk:
                self._try(member, self.settle)
        if sweep.done < len(members):
            return False
        if sweep.ephemeral is None:
            self._backlog.forget(sweep.topic, sweep.upto)
        return True

    def _begin(self, sweep: Sweep) -> list[Member]:
        sweep.members = list(self._members.on(sweep.topic))
        if sweep.ephemeral is None:
            self._coming.discard(sweep.topic)
            sweep.upto = self._backlog.on(sweep.topic)[-1].position
        return sweep.members

    def _serve_alike(self, chunk: Sequence[Member], frames: list[Frame]) -> None:
        """Settle members where one topic's frames are all that is on its way: the loop ten thousand go through."""
        first, position, check, count = frames[0].position, frames[-1].position, frames[-1].check, len(frames)
        topic, ready, written = frames[0].entry.topic, _Ready(frames), dict.fromkeys(_TRANSPORTS, 0)
        for member in chunk:
            try:
                state = member.state
                if state.position >= position or not state.live:
                    continue
                form, wire = member.form, member.wire
                pieces = ready[form]
                # Who was taken off the topic since the sweep began may stand before what has come since then.
                is_whole = state.position < first and state.since < first and topic in state.topics
                if not pieces or wire is None or not is_whole:
                    self.settle(member)
                    continue
                state.position, state.check = position, check
                written[form] += count
                for data in pieces:
                    wire.write(data)
                    if wire.unsent:
                        member.lagging(len(data))
            except Exception as error:  # nobody else may miss an event for it
                self._give_up(member, error)
        for form, number in written.items():
            self._delivered[_TRANSPORTS[form]] += number

    def _serve_ephemeral(self, chunk: Sequence[Member], frames: list[Frame]) -> None:
        topic = frames[0].entry.topic
        for member in chunk:
            if member.state.live and topic in member.state.topics:
                self._try(member, lambda member: self._send(member, frames))

    def _try(self, member: Member, serve: Callable[[Member], None]) -> None:
        try:
            serve(member)
        except Exception as error:  # nobody else may miss an event for it
            self._give_up(member, error)

    def _send(self, member: Member, frames: list[Frame]) -> None:
        self._delivered[member.transport] += len(frames)
        form, wire = member.form, member.wire
        if form is None or wire is None:
            for frame in frames:
                member.deliver(frame)
            return
        for data in joined(frames, form, conf.WRITE_BYTES):
            wire.write(data)
            if wire.unsent:
                member.lagging(len(data))


class _Ready(dict[Form | None, list[bytes]]):
    """Frames joined into as few writes as may be, in each form that is asked for; none where there is no such form."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        super().__init__({None: []})
        self._frames = frames

    def __missing__(self, form: Form) -> list[bytes]:
        self[form] = joined(self._frames, form, conf.WRITE_BYTES)
        return self[form]
