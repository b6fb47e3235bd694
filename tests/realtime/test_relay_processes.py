"""Processes that end, fork, are killed or write beside others: what they committed gets its place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from channels.layers import channel_layers
from django.db import transaction

from config.env import BASE_DIR
from config.services.redis import RedisServer
from realtime import log
from realtime.announcer import MESSAGE_TYPE
from realtime.conf import conf
from realtime.models import Event, LogHead, Outgoing
from realtime.protocol.entry import decode_batch
from realtime.seal import unseal
from tests.live import variables
from tests.realtime.concurrently import PATIENCE, all_at_once, beside
from tests.realtime.growing import all_numbers

pytestmark = pytest.mark.django_db(transaction=True)

# What a process is given to say goodbye is a matter of how fast the machine is, and none of these tests.
PATIENT = {
    "DJANGO_SETTINGS_MODULE": "tests.contract.server_settings",
    "TEST_REALTIME": json.dumps({"EXIT_GRACE": PATIENCE, "ANNOUNCE_TIMEOUT": PATIENCE}),
}

SHELL = [sys.executable, str(BASE_DIR / "manage.py"), "shell", "-v", "0", "-c"]


def run(code: str, *, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """Run a program of the project's own shell on the test database; it must end well."""
    done = subprocess.run(
        [*SHELL, code], env=variables(**PATIENT), capture_output=True, text=True, timeout=timeout, check=False
    )
    # Many at one head: who waits too long for it says so, and goes on.
    complaints = [line for line in done.stderr.splitlines() if "sequencing failed, will be tried again" not in line]
    assert (done.returncode, complaints) == (0, [])
    return done


@contextmanager
def started(code: str) -> Iterator[subprocess.Popen[str]]:
    """A program of the project's own shell on the test database, which is not there any more after the block."""
    with subprocess.Popen([*SHELL, code], env=variables(**PATIENT), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_process_that_ends_at_once_has_sequenced_what_it_committed(sleeping_relay: None) -> None:
    run("from accounts.models import Family; Family.objects.create(name='Stone')")

    assert list(Event.objects.values_list("type", "position")) == [("FamilyUpdate", 1)]
    assert not Outgoing.objects.exists()


async def test_a_process_that_ends_at_once_has_announced_what_it_committed(
    sleeping_relay: None, redis_server: RedisServer
) -> None:
    layer: Any = channel_layers.make_backend("default")
    channel = await layer.new_channel()
    await layer.group_add(conf.GROUP, channel)
    code = "from accounts.models import Family; Family.objects.create(name='Stone')"
    ended = threading.Event()

    def run_it() -> None:
        run(code)
        ended.set()

    thread = threading.Thread(target=run_it)
    thread.start()
    # Servers of other tests may still be there, and say who has gone.
    while (message := unseal(await layer.receive(channel)))["type"] != MESSAGE_TYPE:
        pass
    thread.join()
    await layer.flush()

    batch = decode_batch(message["batch"])
    assert (batch.first, batch.last, batch.entries[0].type) == (1, 1, "FamilyUpdate")
    assert ended.is_set()


FORK = """
import os, time
from django.db import connections, transaction
from realtime import log
from realtime.outbox import publish
from realtime.relay import relay
from realtime.topics import topic

def tell(number):
    with transaction.atomic():
        publish("Note", {"n": number}, to=[topic("global")])

def until(condition):
    for _ in range(1000):
        if condition():
            return True
        time.sleep(0.01)

nudged = []
relay.follow(nudged.append)
tell(1)
assert until(lambda: nudged)  # a little later than anybody can see it in the log
connections.close_all()
child = os.fork()
if not child:  # no pool of connections survives a fork, and Django does not know of it
    assert relay._thread is None
    getattr(connections["default"], "_connection_pools", {}).clear()
tell(2 if child else 3)
assert until(lambda: log.head().position >= 3)
assert relay._thread is not None and relay._thread.is_alive()
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    assert [batch.last for batch in nudged] == [1]  # whoever follows is in the parent
    relay.stop()
    os._exit(0)
"""


def test_a_forked_process_has_a_relay_of_its_own(sleeping_relay: None) -> None:
    run(FORK)

    assert all_numbers()[0] == 1
    assert sorted(all_numbers()) == [1, 2, 3]


HELD = """
import os
import signal
from realtime import rights, wanting

with rights._registering, wanting._registering:  # as a thread may that the child has not
    child = os.fork()
    if not child:
        signal.alarm(10)
        rights.forget(1)
        wanting.memories()
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_that_was_forked_while_rights_were_forgotten_does_not_wait_for_that() -> None:
    run(HELD)


WRITE = """
from django.db import transaction
from realtime.outbox import publish
from realtime.topics import topic

for turn in range(30):
    with transaction.atomic():
        publish("Note", {{"n": [{writer}, turn]}}, to=[topic("global")])
"""


@pytest.mark.slow
def test_several_processes_write_and_sequence_one_log(sleeping_relay: None) -> None:
    writers = range(4)

    all_at_once([partial(run, WRITE.format(writer=writer), timeout=2 * PATIENCE) for writer in writers])
    while log.sequence():  # what the last to end may have left, where it found the head held
        pass

    assert list(Event.objects.order_by("position").values_list("position", "seq")) == [(n, n) for n in range(1, 121)]
    for writer in writers:
        assert [turn for by, turn in all_numbers() if by == writer] == list(range(30))


KILLED = """
import time
from django.db import transaction
from realtime import log
from realtime.outbox import publish
from realtime.topics import topic

def get_no_further(*args):
    print("committed", flush=True)
    time.sleep(3600)

log.sequence = get_no_further
with transaction.atomic():
    publish("Note", {"n": 1}, to=[topic("global")])
time.sleep(3600)
"""


def test_what_was_left_by_a_killed_process_is_found_by_a_look_without_a_lock(sleeping_relay: None) -> None:
    log.head()  # which makes it, where there is none yet
    with started(KILLED) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "committed\n"
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL

    found, none_behind = while_the_head_is_held(lambda: (oldest := log.waiting(), log.waiting(oldest or 0)))

    assert found == Outgoing.objects.get().pk
    assert none_behind is None
    assert all_numbers() == []
    assert log.sequence() is not None
    assert all_numbers() == [1]


def while_the_head_is_held(look: Callable[[], Any]) -> Any:
    """What ``look`` returns while another holds the head; on SQLite, where rows have no locks, the whole database."""
    held = threading.Event()
    with beside(lambda: held.wait(PATIENCE) and look()) as looked, transaction.atomic():
        LogHead.objects.select_for_update().get()
        held.set()
        return looked.result(PATIENCE)
