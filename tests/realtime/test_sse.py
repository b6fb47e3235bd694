"""Streams, on a real server: what comes first, what follows, what ends them."""

from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Membership
from accounts.sessions import sign_out
from accounts.topics import family_topic, user_topic
from realtime import log, pruning
from realtime.outbox import publish
from tests.realtime.conftest import tell, until_sequenced, wait_until
from tests.realtime.stream import notes, streams_open

pytestmark = pytest.mark.once


def test_a_stream_begins_with_retry_and_connected(open_stream, alice, family):
    stream = open_stream(alice)

    retry, connected = stream.next(), stream.next()

    assert stream.response.headers["content-type"] == "text/event-stream"
    assert stream.response.headers["cache-control"] == "no-cache, no-transform"
    assert retry.retry == "2000"
    assert connected.type == connected.data["type"] == "Connected"
    assert connected.id == connected.data["data"]["cursor"] == log.present_cursor()
    assert connected.data["data"]["user_id"] == str(alice.pk)
    assert set(connected.data["data"]["topics"]) == {family_topic(family.pk), user_topic(alice.pk), "global"}


def test_events_come_in_order_each_with_its_cursor_as_id(open_stream, alice):
    stream = open_stream(alice)
    stream.next("Connected")

    for n in range(3):
        tell(alice, n=n)

    events = [stream.next("Note") for _ in range(3)]
    assert [(event.data["seq"], event.data["data"]["n"]) for event in events] == [(1, 0), (2, 1), (3, 2)]
    assert [event.id for event in events] == [event.data["cursor"] for event in events]
    assert [event.data.get("replayed", False) for event in events] == [False, False, False]
    assert events[-1].id == log.present_cursor()


@pytest.mark.parametrize("by", ["Last-Event-ID", "cursor"])
def test_a_client_that_comes_back_gets_what_it_missed_and_then_what_comes(open_stream, alice, by):
    first = open_stream(alice)
    first.next("Connected")
    tell(alice, n=1)
    place = first.next("Note").id
    first.close()
    tell(alice, n=2)
    tell(alice, n=3)
    until_sequenced()

    back = open_stream(alice, **({"cursor": place} if by == "cursor" else {"headers": {by: place}}))
    connected = back.next("Connected")
    missed = [back.next("Note"), back.next("Note")]
    tell(alice, n=4)
    live = back.next("Note")

    assert connected.data["data"]["topics"][user_topic(alice.pk)] == 1
    assert [(event.data["seq"], event.data["replayed"]) for event in missed] == [(2, True), (3, True)]
    assert (live.data["seq"], live.data.get("replayed")) == (4, None)


def test_last_event_id_wins_over_the_cursor(open_stream, alice):
    old = log.present_cursor()
    tell(alice, n=1)
    until_sequenced()
    new = log.present_cursor()
    tell(alice, n=2)

    stream = open_stream(alice, cursor=old, headers={"Last-Event-ID": new})

    assert notes(stream, 1) == [2]


def test_topics_are_added_and_the_automatic_ones_skipped(open_stream, admin):
    only_staff = open_stream(admin, topics="staff", auto="0").next("Connected")
    beside = open_stream(admin, topics="staff").next("Connected")

    assert set(only_staff.data["data"]["topics"]) == {"staff"}
    assert set(beside.data["data"]["topics"]) == {"staff", "global", user_topic(admin.pk)}


def test_the_credit_stream_is_the_users_own_topic_whatever_is_asked_for(open_stream, alice, family):
    stream = open_stream(alice, "/api/credits/sse", topics=family_topic(family.pk))

    assert set(stream.next("Connected").data["data"]["topics"]) == {user_topic(alice.pk)}


# --- while it is open -----------------------------------------------------------------------------


def test_a_quiet_stream_keeps_its_cursor_fresh(open_stream, alice, bob, realtime_settings):
    realtime_settings(SSE_KEEPALIVE=0.1, HEARTBEAT_INTERVAL=0.4)
    stream = open_stream(alice)
    stream.next("Connected")

    tell(bob, n=1)
    until_sequenced()

    here = log.present_cursor()
    keepalive = next(chunk for chunk in stream if chunk.id == here)
    assert (keepalive.type, keepalive.data) == (None, None)


def test_a_family_that_is_joined_is_taken_up_and_one_that_is_left_is_given_up(open_stream, family, charlie):
    stream = open_stream(charlie)
    stream.next("Connected")

    membership = Membership.objects.create(family=family, user=charlie, role="member")
    subscribed = stream.next("Subscribed")
    membership.delete()
    unsubscribed = stream.next("Unsubscribed")

    assert subscribed.data["data"]["topic"] == family_topic(family.pk)
    assert unsubscribed.data["data"] == {"topic": family_topic(family.pk), "reason": "revoked"}


