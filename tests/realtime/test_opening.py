"""Rights, topics and place of a client that begins fit together, and a cursor that is worth nothing is a reset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import user_topic
from realtime import log
from realtime.access import present
from realtime.models import Event
from realtime.outbox import rights_changed
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import Reason
from realtime.resume import open_subscriber
from realtime.topics import Topic, topic
from tests.realtime.recorder import fill, in_transaction, newest, opening, prune_all, wanted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet", "small_pages")]

GLOBAL = topic("global")


def test_who_brings_no_cursor_begins_at_the_head(alice: User, smith: Topic) -> None:
    fill(1, 2, to=[smith])

    opened = opening(alice, smith, GLOBAL)

    assert opened.state.cursor == newest()
    assert opened.state.rights_position == newest().position
    assert opened.seqs == log.heads([smith, GLOBAL])[1]
    assert (opened.state.topics, opened.reset) == ({smith: 0, GLOBAL: 0}, None)


def test_who_brings_a_cursor_begins_there_and_counts_from_there(alice: User, smith: Topic) -> None:
    fill(1, to=[smith])
    cursor = newest()
    fill(2, 3, to=[smith])

    opened = opening(alice, smith, GLOBAL, cursor=cursor)

    assert opened.state.cursor == cursor
    assert opened.state.rights_position == newest().position
    assert opened.seqs == {smith: log.heads([smith])[1][smith] - 2, GLOBAL: 0}
    assert opened.reset is None


def of_another_epoch() -> Cursor:
    return Cursor("another", 1, 1)


def beyond_the_log() -> Cursor:
    return Cursor(newest().epoch, newest().position + 1, 1)


def with_another_entry() -> Cursor:
    return Cursor(newest().epoch, newest().position, newest().check ^ 1)


def no_longer_kept() -> Cursor:
    cursor = newest()
    fill(1, 2, 3, to=[GLOBAL])
    prune_all()
    return cursor


def too_far_back() -> Cursor:
    cursor = newest()
    fill(1, 2, 3, to=[GLOBAL])
    return cursor


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (of_another_epoch, "epoch"),
        (beyond_the_log, "ahead"),
        (with_another_entry, "epoch"),
        (no_longer_kept, "trimmed"),
        (too_far_back, "trimmed"),
    ],
)
def test_a_cursor_that_is_worth_nothing_is_a_reset_to_the_head(
    alice: User, smith: Topic, settings: Settings, cursor: Callable[[], Cursor], reason: Reason
) -> None:
    settings.REALTIME = {**settings.REALTIME, "MAX_REPLAY": 2}

    opened = opening(alice, smith, cursor=cursor())

    assert opened.reset == reason
    assert opened.state.cursor == newest()
    assert opened.seqs == log.heads([smith])[1]


def test_topics_that_may_not_be_read_do_not_exist_or_are_none_are_refused_alike(alice: User, jones: Topic) -> None:
    unknown = Topic("family:00000000-0000-0000-0000-000000000000")
    refusals = []
    for name in (jones, unknown, Topic("family:1"), Topic("control:1"), Topic("\x00"), topic("staff")):
        with pytest.raises(ProtocolError) as refused:
            opening(alice, GLOBAL, name)
        refusals.append((refused.value.code, refused.value.message))

    assert set(refusals) == {("forbidden", refusals[0][1])}


def test_automatic_topics_come_without_asking(alice: User, smith: Topic) -> None:
    assert opening(alice, automatic=True).state.topics.keys() >= {smith, user_topic(alice.pk), GLOBAL}
    assert opening(alice, GLOBAL).state.topics.keys() == {GLOBAL}


def test_a_topic_joined_since_the_cursor_is_replayed_from_the_latest_joining(alice: User, jones: Topic) -> None:
    cursor = newest()
    fill(1, to=[jones])
    join, leave = ("gained", "lost")
    places = []
    for number, what in ((2, join), (3, leave), (4, join)):
        in_transaction(lambda what=what: rights_changed(alice.pk, **{what: [jones]}))
        places.append(newest().position)
        fill(number, to=[jones])
    family = Family.objects.get(pk=jones.partition(":")[2])
    Membership(family=family, user=alice).save_base(raw=True, force_insert=True)  # as told above

    opened = opening(alice, jones, GLOBAL, cursor=cursor)

    assert opened.state.topics == {jones: places[-1], GLOBAL: 0}
    assert opened.seqs[jones] == Event.objects.filter(topic=jones, position__lt=places[-1]).count()


@pytest.mark.parametrize("lost_after", ["the user was read", "the rights were read"])
def test_rights_that_change_while_they_are_read_are_read_again(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch, lost_after: str
) -> None:
    changes = iter([1])

    def lose() -> None:
        for _ in changes:
            in_transaction(lambda: Membership.objects.filter(user=alice).delete())

    def who() -> User:
        user = present(alice)
        if lost_after == "the user was read":
            lose()
        return user

    read = log.heads

    def heads(topics: Any) -> Any:
        if lost_after == "the rights were read":
            lose()
        return read(topics)

    monkeypatch.setattr(log, "heads", heads)

    opened = open_subscriber(who, wanted(automatic=True), None)

    assert smith not in opened.state.topics
    assert opened.state.rights_position == newest().position


def test_rights_that_never_rest_are_a_refusal(alice: User, smith: Topic) -> None:
    def who() -> User:
        in_transaction(lambda: rights_changed(alice.pk, gained=[smith]))
        return present(alice)

    with pytest.raises(ProtocolError) as refused:
        open_subscriber(who, wanted(smith), None)

    assert refused.value.code == "unavailable"
