"""What operators run and see: pruning, a new epoch, the log in the admin."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from realtime import log
from realtime.models import Event, LogHead, SpentTicket
from tests.realtime.conftest import tell, until_sequenced

pytestmark = pytest.mark.django_db(transaction=True)


def run(*command, **options):
    printed = StringIO()
    call_command(*command, stdout=printed, **options)
    return printed.getvalue()


def test_pruning_drops_what_is_older_than_the_retention_and_raises_the_floor(alice):
    for n in range(3):
        tell(alice, n=n)
    until_sequenced()
    newest = log.head().position
    old = timezone.now() - timedelta(days=8)
    Event.objects.filter(position__lt=newest).update(timestamp=old)
    SpentTicket.objects.create(jti="old", expires_at=old)

    printed = run("prune_events")

    head = log.head()
    assert printed == "pruned 1 events, 0 receipts and 1 tickets\n"
    assert (head.position, head.floor) == (newest, newest - 1)
    assert sorted(Event.objects.values_list("position", flat=True)) == [newest - 1, newest]


def test_pruning_to_a_given_age(alice):
    for n in range(3):
        tell(alice, n=n)
    until_sequenced()

    assert run("prune_events", "--older-than", "3600") == "pruned 0 events, 0 receipts and 0 tickets\n"
    assert run("prune_events", "--older-than", "0") == "pruned 2 events, 0 receipts and 0 tickets\n"


def test_pruning_an_empty_log_is_no_error():
    LogHead.objects.all().delete()

    assert run("prune_events") == "pruned 0 events, 0 receipts and 0 tickets\n"


@pytest.mark.parametrize("age", ["-1", "nan", "1e20"])
def test_an_age_that_is_none_is_refused(age):
    with pytest.raises(CommandError):
        run("prune_events", f"--older-than={age}")


def test_a_new_epoch_keeps_the_events_and_changes_every_cursor(alice):
    tell(alice, n=1)
    until_sequenced()
    before = log.head()

    printed = run("new_epoch")

    after = log.head()
    assert printed == f"epoch {after.epoch}\n"
    assert after.epoch != before.epoch
    assert after.position == before.position


@pytest.mark.parametrize("model", ["event", "outgoing", "topichead", "loghead"])
def test_staff_look_at_the_log_and_change_nothing(client, admin, alice, model):
    tell(alice, n=1)
    until_sequenced()
    client.force_login(admin)

    seen = client.get(f"/admin/realtime/{model}/")
    added = client.get(f"/admin/realtime/{model}/add/")

    assert (seen.status_code, added.status_code) == (200, 403)
    assert b'name="action"' not in seen.content


def test_an_event_in_the_admin_can_be_seen_and_neither_changed_nor_deleted(client, admin, alice):
    tell(alice, n=1)
    until_sequenced()
    client.force_login(admin)
    position = Event.objects.values_list("position", flat=True).latest("position")

    seen = client.get(f"/admin/realtime/event/{position}/change/")
    changed = client.post(f"/admin/realtime/event/{position}/change/", {"type": "Other"})
    deleted = client.post(f"/admin/realtime/event/{position}/delete/", {"post": "yes"})

    assert (seen.status_code, changed.status_code, deleted.status_code) == (200, 403, 403)
    assert Event.objects.get(position=position).type == "Note"
