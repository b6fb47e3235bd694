"""The parts of the Python client alone, over lines that the test makes: when it waits, falls, climbs and gives up."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from clients.python.realtime_client import Event, RealtimeError, State, Status, Timing
from clients.python.realtime_client.connection import Connection
from clients.python.realtime_client.errors import LineEnded
from clients.python.realtime_client.http import code_in, seconds_in
from clients.python.realtime_client.inbox import Inbox, Place
from clients.python.realtime_client.ladder import Ladder
from clients.python.realtime_client.questions import MOST_OPEN, Questions
from clients.python.realtime_client.recent import Recent
from clients.python.realtime_client.token import Token
from clients.python.realtime_client.transports import LINES, Line, Surroundings

NAMES = ("websocket", "sse", "polling")
QUICK = Timing(
    back_off=(0.002, 0.004, 0.008),
    shortest_wait=0.001,
    climb=(0.01, 0.02),
    steady=60,
    greeting=dict.fromkeys(NAMES, 0.5),
)
GREETING = {"type": "Connected", "data": {"cursor": "c0"}}


class Script:
    """What each line that is opened does, one after the other: greet and say, or end. Lines wait at their end."""

    def __init__(self, *turns: tuple[str, list[Any]]) -> None:
        self.turns = list(turns)
        self.opened: list[str] = []
        self.closed: list[str] = []

    def line(self, name: str, *, silent_means_blocked: bool) -> type[Line]:
        """A class of lines that follow the script."""
        script = self

        class Scripted(Line):
            blocked_when_silent = silent_means_blocked

            async def open(self) -> None:
                script.opened.append(name)
                wanted, self.words = script.turns.pop(0) if script.turns else (name, [])
                assert wanted == name, f"{name} was opened, not {wanted}"

            async def receive(self) -> dict[str, Any]:
                if not self.words:
                    await asyncio.Event().wait()
                word = self.words.pop(0)
                if isinstance(word, Exception):
                    raise word
                return dict(word)

            async def send(self, command: dict[str, Any]) -> None:
                return None

            async def close(self) -> None:
                script.closed.append(name)

        Scripted.name = name
        return Scripted


class Owner:
    """What the connection tells its client; ``until`` waits for the line to be as it should."""

    def __init__(self) -> None:
        self.statuses: list[Status] = []
        self.heard_types: list[str] = []
        self._news = asyncio.Event()
        self.mends = False

    async def heard(self, message: dict[str, Any], line: Line) -> None:
        self.heard_types.append(message["type"])
        self._news.set()

    def changed(self, status: Status) -> None:
        self.statuses.append(status)
        self._news.set()

    def can_mend(self, code: int) -> bool:
        return self.mends

    @property
    def waits(self) -> list[float]:
        return [status.retry_in for status in self.statuses if status.state == State.WAITING]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(connection: Connection) -> AsyncIterator[None]:
    """Run it while the block runs."""
    task = asyncio.create_task(connection.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Connection, Owner]]:
    """``play(script, names)``: a connection over the scripted transports, and its owner."""

    def play(script: Script, names: tuple[str, ...] = NAMES, chance: float = 1.0) -> tuple[Connection, Owner]:
        for name in NAMES:
            monkeypatch.setitem(LINES, name, script.line(name, silent_means_blocked=name == "sse"))
        around = Surroundings(
            socket_url="",
            trust_env=False,
            http=None,  # type: ignore[arg-type]  (scripted lines ask nothing)
            token=Token(None, QUICK),
            timing=QUICK,
            topics=list,
            cursor=lambda: None,
            random=lambda: chance,
        )
        owner = Owner()
        return Connection(owner, names, around), owner

    return play


async def test_the_waits_are_those_of_the_back_off_and_a_part_of_them_by_chance(play: Any) -> None:
    for chance in (1.0, 0.5):
        script = Script(*[("websocket", [LineEnded(1012, 0)])] * 5)
        connection, owner = play(script, ("websocket",), chance)

        async with running(connection):
            await owner.until(lambda owner=owner: len(owner.waits) == 5)

        assert owner.waits == [step * chance for step in (0.002, 0.004, 0.008, 0.008, 0.008)]


async def test_what_the_server_says_of_when_to_come_back_is_the_least_and_a_wake_does_not_shorten_it(play: Any) -> None:
    connection, owner = play(Script(("websocket", [LineEnded(4430, 0.3)])), ("websocket",))

    async with running(connection):
        await owner.until(lambda: owner.waits)
        connection.wake()
        await asyncio.sleep(0)
        waiting = owner.statuses[-1].state

    assert owner.waits == [pytest.approx(0.3 * 1.25)]
    assert waiting == State.WAITING


@pytest.mark.parametrize("code", [4401, 4500, 4501, 4503, 4505, 4999])
async def test_a_code_that_is_final_ends_it(play: Any, code: int) -> None:
    connection, owner = play(Script(("websocket", [GREETING, LineEnded(code)])))

    async with asyncio.timeout(20):
        end = await connection.run()

    assert end.code == code
    assert owner.waits == []


async def test_what_can_be_mended_is_come_back_to(play: Any) -> None:
    connection, owner = play(Script(("websocket", [GREETING, LineEnded(4401)]), ("websocket", [GREETING])))
    owner.mends = True

    async with running(connection):
        await owner.until(lambda: owner.heard_types.count("Connected") == 2)


async def test_one_that_never_worked_gives_way_at_once_and_a_better_one_is_climbed_to_beside_it(play: Any) -> None:
    script = Script(
        ("websocket", [LineEnded()]),
        ("sse", [LineEnded()]),
        ("polling", [GREETING]),
        ("websocket", [LineEnded()]),  # a climb that fails is not told
        ("sse", [GREETING]),
        ("websocket", [GREETING]),
    )
    connection, owner = play(script)

    async with running(connection):
        await owner.until(lambda: owner.statuses and owner.statuses[-1].transport == "websocket" and not script.turns)
        await owner.until(lambda: owner.statuses[-1].state == State.LIVE)

    assert [f"{status.state} {status.transport}" for status in owner.statuses] == [
        "connecting websocket",
        "connecting sse",
        "connecting polling",
        "live polling",
        "live sse",
        "live websocket",
    ]
    # Each line that was opened is closed, whatever became of it.
    assert sorted(script.closed) == sorted(script.opened)


async def test_a_stream_that_goes_silent_is_held_back_and_passed_over_at_once(play: Any) -> None:
    silent = {"type": "Connected", "data": {"heartbeat": {"timeout": 0.05}}}
    connection, owner = play(Script(("sse", [silent]), ("polling", [GREETING])), ("sse", "polling"))

    async with running(connection):
        await owner.until(lambda: owner.statuses[-1:] and owner.statuses[-1].transport == "polling")

    assert owner.waits == []


async def test_one_that_never_greets_is_given_up(play: Any) -> None:
    connection, owner = play(Script(("websocket", []), ("sse", [GREETING])))

    async with running(connection):
        await owner.until(lambda: owner.statuses[-1:] and owner.statuses[-1].state == State.LIVE)

    assert owner.statuses[-1].transport == "sse"


def test_what_has_worked_must_fail_five_times_before_the_next_is_tried() -> None:
    ladder = Ladder(NAMES)
    ladder.begin()
    ladder.stand("websocket")

    found = []
    for _ in range(5):
        ladder.begin()
        found.append(ladder.failed(blamed=True, steady=False, blocked=False))

    assert found == [None, None, None, None, "sse"]


def test_a_word_of_the_servers_counts_against_no_transport() -> None:
    ladder = Ladder(NAMES)

    found = [(ladder.begin(), ladder.failed(blamed=False, steady=False, blocked=False)) for _ in range(9)]

    assert found == [("websocket", None)] * 9


async def test_the_inbox_holds_back_who_puts_until_something_is_taken_or_asked(monkeypatch: Any) -> None:
    monkeypatch.setattr("clients.python.realtime_client.inbox.MOST_WAITING", 2)
    questions: list[int] = []
    inbox = Inbox(lambda: bool(questions))
    for number in range(2):
        await inbox.put(Event(type=str(number), data={}))

    putting = asyncio.create_task(inbox.put(Event(type="2", data={})))
    await asyncio.sleep(0)
    held = not putting.done()
    questions.append(1)
    inbox.stir()
    await putting
    taken = [(await inbox.take()).type for _ in range(3)]  # type: ignore[union-attr]

    assert held
    assert taken == ["0", "1", "2"]


async def test_much_too_much_is_the_end_of_the_line_and_places_without_events_take_no_room(monkeypatch: Any) -> None:
    monkeypatch.setattr("clients.python.realtime_client.inbox.MOST_HELD", 2)
    inbox = Inbox(lambda: True)
    for number in range(50):
        await inbox.put(Place(str(number)))
    await inbox.put(Event(type="A", data={}))

    with pytest.raises(LineEnded, match="too much"):
        await inbox.put(Event(type="B", data={}))

    assert await inbox.take() == Place("49")


async def test_what_was_put_is_given_before_the_error_that_closed_it_and_that_is_raised_once() -> None:
    inbox = Inbox(lambda: False)
    await inbox.put(Place("c1"))
    inbox.close(RealtimeError("refused"))

    first = await inbox.take()
    with pytest.raises(RealtimeError):
        await inbox.take()
    with pytest.raises(StopAsyncIteration):
        await inbox.take()

    assert first == Place("c1")


async def test_more_questions_than_a_server_takes_after_a_reconnect_are_refused() -> None:
    questions = Questions()
    for _ in range(MOST_OPEN):
        questions.open("Request", {})

    with pytest.raises(RealtimeError) as refused:
        questions.open("Request", {})
    questions.open("Subscribe", {})

    assert refused.value.code == "too_many_requests"
    assert len(questions.unanswered) == MOST_OPEN + 1


def test_the_last_thousand_are_remembered_and_not_one_more() -> None:
    recent = Recent(1000)
    for number in range(1001):
        assert recent.add(str(number))

    assert not recent.add("1")
    assert recent.add("0")


def token_until(seconds: float) -> str:
    """A token that says when it ends, signed by nobody."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps({'exp': seconds}).encode()).decode().rstrip('=')}.s"


