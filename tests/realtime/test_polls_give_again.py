"""What was not acknowledged is given again by the poll that begins a line, and by none that goes on with it."""

import pytest

from realtime import log
from realtime.protocol.cursor import Cursor
from tests.realtime.conftest import acknowledge, place_of, tell, until_sequenced


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
