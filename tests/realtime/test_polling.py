"""Polls, acknowledgements, snapshots and tickets, on a real server."""

import json
from dataclasses import replace
from itertools import islice
from uuid import UUID

import pytest
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Membership
from accounts.sessions import sign_out
from accounts.topics import family_topic, user_topic
from realtime import log, tickets
from realtime.models import Receipt, SpentTicket
from realtime.outbox import publish
from realtime.protocol.cursor import Cursor
from realtime.transports import polling
from tests.realtime.conftest import bearer, tell, until_sequenced
from tests.realtime.recorder import restore

NOWHERE = "family:00000000-0000-0000-0000-000000000000"


@pytest.fixture
def poll(http):
    """``poll(alice, cursor=…)``: the answer's JSON."""

    def ask(user, **query):
        answer = http.get("/api/v1/events", params=query, headers=bearer(user))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.fixture
def refusal(http):
    """``refusal("/api/v1/events", alice, cursor="x")``: status and code."""

    def ask(path, user=None, headers=None, **query):
        headers = {**(bearer(user) if user else {}), **(headers or {})}
        answer = http.get(path, params=query, headers=headers)
        return answer.status_code, answer.json()["code"]

    return ask


def place_of(cursor):
    """The place that a poll's cursor names, as any transport would say it."""
    return replace(Cursor.parse(cursor), line=None).encode()


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


def test_forbidden_unknown_and_malformed_topics_answer_alike(http, alice, other_family):
    answers = {
        (answer.status_code, answer.content)
        for topic in (family_topic(other_family.pk), NOWHERE, "family:x", "FAMILY:" + NOWHERE[7:], "staff", "staff\n")
        for answer in [http.get("/api/v1/events", params={"topics": topic}, headers=bearer(alice))]
    }

    assert {status for status, _ in answers} == {403}
    assert len(answers) == 1


def test_after_a_sign_out_the_next_poll_is_refused(refusal, http, alice):
    headers = bearer(alice)
    assert http.get("/api/v1/events", headers=headers).status_code == 200

    sign_out(alice.pk)

    assert refusal("/api/v1/events", headers=headers) == (401, "unauthenticated")


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
    log.prune(timezone.now())

    assert poll(alice, cursor=start)["reset"][0]["data"]["reason"] == "trimmed"
    assert poll(alice, cursor=f"{log.head().epoch}-99-0000")["reset"][0]["data"]["reason"] == "ahead"


def test_a_replay_that_would_be_too_long_is_reset(poll, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "MAX_REPLAY": 2}
    start = poll(alice)["cursor"]
    for n in range(3):
        tell(alice, n=n)
    until_sequenced()

    assert poll(alice, cursor=start)["reset"][0]["data"]["reason"] == "trimmed"


# --- refusals -------------------------------------------------------------------------------------


def test_refusals_are_those_of_the_transports(refusal, alice):
    strange = {"Origin": "https://evil.example.org"}

    assert refusal("/api/v1/events") == (401, "unauthenticated")
    assert refusal("/api/v1/events", alice, cursor="x") == (400, "bad_message")
    assert refusal("/api/v1/events", alice, headers=strange) == (403, "forbidden")
    assert refusal("/api/v1/events", alice, topics=",".join(map(str, range(200)))) == (403, "too_many_subscriptions")
    assert refusal("/api/v1/snapshot", alice, resource="nothing") == (404, "unknown_resource")
    assert refusal("/api/v1/snapshot", alice) == (404, "unknown_resource")


def test_a_database_that_fails_is_a_matter_of_waiting(http, alice, monkeypatch):
    def fail(*args):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("realtime.transports.polling.open_subscriber", fail)

    refused = http.get("/api/v1/events", headers=bearer(alice))

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["retry-after"] == "2"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "1.5", "²", "99999999999999999999x"])
def test_a_limit_is_a_number(refusal, alice, limit):
    assert refusal("/api/v1/events", alice, limit=limit) == (400, "invalid_data")


