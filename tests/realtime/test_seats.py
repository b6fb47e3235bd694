"""Seats: room for a process, an address and a user, and given back whatever comes."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from realtime.counts import Counts
from realtime.metrics import metrics
from realtime.protocol.errors import ProtocolError
from realtime.seats import Seat, Seats, network_of


@pytest.fixture
def seats(settings: Settings) -> Seats:
    settings.REALTIME = {
        **settings.REALTIME,
        "MAX_CONNECTIONS": 6,
        "MAX_ADDRESS_CONNECTIONS": 4,
        "MAX_USER_CONNECTIONS": 3,
        "MAX_USER_STREAMS": 2,
    }
    return Seats(Counts("here", tell=lambda word: None, later=lambda delay, call: None, clock=lambda: 1.0))


def sit(seats: Seats, *, address: str = "192.0.2.1", user: str = "alice", transport: str = "websocket") -> Seat:
    """Go the whole way in, and leave again where there is no room."""
    seat = seats.take({"client": (address, 5000)})
    try:
        return seats.give(seat, user, transport)
    except ProtocolError:
        seats.leave(seat)
        raise


def refused(seats: Seats, **who: Any) -> str:
    """The setting that was reached."""
    before = seats.taken, {key: count.here for key, count in seats.counts.items()}
    with pytest.raises(ProtocolError) as refusal:
        sit(seats, **who)
    assert refusal.value.code == "too_many_connections"
    assert (seats.taken, {key: count.here for key, count in seats.counts.items()}) == before
    return refusal.value.limit


def test_a_user_has_room_for_so_many_and_no_more(seats: Seats) -> None:
    for number in range(3):
        sit(seats, address=f"192.0.2.{number}")

    assert refused(seats) == "MAX_USER_CONNECTIONS"
    sit(seats, user="bob")


def test_streams_are_counted_apart_and_as_connections(seats: Seats) -> None:
    for _ in range(2):
        sit(seats, transport="sse")

    assert refused(seats, transport="sse") == "MAX_USER_STREAMS"
    sit(seats)
    assert refused(seats) == "MAX_USER_CONNECTIONS"


def test_an_address_has_room_for_so_many_and_no_more(seats: Seats) -> None:
    for number in range(4):
        sit(seats, user=str(number))

    assert refused(seats, user="another") == "MAX_ADDRESS_CONNECTIONS"
    sit(seats, user="another", address="192.0.2.2")


def test_who_is_not_yet_known_counts_for_their_address(seats: Seats) -> None:
    for _ in range(4):
        seats.take({"client": ("192.0.2.1", 5000)})

    assert refused(seats) == "MAX_ADDRESS_CONNECTIONS"


def test_a_process_has_room_for_so_many_and_no_more(seats: Seats) -> None:
    for number in range(6):
        sit(seats, user=str(number), address=f"192.0.2.{number}")

    assert refused(seats, user="another", address="192.0.2.99") == "MAX_CONNECTIONS"


def test_what_is_left_is_room_for_another(seats: Seats) -> None:
    taken = [sit(seats, transport="sse") for _ in range(2)]

    for seat in taken:
        seats.leave(seat)

    assert seats.taken == 0
    assert list(seats.counts.items()) == []
    sit(seats, transport="sse")


def test_what_other_processes_have_counts(seats: Seats) -> None:
    seats.counts.hear({"process": "there", "number": 1, "counts": {"user:alice": 3, "address:192.0.2.7": 4}})

    assert refused(seats) == "MAX_USER_CONNECTIONS"
    assert refused(seats, user="bob", address="192.0.2.7") == "MAX_ADDRESS_CONNECTIONS"
    sit(seats, user="bob")


def test_a_connection_without_an_address_counts_for_its_user(seats: Seats) -> None:
    for _ in range(3):
        seats.give(seats.take({}), "alice", "websocket")

    assert refused(seats) == "MAX_USER_CONNECTIONS"


def test_how_many_there_are_is_measured(seats: Seats) -> None:
    sit(seats)
    sit(seats, user="bob")
    seats.leave(sit(seats, user="charlie", address="192.0.2.9"))

    seats.beat()

    assert [gauge._value.get() for gauge in (metrics.connections, metrics.connected_users)] == [2, 2]
    assert metrics.connected_addresses._value.get() == 1


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_stands_for_one_client_and_an_ipv6_one_for_its_network(host: str, client: str) -> None:
    assert network_of(host) == client
