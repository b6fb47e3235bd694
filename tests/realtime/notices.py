"""Notices that want an acknowledgement, and clients that write down which of them they are given, and how."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from realtime import receipts
from realtime.access import present
from realtime.admission import admit
from realtime.again import give_again
from realtime.hub import Hub
from realtime.models import Event, Receipt
from realtime.outbox import publish
from realtime.protocol.cursor import Cursor
from realtime.protocol.frame import Frame
from realtime.resume import Wanted, replay
from realtime.threads import run_db
from realtime.topics import Topic
from tests.realtime.admitting import scope_of, token_of
from tests.realtime.recorder import Recorder


class Guest(Recorder):
    """A client that writes down Notices alone."""

    def deliver(self, frame: Frame) -> None:
        if frame.entry.type == "Notice":
            super().deliver(frame)

    @property
    def given(self) -> list[tuple[int, bool]]:
        """Each notice by its number, and whether it came with a cursor."""
        return [(json.loads(frame.entry.data)["n"], frame.cursor is not None) for frame in self.frames]


def notice(number: int, *to: Topic, ack: bool = True, about: str = "", seconds: float | None = None) -> None:
    """Publish one event that wants an acknowledgement."""
    expires = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    with transaction.atomic():
        publish("Notice", {"n": number}, to=to, ack=ack, about=about, expires=expires)


async def come(here: Hub, user: User, *named: Topic, cursor: Cursor | None = None, automatic: bool = True) -> Guest:
    """Connect as a transport does."""
    wanted = Wanted(frozenset(named), automatic=automatic)
    admitted = await admit(here.follower, scope_of(await run_db(token_of, user)), lambda _: wanted, cursor)
    member = Guest(here, admitted.opening.state)
    await give_again(here.follower, member)
    await replay(here, member, lambda: present(user), wanted)
    return member


def id_of(number: int) -> UUID:
    return Event.objects.filter(type="Notice", data=json.dumps({"n": number}, separators=(",", ":")))[0].event_id


def confirm(user: User, *numbers: int) -> None:
    receipts.confirm(present(user), [id_of(number) for number in numbers], transport="http", client="a phone")


def confirm_elsewhere(user: User, *numbers: int) -> None:
    """As another process does it: here only the database knows."""
    for number in numbers:
        Receipt.objects.create(event_id=id_of(number), user=user, transport="http")


async def come_with(here: Hub, token: str) -> Guest:
    """Connect with a token that was made before."""
    admitted = await admit(here.follower, scope_of(token), lambda _: Wanted(), None)
    member = Guest(here, admitted.opening.state)
    await give_again(here.follower, member)
    await replay(here, member, lambda: admitted.credentials.user, admitted.asked)
    return member