def test_a_poll_too_many_is_told_when_to_come_back(http, alice, settings, monkeypatch):
    monkeypatch.setattr("rest_framework.throttling.UserRateThrottle.allow_request", lambda *args: False)
    monkeypatch.setattr("rest_framework.throttling.UserRateThrottle.wait", lambda *args: 12.3)

    refused = http.get("/api/v1/events", headers=bearer(alice))

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "13"


def test_a_page_of_ours_polls_with_its_session_and_needs_its_csrf_token_to_write(http, alice):
    browser = Client()
    browser.force_login(alice)
    cookies = f"sessionid={browser.cookies['sessionid'].value}; csrftoken={'a' * 32}"
    page = {"Cookie": cookies, "Sec-Fetch-Site": "same-origin"}

    read = http.get("/api/v1/events", headers=page)
    forged = http.post("/api/v1/realtime/tickets", headers=page)
    written = http.post("/api/v1/realtime/tickets", headers={**page, "X-CSRFToken": "a" * 32})

    assert (read.status_code, forged.status_code, written.status_code) == (200, 403, 200)
    assert forged.json()["code"] == "forbidden"


# --- what was not acknowledged --------------------------------------------------------------------


def numbers(answer):
    """Each event of an answer by its number, and whether it brings a cursor."""
    return [(event["data"]["n"], "cursor" in event) for event in answer["events"]]


def want_acks(alice, *numbers):
    for n in numbers:
        tell(alice, ack=True, n=n)
    until_sequenced()


def test_a_poll_that_begins_is_given_again_what_was_not_acknowledged_and_the_next_ones_are_not(poll, alice):
    want_acks(alice, 1, 2)

    first = poll(alice)
    second = poll(alice, cursor=first["cursor"])
    third = poll(alice, cursor=second["cursor"])

    assert numbers(first) == [(1, False), (2, False)]
    assert all(event["ack"] and event["replayed"] for event in first["events"])
    assert (second["events"], third["events"]) == ([], [])


@pytest.mark.parametrize("of_event", [False, True])
def test_a_line_goes_on_with_the_cursor_of_an_answer_and_of_each_event_in_it(poll, alice, of_event):
    start = poll(alice)["cursor"]
    want_acks(alice, 1, 2)
    answer = poll(alice, cursor=start)
    place = answer["events"][0] if of_event else answer

    rest = poll(alice, cursor=place["cursor"])

    assert numbers(answer) == [(1, True), (2, True)]
    assert numbers(rest) == ([(2, True)] if of_event else [])


def test_a_cursor_of_another_transport_begins_a_line(poll, alice):
    want_acks(alice, 1)
    place = log.present_cursor()
    want_acks(alice, 2)

    answer = poll(alice, cursor=place)

    assert numbers(answer) == [(1, False), (2, True)]
    assert poll(alice, cursor=answer["cursor"])["events"] == []


def test_who_stays_away_for_longer_than_a_line_lasts_begins_another(poll, alice, monkeypatch):
    want_acks(alice, 1)
    cursor = poll(alice)["cursor"]
    answered = Cursor.parse(cursor).line.at
    monkeypatch.setattr("realtime.transports.query.now", lambda: answered + 119)
    soon = poll(alice, cursor=cursor)
    monkeypatch.setattr("realtime.transports.query.now", lambda: answered + 120)
    later = poll(alice, cursor=cursor)

    assert (numbers(soon), numbers(later)) == ([], [(1, False)])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_with_a_limit_what_is_given_again_comes_in_several_answers_before_what_was_missed(poll, alice, limit):
    want_acks(alice, 1, 2, 3)
    cursor = log.present_cursor()
    want_acks(alice, 4, 5)

    answers = []
    while not answers or answers[-1]["has_more"]:
        answers.append(poll(alice, cursor=cursor, limit=limit))
        cursor = answers[-1]["cursor"]

    assert [each for answer in answers for each in numbers(answer)] == [
        *((n, False) for n in (1, 2, 3)),
        *((n, True) for n in (4, 5)),
    ]
    assert all(len(answer["events"]) <= limit for answer in answers)
    assert len(answers) <= 5 // limit + 2
    assert place_of(cursor) == log.present_cursor()
    assert poll(alice, cursor=cursor)["events"] == []


