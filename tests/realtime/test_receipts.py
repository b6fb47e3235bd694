"""What is recorded of an acknowledgement, for whom, and for how long."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import family_topic, user_topic
from realtime import log, receipts
from realtime.metrics import metrics
from realtime.models import Event, Receipt
from realtime.outbox import publish
from realtime.topics import Topic
from tests.realtime.recorder import sequence

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]


def told(*to: Topic, ack: bool = True, about: str = "") -> UUID:
    """Publish one event and give it its place; return its id."""
    with transaction.atomic():
        publish("Notice", {}, to=to, ack=ack, about=about)
    sequence()
    return Event.objects.filter(type="Notice").order_by("-position")[0].event_id


def confirm(user: User, *ids: UUID, client: str = "a phone") -> None:
    receipts.confirm(user, ids, transport="http", client=client)


def recorded() -> list[tuple[UUID, str, str]]:
    return list(Receipt.objects.order_by("pk").values_list("event_id", "user__username", "client"))


def test_each_client_is_recorded_once(alice: User) -> None:
    id = told(user_topic(alice.pk), about="notice:1")

    for client in ("a phone", "a phone", "a page"):
        confirm(alice, id, client=client)

    assert recorded() == [(id, "alice", "a phone"), (id, "alice", "a page")]
    assert {receipt.about for receipt in Receipt.objects.all()} == {"notice:1"}


def test_an_event_on_two_topics_has_one_receipt(alice: User, family: Family) -> None:
    id = told(user_topic(alice.pk), family_topic(family.pk))

    confirm(alice, id)

    assert recorded() == [(id, "alice", "a phone")]


def test_what_is_unknown_wants_none_or_is_not_for_the_user_stores_nothing(
    alice: User, charlie: User, family: Family
) -> None:
    wants_none = told(user_topic(charlie.pk), ack=False)
    of_others, of_a_family = told(user_topic(alice.pk)), told(family_topic(family.pk))

    confirm(charlie, uuid4(), wants_none, of_others, of_a_family)

    assert recorded() == []


def test_who_joined_later_has_nothing_to_confirm_and_who_left_neither(bob: User, charlie: User, family: Family) -> None:
    id = told(family_topic(family.pk))
    Membership.objects.create(family=family, user=charlie, role="member")
    Membership.objects.filter(user=bob).delete()
    sequence()

    confirm(charlie, id)
    confirm(bob, id)

    assert recorded() == []


def test_who_calls_themselves_ever_new_names_fills_no_table(alice: User, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "RECEIPT_CLIENTS": 3}
    id = told(user_topic(alice.pk))

    for number in range(5):
        confirm(alice, id, client=f"client {number}")

    assert [client for *_, client in recorded()] == ["client 0", "client 1", "client 2"]


def test_a_long_name_is_cut(alice: User) -> None:
    id = told(user_topic(alice.pk))

    confirm(alice, id, client="x" * 1000)

    assert recorded() == [(id, "alice", "x" * 200)]


def test_what_is_recorded_is_counted(alice: User) -> None:
    id = told(user_topic(alice.pk))
    counter = metrics.acknowledged.labels("http")
    before = counter._value.get()

    confirm(alice, id)
    confirm(alice, id)

    assert counter._value.get() - before == 1


def test_receipts_go_when_they_are_old_and_their_event_is_gone(alice: User, settings: Settings) -> None:
    kept, gone, young = (told(user_topic(alice.pk)) for _ in range(3))
    confirm(alice, kept, gone, young)
    Receipt.objects.exclude(event_id=young).update(acked_at=timezone.now() - timedelta(days=400))
    Event.objects.filter(event_id__in=[gone, young]).delete()

    settings.REALTIME = {**settings.REALTIME, "PRUNE_BATCH": 1}
    pruned = receipts.prune()

    assert pruned == 1
    assert {id for id, *_ in recorded()} == {kept, young}


def test_the_database_and_memory_agree_on_what_is_open(alice: User, bob: User) -> None:
    mine, other = user_topic(alice.pk), user_topic(bob.pk)
    for topics, ack, about in (
        ([mine, other], True, "a"),
        ([mine], True, "a"),
        ([mine], True, ""),
        ([other], True, "b"),
        ([other], False, "b"),
        ([mine], False, "c"),
        ([mine], True, "c"),
    ):
        told(*topics, ack=ack, about=about)

    loaded = receipts.load(log.head())
    followed = receipts.load(log.Head("", 0, 0, 0))
    followed.take(log.read(0).entries)

    assert (loaded._topics, loaded._newest) == (followed._topics, followed._newest)
    assert [want.about for want in loaded.on([mine, other], 0, 100)] == ["a", "a", "", "c"]
