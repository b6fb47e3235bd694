"""Polls, on a real server: what came after a cursor, for whom, and what becomes of one that is worth nothing."""

from itertools import islice

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Membership
from accounts.topics import family_topic, user_topic
from realtime import log, pruning
from realtime.outbox import publish
from realtime.transports import polling
from tests.realtime.conftest import place_of, tell, until_sequenced
from tests.realtime.recorder import restore


def seqs(answer):
    return [event["seq"] for event in answer["events"]]


def test_without_a_cursor_a_poll_tells_the_present_place_and_no_events(poll, alice):
    tell(alice, n=1)
    until_sequenced()

    answer = poll(alice)

    assert answer | {"cursor": place_of(answer["cursor"])} == {
        "events": [],
        "cursor": log.present_cursor(),
        "has_more": False,
        "reset": [],
        "poll_interval_ms": 5000,
    }


def test_a_poll_brings_what_came_after_its_cursor_in_the_envelope_of_every_transport(poll, alice):
    place = poll(alice)["cursor"]
    tell(alice, n=7)
    until_sequenced()

    answer = poll(alice, cursor=place)

    (event,) = answer["events"]
    assert list(event) == ["type", "topic", "seq", "cursor", "id", "timestamp", "replayed", "data"]
    assert (event["type"], event["topic"], event["seq"]) == ("Note", user_topic(alice.pk), 1)
    assert (event["data"], event["replayed"]) == ({"n": 7}, True)
    assert event["cursor"] == answer["cursor"]
    assert place_of(event["cursor"]) == log.present_cursor()
    assert poll(alice, cursor=answer["cursor"])["events"] == []


def test_many_events_come_in_answers_of_the_limit_none_missing_none_twice(poll, alice, bob):
    cursor = poll(alice)["cursor"]
    for n in range(7):
        tell(alice, n=n)
        tell(bob, n=n)
    until_sequenced()

    answers = []
    while not answers or answers[-1]["has_more"]:
        answers.append(poll(alice, cursor=cursor, limit=3))
        cursor = answers[-1]["cursor"]

    assert [seqs(answer) for answer in answers] == [[1, 2, 3], [4, 5, 6], [7]]
    assert [answer["poll_interval_ms"] for answer in answers] == [0, 0, 1000]
    assert place_of(cursor) == log.present_cursor()


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_the_size_of_a_page_of_the_log_makes_no_difference(poll, alice, settings, page):
    settings.REALTIME = {**settings.REALTIME, "PAGE": page}
    cursor = poll(alice)["cursor"]
    for n in range(3):
        tell(alice, n=n)
    until_sequenced()

    whole, part = poll(alice, cursor=cursor), poll(alice, cursor=cursor, limit=2)

    assert (seqs(whole), whole["has_more"]) == ([1, 2, 3], False)
    assert (seqs(part), part["has_more"]) == ([1, 2], True)


def test_others_events_move_the_cursor_and_are_not_shown(poll, alice, bob):
    cursor = poll(alice)["cursor"]
    tell(bob, n=1)
    until_sequenced()

    answer = poll(alice, cursor=cursor)

    assert (answer["events"], place_of(answer["cursor"])) == ([], log.present_cursor())


def test_topics_are_added_and_the_automatic_ones_skipped(poll, alice, family):
    until_sequenced()
    start = poll(alice)["cursor"]
    tell(alice, n=1)
    say(family, "hello")
    until_sequenced()

    automatic = poll(alice, cursor=start)
    named = poll(alice, cursor=start, topics=family_topic(family.pk), auto="0")

    assert [event["data"] for event in automatic["events"]] == [{"n": 1}, {"text": "hello"}]
    assert [event["data"] for event in named["events"]] == [{"text": "hello"}]


def test_a_stream_goes_on_where_a_poll_ended_and_a_poll_where_a_stream_ended(poll, open_stream, alice):
    start = poll(alice)["cursor"]
    tell(alice, n=1)
    until_sequenced()
    polled = poll(alice, cursor=start)
    stream = open_stream(alice, cursor=polled["cursor"])
    tell(alice, n=2)
    streamed = stream.next("Note")
    tell(alice, n=3)
    until_sequenced()

    again = poll(alice, cursor=streamed.id)

    assert (seqs(polled), streamed.data["seq"], seqs(again)) == ([1], 2, [3])