def test_a_poll_gives_again_nothing_that_was_acknowledged(http, poll, alice):
    want_acks(alice, 1, 2)
    id = poll(alice)["events"][0]["id"]

    assert acknowledge(http, alice, f'{{"message_ids": ["{id}"]}}').status_code == 204

    assert numbers(poll(alice)) == [(2, False)]


# --- acknowledgements, tickets, snapshots ---------------------------------------------------------


def acknowledge(http, user, body):
    return http.post("/api/v1/events/ack", content=body, headers=bearer(user))


def test_an_acknowledgement_is_recorded_once_for_what_wanted_one(http, poll, alice):
    start = poll(alice)["cursor"]
    tell(alice, ack=True, n=1)
    tell(alice, n=2)
    until_sequenced()
    ids = [event["id"] for event in poll(alice, cursor=start)["events"]]
    unknown = "01890000-0000-7000-8000-000000000000"
    body = f'{{"message_ids": ["{ids[0]}", "{ids[1]}", "{unknown}"]}}'

    first, second = acknowledge(http, alice, body), acknowledge(http, alice, body)

    assert (first.status_code, second.status_code, first.content) == (204, 204, b"")
    receipt = Receipt.objects.get()
    assert (str(receipt.event_id), receipt.user, receipt.transport) == (ids[0], alice, "http")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b'{"message_ids": [], "message_ids": []}', "bad_json"),
        (b"[" * 100_000, "message_too_big"),
        (b"[" * 1000 + b"]" * 1000, "bad_json"),
        (b"[]", "invalid_data"),
        (b"{}", "invalid_data"),
        (b'{"message_ids": ["x"]}', "invalid_data"),
        (json.dumps({"message_ids": [str(UUID(int=n)) for n in range(1001)]}).encode(), "invalid_data"),
        (b'{"message_ids": [], "more": 1}', "invalid_data"),
    ],
)
def test_an_acknowledgement_that_makes_no_sense_is_refused(http, alice, body, code):
    refused = acknowledge(http, alice, body)

    assert refused.json()["code"] == code
    assert 400 <= refused.status_code < 500


def test_a_ticket_opens_one_connection_and_no_other_ticket(http, open_stream, alice):
    bought = http.post("/api/v1/realtime/tickets", headers=bearer(alice))
    ticket = bought.json()["ticket"]

    stream = open_stream(ticket=ticket)
    other = tickets.issue(alice, expires_at=None, claims={})
    refused = http.post("/api/v1/realtime/tickets", params={"ticket": other})

    assert bought.json()["expires_in"] == 30
    assert bought.headers["cache-control"] == "no-store"
    assert stream.next("Connected").data["data"]["user_id"] == str(alice.pk)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_a_poll_may_be_made_with_a_ticket_or_a_token_in_the_query(http, alice):
    ticket = tickets.issue(alice, expires_at=None, claims={})

    assert http.get("/api/v1/events", params={"ticket": ticket}).status_code == 200
    assert http.get("/api/v1/events", params={"token": str(AccessToken.for_user(alice))}).status_code == 200
    assert SpentTicket.objects.count() == 1


def test_a_snapshot_carries_a_cursor_from_before_its_rows(http, alice, family):
    until_sequenced()
    place = log.present_cursor()

    answer = http.get("/api/v1/snapshot", params={"resource": "credit_balance"}, headers=bearer(alice))

    assert answer.json() | {"result": None} == {
        "resource": "credit_balance",
        "params": {},
        "result": None,
        "cursor": place,
    }
    assert answer.headers["x-cursor"] == place


def test_a_credential_in_the_query_is_no_param_of_a_resource(http, alice):
    token = str(AccessToken.for_user(alice))

    answer = http.get("/api/v1/snapshot", params={"resource": "credit_balance", "token": token})

    assert (answer.status_code, answer.json()["params"]) == (200, {})
    assert token not in answer.text


def test_the_params_of_a_snapshot_are_checked(refusal, alice):
    assert refusal("/api/v1/snapshot", alice, resource="account_balance") == (400, "invalid_data")
    assert refusal("/api/v1/snapshot", alice, resource="credit_balance", colour="blue") == (400, "invalid_data")


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
