"""The way out to one client: in order, within bounds, and at nobody else's cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from realtime.transports.outlet import Outlet

PATIENCE = 10.0


class Client:
    """An ASGI ``send`` that takes what it is let take. ``turns`` is how often each send lets others go first."""

    def __init__(self, turns: int = 0) -> None:
        self.got: list[Any] = []
        self.faults: list[bool] = []
        self.turns = turns
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None
        self.sending = 0
        self.most_at_once = 0

    async def send(self, message: Any) -> None:
        self.sending += 1
        self.most_at_once = max(self.most_at_once, self.sending)
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            if not self.open.is_set():
                await self.open.wait()
            if self.error is not None:
                raise self.error
            self.got.append(message)
        finally:
            self.sending -= 1


@asynccontextmanager
async def outlet_to(client: Client) -> AsyncIterator[Outlet]:
    outlet = Outlet(client.send, client.faults.append)
    yield outlet
    outlet.abandon()
    await outlet.finished()


@pytest.fixture
def bounds(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 1024, "UNSENT_SECONDS": 60}


async def test_what_the_server_takes_at_once_is_sent_before_write_returns(bounds: None) -> None:
    client, tasks = Client(), len(asyncio.all_tasks())
    async with outlet_to(client) as outlet:
        for number in range(5):
            outlet.write(number, 1000)
            assert client.got[-1] == number

        assert len(asyncio.all_tasks()) == tasks


async def test_what_has_to_wait_is_sent_in_order(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        for number in range(5):
            outlet.write(number, 100)
        assert client.got == []

        client.open.set()
        await outlet.finished()
        outlet.write(5, 100)

        assert client.got == [0, 1, 2, 3, 4, 5]
        assert client.most_at_once == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["write", "shut", "open", "yield", "flush"])), max_size=60)
)
async def test_whatever_the_client_s_pace_everything_arrives_once_and_in_order(bounds: None, steps: Any) -> None:
    client, written = Client(), 0
    async with outlet_to(client) as outlet:
        for turns, step in steps:
            client.turns = turns
            match step:
                case "write":
                    outlet.write(written, 10)
                    written += 1
                case "shut":
                    client.open.clear()
                case "open":
                    client.open.set()
                case "flush":
                    client.open.set()
                    await outlet.flushed()
                case _:
                    await asyncio.sleep(0)
            assert client.got == list(range(len(client.got)))
        client.open.set()
        await outlet.finished()

        assert client.got == list(range(written))
        assert client.most_at_once <= 1
        assert client.faults == []


# Slow clients


async def test_a_client_that_leaves_too_much_unsent_is_given_up_once_and_costs_no_memory(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        outlet.write(0, 1024)  # being sent: the server has it
        outlet.write(1, 1000)
        outlet.write(2, 24)
        assert client.faults == []

        outlet.write(3, 1)
        assert client.faults == [True]
        assert not outlet._waiting

        outlet.write(4, 1)
        client.open.set()
        await outlet.finished()

        assert client.got == []
        assert client.faults == [True]


async def test_a_message_larger_than_the_bound_is_sent_where_nothing_else_waits(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        outlet.write("small", 10)
        outlet.write("snapshot", 5000)

        client.open.set()
        await outlet.finished()

        assert client.got == ["small", "snapshot"]
        assert client.faults == []


async def test_a_client_stuck_on_one_message_is_given_up(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNSENT_SECONDS": 0.05}
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        outlet.write(0, 1)
        async with asyncio.timeout(PATIENCE):
            while not client.faults:
                await asyncio.sleep(0.01)

        assert client.faults == [True]
        assert client.got == []


async def test_a_client_that_is_slow_but_moves_is_kept(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNSENT_SECONDS": 1.0}
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        for number in range(12):
            outlet.write(number, 1)
        async with asyncio.timeout(PATIENCE):
            for number in range(12):
                await asyncio.sleep(0.1)
                client.open.set()
                while len(client.got) <= number:
                    await asyncio.sleep(0)
                client.open.clear()

        assert client.got == list(range(12))
        assert client.faults == []


# Clients that left


async def test_a_client_that_left_is_given_up_once(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.error = ConnectionResetError()

        outlet.write(0, 1)
        outlet.write(1, 1)

        assert client.faults == [False]
        assert client.got == []


async def test_a_client_that_leaves_while_something_waits_is_given_up_once(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        for number in range(3):
            outlet.write(number, 1)
        client.error = ConnectionResetError()
        client.open.set()
        await outlet.finished()

        assert client.faults == [False]
        assert client.got == []
        outlet.write(3, 1)
        assert client.got == []


async def test_abandoning_ends_what_is_being_sent_and_blames_nobody(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        outlet.write(0, 1)
        outlet.write(1, 1)
        await asyncio.sleep(0)

        outlet.abandon()
        await outlet.finished()
        client.open.set()
        await asyncio.sleep(0)

        assert client.got == []
        assert client.sending == 0
        assert client.faults == []


# Waiting for the client


async def test_flushed_returns_once_half_of_the_bound_is_sent_and_for_everyone_who_waits(bounds: None) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        await outlet.flushed()
        client.open.clear()
        outlet.write(0, 1)
        outlet.write(1, 512)
        await outlet.flushed()
        outlet.write(2, 500)
        waiting = [asyncio.ensure_future(outlet.flushed()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert [each.done() for each in waiting] == [True, False, False]

        client.open.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*waiting[1:])

        assert client.got[:2] == [0, 1]


@pytest.mark.parametrize("end", ["abandoned", "slow", "left"])
async def test_nobody_waits_for_a_client_that_was_given_up(bounds: None, end: str) -> None:
    client = Client()
    async with outlet_to(client) as outlet:
        client.open.clear()
        outlet.write(0, 1)
        outlet.write(1, 1000)
        waiting = [asyncio.ensure_future(outlet.flushed()), asyncio.ensure_future(outlet.finished())]
        await asyncio.sleep(0)

        if end == "abandoned":
            outlet.abandon()
        elif end == "slow":
            outlet.write(2, 1000)
        else:
            client.error = ConnectionResetError()
            client.open.set()

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*waiting)
            await outlet.flushed()
            await outlet.finished()


@pytest.mark.parametrize("is_done", [True, False])
async def test_a_send_that_is_no_coroutine_function_is_waited_for_as_well(is_done: bool) -> None:
    sent: list[Any] = []
    client = Client()

    def send(message: Any) -> asyncio.Future[None]:
        sent.append(message)
        future = asyncio.get_running_loop().create_future()
        if is_done:
            future.set_result(None)
        else:
            asyncio.get_running_loop().call_soon(future.set_result, None)
        return future

    outlet = Outlet(send, client.faults.append)
    for number in range(3):
        outlet.write({"number": number}, 1)
    await outlet.finished()

    assert sent == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert client.faults == []