# --- rights ---------------------------------------------------------------------------------------


def test_what_was_lost_is_not_polled_and_a_joining_brings_what_came_after_it(poll, family, charlie):
    start = poll(charlie)["cursor"]
    membership = Membership.objects.create(family=family, user=charlie, role="viewer")
    say(family, "while a member")
    membership.delete()
    say(family, "after leaving")
    until_sequenced()
    outside = poll(charlie, cursor=start)
    Membership.objects.create(family=family, user=charlie, role="member")
    say(family, "after joining again")
    until_sequenced()

    inside = poll(charlie, cursor=start)

    assert said(outside) == []
    assert said(inside) == ["after joining again"]


def say(family, text):
    with transaction.atomic():
        publish("Note", {"text": text}, to=[family_topic(family.pk)])


def said(answer):
    return [event["data"]["text"] for event in answer["events"] if event["type"] == "Note"]


# --- a place that is worth nothing ----------------------------------------------------------------


def test_a_cursor_of_another_history_is_reset(poll, alice):
    tell(alice, n=1)
    until_sequenced()
    place = log.present_cursor()
    log.new_epoch()

    answer = poll(alice, cursor=place)

    (reset,) = answer["reset"]
    assert (answer["events"], answer["has_more"]) == ([], False)
    assert reset["type"] == "Reset"
    assert reset["data"]["reason"] == "epoch"
    assert reset["data"]["cursor"] == answer["cursor"] == log.present_cursor()
    assert reset["data"]["topics"] == {"global": 0, user_topic(alice.pk): 1}
    assert poll(alice, cursor=answer["cursor"])["reset"] == []


def test_a_cursor_beyond_the_log_and_one_older_than_what_is_kept_are_reset(poll, alice):
    start = poll(alice)["cursor"]
    for n in range(2):
        tell(alice, n=n)
    until_sequenced()
    pruning.prune(timezone.now())

    assert poll(alice, cursor=start)["reset"][0]["data"]["reason"] == "trimmed"
    assert poll(alice, cursor=f"{log.head().epoch}-99-0000")["reset"][0]["data"]["reason"] == "ahead"


def test_a_replay_that_would_be_too_long_is_reset(poll, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "MAX_REPLAY": 2}
    start = poll(alice)["cursor"]
    for n in range(3):
        tell(alice, n=n)
    until_sequenced()

    assert poll(alice, cursor=start)["reset"][0]["data"]["reason"] == "trimmed"


@pytest.mark.parametrize("limit", [4, 100])
@pytest.mark.parametrize("pages_before", [0, 1, 2])
def test_a_poll_in_which_the_log_is_restored_under_its_old_name_is_a_reset(
    poll, alice, settings, monkeypatch, pages_before, limit
):
    """A dump is put back while the poll is answered, and the log grows past its old end under the name it had."""
    settings.REALTIME = {**settings.REALTIME, "PAGE": 2}
    begin, cursor = log.head(), poll(alice)["cursor"]
    tell_all(alice, range(1, 7))
    until_sequenced()
    pages = polling.pages

    def pages_of_two_histories(state, head):
        whole = pages(state, head)
        yield from islice(whole, pages_before)
        restore(begin.position)
        tell_all(alice, range(11, 18))
        yield from whole

    monkeypatch.setattr(polling, "pages", pages_of_two_histories)
    answer = poll(alice, cursor=cursor, limit=limit)

    assert [reset["data"]["reason"] for reset in answer["reset"]] == ["epoch"]
    assert (answer["events"], place_of(answer["cursor"])) == ([], log.present_cursor())


def test_a_poll_that_gives_again_while_the_log_is_restored_is_a_reset(poll, alice, monkeypatch):
    begin = log.head()
    tell(alice, ack=True, n=1)
    until_sequenced()
    due = polling.due

    def due_in_another_history(*args):
        restore(begin.position)
        tell_all(alice, [2], ack=True)
        return due(*args)

    monkeypatch.setattr(polling, "due", due_in_another_history)
    answer = poll(alice)

    assert [reset["data"]["reason"] for reset in answer["reset"]] == ["epoch"]
    assert (answer["events"], place_of(answer["cursor"])) == ([], log.present_cursor())


def tell_all(user, numbers, **options):
    """Publish, and give all of it its place."""
    for n in numbers:
        tell(user, n=n, **options)
    while log.sequence():
        pass
