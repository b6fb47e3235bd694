"""One fault, from a product at rest to a judgement: clients come, writers write, it breaks, heals, and is looked at."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.faults.checker import Anomaly, check
from tests.faults.history import Client, History, Log
from tests.faults.listeners import Keys, Listener, kinds_for
from tests.faults.resources import Resources, measure
from tests.faults.rig import POOL, WORKERS, Rig
from tests.faults.rights import last_due
from tests.faults.scenario import Scenario
from tests.faults.world import COMES_AND_GOES, NEIGHBOUR, PEOPLE, SHARED_WITH
from tests.faults.writers import ProcessWriter, RestWriter

CLIENTS = 50
CONNECTED_WITHIN = 60.0
HEALED_WITHIN = 60.0
PROBE_AGAIN = 2.0  # seconds from one write that everybody should hear of to the next
COMPLETE_WITHIN = 30.0
CALM = 1.0  # seconds of writes before the fault, and after it
AFTERMATH = 5.0  # seconds after the healing in which connections may still end because of it, at least
AT_REST_WITHIN = 20.0
RATES = {"process": 4.0, "rights": 0.7, "rest": 3.0}  # writes per second of each writer
REST = (("alice", "everyday"), ("bob", "savings"), ("alice", "own"), (NEIGHBOUR, "checking"))
NAMED_EVERY = 9
UNSTEADY = (COMES_AND_GOES, SHARED_WITH)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one fault."""

    name: str
    what: str
    clients: int
    writes: int
    refused: int
    events: int
    seconds_to_heal: float | None
    ends: dict[str, int]
    before: Resources
    after: Resources
    anomalies: list[Anomaly] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def survived(self) -> bool:
        """Whether everything was as it was promised."""
        return not self.anomalies