def test_a_sign_out_ends_the_stream_for_good(open_stream, alice):
    stream = open_stream(alice)
    stream.next("Connected")

    sign_out(alice.pk)

    assert stream.next("Close").data == {
        "code": 4503,
        "message": "You have been signed out, or access has been taken away.",
        "retry_after": None,
    }
    assert list(stream) == []


def test_the_end_of_its_only_topic_ends_the_stream(open_stream, family, bob):
    stream = open_stream(bob, topics=family_topic(family.pk), auto="0")
    stream.next("Connected")

    Membership.objects.get(user=bob).delete()

    assert stream.next("Unsubscribed").data["data"]["reason"] == "revoked"
    assert stream.next("Close").data["code"] == 4503


def test_the_end_of_its_token_ends_the_stream(open_stream, alice):
    token = AccessToken.for_user(alice)
    token.set_exp(lifetime=timedelta(seconds=2))

    stream = open_stream(token=str(token))

    assert stream.next("Close").data["code"] == 4401


def test_a_ticket_lends_no_longer_life_than_what_bought_it(http, open_stream, alice):
    token = AccessToken.for_user(alice)
    token.set_exp(lifetime=timedelta(seconds=2))
    bought = http.post("/api/v1/realtime/tickets", headers={"Authorization": f"Bearer {token}"})

    stream = open_stream(ticket=bought.json()["ticket"])

    assert stream.next("Close").data["code"] == 4401


def test_the_end_of_the_server_ends_the_stream_and_says_to_come_back(running_server, open_stream, alice):
    stream = open_stream(alice)
    stream.next("Connected")

    running_server.stop()

    assert stream.next("Close").data["code"] == 1012


def test_a_database_that_fails_at_the_start_is_a_matter_of_waiting(open_stream, alice, monkeypatch):
    monkeypatch.setattr("realtime.transports.seated.admit", fail)

    refused = open_stream(alice)

    assert (refused.status, refused.body()["code"]) == (503, "unavailable")
    assert refused.response.headers["retry-after"] == "2"


def test_a_database_that_fails_during_a_replay_is_a_matter_of_coming_back(open_stream, alice, monkeypatch):
    monkeypatch.setattr("realtime.transports.connection.replay", fail)

    assert open_stream(alice).next("Close").data["code"] == 1012


def fail(*args):
    raise OperationalError("the connection is lost")


def test_a_client_that_leaves_is_noticed(open_stream, alice):
    stream = open_stream(alice)
    stream.next("Connected")
    wait_until(lambda: streams_open() == 1)

    stream.close()

    wait_until(lambda: streams_open() == 0)


# --- a place that is worth nothing ----------------------------------------------------------------


def reset_of(stream):
    stream.next("Connected")
    reset = stream.next("Reset")
    assert reset.id == reset.data["data"]["cursor"] == log.present_cursor()
    return reset.data["data"]


def test_a_cursor_of_another_history_is_reset(open_stream, alice):
    tell(alice, n=1)
    until_sequenced()
    place = log.present_cursor()
    log.new_epoch()

    reset = reset_of(open_stream(alice, cursor=place))

    assert (reset["reason"], reset["topics"][user_topic(alice.pk)]) == ("epoch", 1)


def test_a_cursor_beyond_the_log_is_reset(open_stream, alice):
    epoch = log.head().epoch

    assert reset_of(open_stream(alice, cursor=f"{epoch}-7-0000"))["reason"] == "ahead"


def test_a_cursor_older_than_what_is_kept_is_reset_and_the_stream_goes_on(open_stream, alice):
    place = log.present_cursor()
    for n in range(3):
        tell(alice, n=n)
    until_sequenced()
    pruning.prune(timezone.now())

    stream = open_stream(alice, cursor=place)
    reset = reset_of(stream)
    tell(alice, n=3)

    assert reset["reason"] == "trimmed"
    assert notes(stream, 1) == [3]


def test_a_new_epoch_reaches_open_streams(open_stream, alice):
    stream = open_stream(alice)
    stream.next("Connected")

    log.new_epoch()

    assert stream.next("Reset").data["data"]["reason"] == "epoch"


def test_an_event_of_many_bytes_and_lines_arrives_whole(open_stream, alice):
    stream = open_stream(alice)
    stream.next("Connected")
    text = "data: one\nid: 7\r\n\nevent: Close\u2028" + "x" * 300_000

    with transaction.atomic():
        publish("Note", {"n": 1, "text": text}, to=[user_topic(alice.pk)])

    event = stream.next("Note")
    assert event.data["data"]["text"] == text
    assert event.id == event.data["cursor"]