async def test_a_token_is_asked_for_once_and_again_a_minute_before_its_end_or_when_it_is_spoilt() -> None:
    now, asked = [1000.0], []

    def give(refresh: bool) -> str:
        asked.append(refresh)
        return token_until(now[0] + 600)

    token = Token(give, Timing(), clock=lambda: now[0])

    for moment in (1000, 1539, 1541, 1541):
        now[0] = moment
        await token.get()
    token.spoil()
    await token.get()

    assert asked == [False, True, True]


async def test_a_token_that_says_nothing_of_its_end_is_kept_and_none_is_refused() -> None:
    asked: list[bool] = []
    silent = Token(lambda refresh: asked.append(refresh) or "opaque", Timing(), clock=lambda: math.pi)
    for _ in range(3):
        assert await silent.headers() == {"Authorization": "Bearer opaque"}

    with pytest.raises(RealtimeError) as refused:
        await Token(lambda refresh: None, Timing()).get()

    assert asked == [False]
    assert (refused.value.close_code, refused.value.needs_sign_in) == (4501, True)


def test_when_to_come_back_is_read_as_a_number_or_a_date_and_rubbish_is_nothing() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert seconds_in("7") == 7
    assert seconds_in(in_a_minute) == pytest.approx(60, abs=5)
    assert [seconds_in(text) for text in (None, "", "soon", "-3")] == [None, None, None, None]


def test_the_code_of_a_refusal_is_read_from_its_body_and_a_proxys_page_has_none() -> None:
    bodies = [b'{"code": "draining"}', b"<h1>Bad gateway</h1>", b"[]", b""]

    assert [code_in(body) for body in bodies] == ["draining", None, None, None]