class Hands:
    """The processes that write beside the servers, for as long as a rig lives. Use as a context manager."""

    def __init__(self, rig: Rig) -> None:
        self.writers = [ProcessWriter(rig, "writer", seed) for seed in (1, 2)]
        self.gate = ProcessWriter(rig, "rights", 3)
        self._stack = ExitStack()

    @property
    def everybody(self) -> list[ProcessWriter]:
        return [*self.writers, self.gate]

    def __enter__(self) -> Self:
        for each in self.everybody:
            self._stack.enter_context(each)
        for each in self.everybody:
            each.wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Play:
    """One fault on one rig."""

    _count = 0

    def __init__(self, rig: Rig, hands: Hands, scenario: Scenario, *, clients: int, seconds: float) -> None:
        Play._count += 1
        self._prefix = f"s{Play._count}"
        self._rig = rig
        self._hands = hands
        self._scenario = scenario
        self._clients = clients
        self._seconds = seconds
        self._enough = asyncio.Event()
        self._rest: list[RestWriter] = []
        self.listeners: list[Listener] = []
        self.logs: list[Log] = []

    async def run(self) -> Result:
        """Play it to the end."""
        began = time.monotonic()
        self._start_log()
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(_Tasks())
            await self._come(group)
            await self._begin_to_write(group)
            await asyncio.sleep(CALM)
            before = await asyncio.to_thread(measure, self._rig)
            struck = time.monotonic()
            await self._break()
            healed = time.monotonic()
            healing = await self._probe(healed)
            await asyncio.sleep(CALM)
            await self._end_writing()
            self._end_log()
            await self._until(self._is_complete, COMPLETE_WITHIN)
            after = await self._at_rest(before)
        history = self._history(struck, healed + max(AFTERMATH, healing or HEALED_WITHIN))
        return self._result(history, before, after, healing, time.monotonic() - began)

    def _start_log(self) -> None:
        self._rig.wait_until_healthy()
        self._rig.wait_until_drained()
        self._start = self._rig.tables.place()

    def _end_log(self, *, is_whole: bool = True) -> None:
        self._rig.wait_until_drained()
        entries, controls = self._rig.tables.log(self._start.position)
        self.logs.append(
            Log(
                start=self._start.position,
                entries=entries,
                controls=controls,
                readers=self._rig.world.readers,
                seqs=self._start.seqs,
                is_whole=is_whole,
            )
        )

    async def _come(self, group: _Tasks) -> None:
        url = self._rig.proxy_url if self._scenario.through_proxy else self._rig.url
        keys = Keys(self._rig.url, self._rig.world)
        for number in range(self._clients):
            who = PEOPLE[number % len(PEOPLE)]
            address = None if self._scenario.through_proxy else self._rig.network.address(number)
            record = self._record(number, who)
            self.listeners.append(Listener(record, who, url, keys, kinds_for(number), address, number))
            group.start(self.listeners[-1].listen())
        async with asyncio.timeout(CONNECTED_WITHIN):
            for listener in self.listeners:
                await listener.is_connected.wait()

    def _record(self, number: int, who: str) -> Client:
        world = self._rig.world
        kinds = "+".join(kind.name for kind in kinds_for(number))
        name = f"{who}-{number}-{kinds}"
        if number % NAMED_EVERY == 0 and who not in (*UNSTEADY, NEIGHBOUR):
            named = tuple(world.topics["everyday"])
            return Client(name, world.ids[who], frozenset(named), named=named)
        return Client(name, world.ids[who], world.automatic(who))

    async def _begin_to_write(self, group: _Tasks) -> None:
        for number, (who, account) in enumerate(REST):
            address = self._rig.network.address(200 + number)
            self._rest.append(RestWriter(self._rig.url, self._rig.world, who, account, address, number))
            group.start(self._rest[-1].write_until(self._enough, RATES["rest"]))
        for hand in self._hands.everybody:
            hand.forget()
        self._go_on_writing(self._hands.everybody)

    def _go_on_writing(self, hands: Sequence[ProcessWriter]) -> None:
        for writer in self._rest:
            writer.begin(self._prefix)
            writer.may_write.set()
        for number, hand in enumerate(hands):
            rate = RATES["rights" if hand is self._hands.gate else "process"]
            hand.begin(f"{self._prefix}-p{number}", rate)

    async def _pause_writing(self) -> None:
        for writer in self._rest:
            writer.may_write.clear()
        for hand in self._hands.writers:
            await asyncio.to_thread(hand.end)
        await self._until(lambda: not any(writer.is_writing for writer in self._rest), HEALED_WITHIN)

    async def _break(self) -> None:
        """Strike, again if that is its way, and heal."""
        if self._scenario.rewinds:
            await self._rewind()
            return
        pause = self._scenario.every or self._seconds
        for _ in range(math.ceil(self._seconds / pause)):
            began = time.monotonic()
            await asyncio.to_thread(self._scenario.strike, self._rig)
            await asyncio.sleep(max(0.0, began + pause - time.monotonic()))
        await asyncio.to_thread(self._scenario.heal, self._rig)

    async def _rewind(self) -> None:
        """Let a history be written that is then taken back, while everybody is in and, in the end, nobody writes."""
        await asyncio.to_thread(self._hands.gate.end)
        await self._pause_writing()
        self._rig.wait_until_drained()
        await asyncio.to_thread(self._scenario.strike, self._rig)
        self._go_on_writing(self._hands.writers)
        await asyncio.sleep(self._seconds)
        await self._pause_writing()
        self._end_log(is_whole=False)
        await asyncio.to_thread(self._scenario.heal, self._rig)
        self._start = self._rig.tables.place()
        self._prefix += "b"
        self._go_on_writing(self._hands.everybody)

    async def _probe(self, healed: float) -> float | None:
        """Write until everybody has heard of the same; return the seconds that took.

        Again and again: who is told to start over has what was written before that by a snapshot, and hears nothing.
        """
        steady = [each for each in self.listeners if each.who not in UNSTEADY]
        asked: list[dict[str, str]] = []

        def is_heard() -> bool:
            return any(all(self._has_heard(each, marks) for each in steady) for marks in asked)

        while time.monotonic() < healed + HEALED_WITHIN:
            writers = zip(REST, self._rest, strict=True)
            asked.append({account: await self._mark(writer) for (_, account), writer in writers})
            if await self._until(is_heard, PROBE_AGAIN):
                return round(time.monotonic() - healed, 2)
        return None

    async def _mark(self, writer: RestWriter) -> str:
        deadline = time.monotonic() + HEALED_WITHIN
        while (mark := await writer.create()) is None and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return mark or "never"

    def _has_heard(self, listener: Listener, marks: dict[str, str]) -> bool:
        return marks["checking" if listener.who == NEIGHBOUR else "everyday"] in listener.marks

    async def _end_writing(self) -> None:
        self._enough.set()
        for hand in self._hands.everybody:
            await asyncio.to_thread(hand.end)
        await self._until(lambda: all(each.is_idle for each in self._rest), HEALED_WITHIN)

    def _is_complete(self) -> bool:
        due = [last_due(self.logs[-1], each.record) for each in self.listeners]
        return all(
            listener.newest.get(topic, 0) >= seq or seq <= self._start.seqs.get(topic, 0)
            for listener, topics in zip(self.listeners, due, strict=True)
            for topic, seq in topics.items()
        )

    async def _at_rest(self, before: Resources) -> Resources:
        """What is held once the fault is digested, with every client still there."""
        deadline = time.monotonic() + AT_REST_WITHIN
        while True:
            after = await asyncio.to_thread(measure, self._rig)
            if not self._excess(before, after) or time.monotonic() > deadline:
                return after
            await asyncio.sleep(0.5)

    def _excess(self, before: Resources, after: Resources) -> list[str]:
        ours = len(self._hands.everybody) * POOL
        return after.excess(before, most_connections=WORKERS * POOL + ours)

    def _history(self, struck: float, healed: float) -> History:
        hands = self._hands.everybody
        topics = {self._rig.world.accounts[name]: topics for name, topics in self._rig.world.topics.items()}
        return History(
            logs=self.logs,
            writes=[*(w for hand in hands for w in hand.writes), *(w for writer in self._rest for w in writer.writes)],
            rights=list(self._hands.gate.rights),
            rows=self._rig.tables.rows(self._prefix, topics),
            clients=[listener.record for listener in self.listeners],
            struck=struck,
            healed=healed,
            explained_ends=self._scenario.explains,
            explained_resets=self._scenario.resets,
        )

    def _result(
        self, history: History, before: Resources, after: Resources, healing: float | None, seconds: float
    ) -> Result:
        anomalies = check(history)
        anomalies += [Anomaly("resources", "workers", each) for each in self._excess(before, after)]
        if healing is None:
            anomalies.append(
                Anomaly("unhealed", "everybody", f"not all heard what was written within {HEALED_WITHIN} s")
            )
        if not self._rig.is_healthy():
            anomalies.append(Anomaly("unhealthy", "server", "/healthz does not answer 200"))
        ends: dict[str, int] = {}
        for client in history.clients:
            for end in client.ends:
                ends[end.how] = ends.get(end.how, 0) + 1
        return Result(
            name=self._scenario.name,
            what=self._scenario.what,
            clients=len(history.clients),
            writes=sum(write.outcome == "committed" for write in history.writes),
            refused=sum(writer.refused for writer in self._rest),
            events=sum(len(chapter.heard) for client in history.clients for chapter in client.chapters),
            seconds_to_heal=healing,
            ends=ends,
            before=before,
            after=after,
            anomalies=anomalies,
            seconds=round(seconds, 1),
        )

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True


class _Tasks:
    """Tasks that end with the block, as nobody waits for what clients do."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        failures = await asyncio.gather(*self._tasks, return_exceptions=True)
        for failure in failures:
            if isinstance(failure, Exception):
                raise failure


def play(rig: Rig, hands: Hands, scenario: Scenario, *, clients: int, seconds: float) -> Result:
    """Play one fault on a rig, and judge."""
    return asyncio.run(Play(rig, hands, scenario, clients=clients, seconds=seconds).run())
