from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Family, User
from accounts.topics import user_topic
from ledger.errors import LedgerError
from ledger.models import Notification
from ledger.services import notices
from realtime import log, receipts
from realtime.models import Outgoing
from realtime.protocol.entry import Entry
from tests.ledger.conftest import Told
from tests.realtime.recorder import sequence


def test_a_notice_reaches_its_user_its_family_or_everyone(
    alice: User, family: Family, told: Callable[..., list[Told]]
) -> None:
    told()

    for audience in ({"user": alice}, {"family": family}, {}):
        notices.send("Hello", "There", level="warning", **audience)  # type: ignore[arg-type]

    events = told()
    assert [each.topics for each in events] == [{f"user:{alice.pk}"}, {f"family:{family.pk}"}, {"global"}]
    assert {(each.type, each.data["level"], each.data["title"], each.data["message"]) for each in events} == {
        ("Notification", "warning", "Hello", "There")
    }


def test_a_notice_wants_to_be_acknowledged_until_it_expires(alice: User) -> None:
    expires = timezone.now() + timedelta(hours=1)
    Outgoing.objects.all().delete()

    notices.send("Soon over", user=alice, expires_at=expires)

    row = Outgoing.objects.get()
    assert (row.ack, row.expires) == (True, expires)


def test_a_notice_taken_back_is_told_and_wants_no_acknowledgement(alice: User) -> None:
    notice = notices.send("Wrong", user=alice)
    Outgoing.objects.all().delete()

    notice.delete()

    row = Outgoing.objects.get()
    assert (row.ack, '"action":"deleted"' in row.data) == (False, True)


def test_a_notice_addressed_anew_is_taken_back_from_whom_it_was_for(
    alice: User, bob: User, told: Callable[..., list[Told]]
) -> None:
    notice = notices.send("For alice", user=bob)
    told()

    Notification.objects.filter(pk=notice.pk).update(user=alice, title="Dear alice")

    assert [(each.data["action"], each.data["title"], each.topics) for each in told()] == [
        ("deleted", "For alice", {f"user:{bob.pk}"}),
        ("created", "Dear alice", {f"user:{alice.pk}"}),
    ]


@pytest.mark.django_db(transaction=True)
def test_who_a_notice_is_no_longer_for_is_not_given_it_again(
    alice: User, bob: User, family: Family, sleeping_relay: None
) -> None:
    notice = notices.send("For alice", user=bob)
    sequence()
    assert len(due(bob)) == 1

    notice.user = alice
    notice.save()
    sequence()

    assert (due(bob), len(due(alice))) == ([], 1)


def due(user: User) -> list[Entry]:
    return receipts.due(user.pk, [user_topic(user.pk)], 0, log.head().position, limit=10).entries


def test_a_notice_goes_to_a_user_or_to_a_family(alice: User, family: Family) -> None:
    with pytest.raises(LedgerError, match="send two"):
        notices.send("Hello", user=alice, family=family)
    with pytest.raises(LedgerError, match="no level"):
        notices.send("Hello", level="loud")

    assert Notification.objects.count() == 0
