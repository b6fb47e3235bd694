"""``manage.py probe``: what it shows, and the exit codes that monitoring goes by."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Family, User
from config.services.waiting import wait_until
from ledger.models import Account, Transaction
from tests.live import LiveServer, free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

TRANSPORTS = ("websocket", "sse", "polling")


class Probing(threading.Thread):
    """A probe that runs beside the test, and what it prints."""

    def __init__(self, transport: str, **options: object) -> None:
        super().__init__()
        self.transport = transport
        self._options = options
        self._out = StringIO()
        self.code = 0

    def run(self) -> None:
        try:
            call_command("probe", self.transport, stdout=self._out, **self._options)
        except CommandError as error:
            self.code = error.returncode
        finally:
            connection.close()

    @property
    def lines(self) -> list[str]:
        """What it has printed so far."""
        return [line.strip() for line in self._out.getvalue().splitlines()]

    def says(self, start: str) -> bool:
        """Whether it has printed a line that begins like this."""
        return any(line.startswith(start) for line in self.lines)


def test_a_probe_shows_what_comes_over_each_transport_and_how_long_it_took(
    alice: User, family: Family, running_server: LiveServer
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="Everyday", type="checking", currency="EUR")
    probes = [
        Probing(name, user="alice", url=running_server.url, topic=[f"account:{account.pk}"], count=4, seconds=60)
        for name in TRANSPORTS
    ]
    for probe in probes:
        probe.start()
    for probe in probes:
        wait_until(lambda probe=probe: probe.says(f"live over {probe.transport}"), 30, lambda: "not live")

    # Until each has seen enough: one that was live may not have subscribed yet.
    while any(probe.is_alive() for probe in probes):
        Transaction.objects.create(account=account, amount="-1.00", description="Seen", date="2026-01-02")
        probes[0].join(timeout=0.5)

    for probe in probes:
        assert probe.code == 0, probe.lines
        assert probe.says(f"4 events over {probe.transport}, latency median"), probe.lines
        assert any(" ms  TransactionUpdate" in line for line in probe.lines), probe.lines


def test_too_few_events_are_exit_code_1_and_a_connection_without_a_count_is_0(
    alice: User, family: Family, running_server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="100 events were expected") as too_few:
        call_command("probe", "polling", user="alice", url=running_server.url, count=100, seconds=8)
    call_command("probe", "websocket", user="alice", url=running_server.url, seconds=8)

    assert too_few.value.returncode == 1
    assert "live over websocket" in capsys.readouterr().out


def test_a_server_that_is_not_there_and_a_user_that_is_not_are_exit_code_2(alice: User) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(CommandError, match="not connected") as away:
        call_command("probe", "websocket", user="alice", url=nowhere, seconds=1)
    with pytest.raises(CommandError, match="no user 'nobody'") as nobody:
        call_command("probe", "websocket", user="nobody", url=nowhere)

    assert (away.value.returncode, nobody.value.returncode) == (2, 2)


def test_what_may_not_be_listened_to_is_said_and_is_exit_code_2(alice: User, running_server: LiveServer) -> None:
    for transport in TRANSPORTS:
        with pytest.raises(CommandError, match="^forbidden: ") as refused:
            call_command("probe", transport, user="alice", url=running_server.url, topic=["staff"], seconds=30)
        assert refused.value.returncode == 2


def test_who_may_not_come_in_is_told_why_and_is_exit_code_2(alice: User, running_server: LiveServer) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)

    for transport in TRANSPORTS:
        with pytest.raises(CommandError, match="refused: 450[13]") as refused:
            call_command("probe", transport, user="alice", url=running_server.url, seconds=30)
        assert refused.value.returncode == 2


@pytest.mark.parametrize("wrong", [["--seconds", "0"], ["--count", "-1"], ["--seconds", "nan"]])
def test_a_number_that_is_none_is_refused_with_what_it_should_be(wrong: list[str]) -> None:
    with pytest.raises(CommandError, match="above zero"):
        call_command("probe", "websocket", "--user", "alice", *wrong)
