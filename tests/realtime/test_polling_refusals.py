"""Polls that are refused, on a real server: why, and when to come back."""

from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.test import Client
from rest_framework.throttling import UserRateThrottle

from accounts.sessions import sign_out
from accounts.topics import family_topic
from tests.realtime.conftest import bearer

NOWHERE = "family:00000000-0000-0000-0000-000000000000"


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


def test_a_poll_too_many_is_told_when_to_come_back(http, alice, bob, settings, monkeypatch):
    def at(second):
        monkeypatch.setattr(UserRateThrottle, "timer", staticmethod(lambda: 600_000.0 + second))

    def poll(user):
        return http.get("/api/v1/events", headers=bearer(user))

    at(0)
    most = int(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["user"].removesuffix("/min"))
    for _ in range(most - 1):
        assert UserRateThrottle().allow_request(SimpleNamespace(user=alice), None)
    at(47.7)

    last, refused, others = poll(alice), poll(alice), poll(bob)
    at(60)
    later = poll(alice)

    assert (last.status_code, others.status_code, later.status_code) == (200, 200, 200)
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
