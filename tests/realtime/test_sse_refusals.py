"""Streams that are refused, on a real server, and which pages may open one."""

from datetime import timedelta

import pytest
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.topics import family_topic
from realtime import tickets
from tests.realtime.conftest import bearer

pytestmark = pytest.mark.once

NOWHERE = "family:00000000-0000-0000-0000-000000000000"


# --- refusals -------------------------------------------------------------------------------------


def test_without_a_credential_a_stream_is_refused_in_json(open_stream):
    refused = open_stream()

    assert refused.status == 401
    assert refused.response.headers["content-type"] == "application/json"
    assert refused.response.headers["cache-control"] == "no-store"
    assert refused.body() == {
        "code": "unauthenticated",
        "message": "Sign in first, or send an access token or a ticket.",
    }


def test_an_expired_token_is_told_apart(open_stream, alice):
    token = AccessToken.for_user(alice)
    token.set_exp(lifetime=timedelta(seconds=-1))

    refused = open_stream(token=str(token))

    assert (refused.status, refused.body()["code"]) == (401, "token_expired")


def test_forbidden_unknown_and_malformed_topics_answer_alike(open_stream, alice, other_family):
    answers = [
        (refused.status, refused.response.read())
        for topic in (family_topic(other_family.pk), NOWHERE, "family:x", "FAMILY:" + NOWHERE[7:], "staff", "staff\n")
        for refused in [open_stream(alice, topics=topic)]
    ]

    assert set(answers) == {(403, answers[0][1])}
    assert b'"code":"forbidden"' in answers[0][1]


@pytest.mark.parametrize("cursor", ["x", "abc-1", "abc-01-0000", "abc-1-0000-", "ABC-1-0000", "abc-1-0000\u2028"])
def test_a_malformed_cursor_is_a_bad_request(open_stream, alice, cursor):
    refused = open_stream(alice, cursor=cursor)

    assert (refused.status, refused.body()["code"]) == (400, "bad_message")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_a_stream_is_only_for_get(http, alice, method):
    refused = http.request(method, "/api/v1/stream", headers=bearer(alice))

    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


def test_too_many_topics_are_refused(open_stream, alice, realtime_settings):
    realtime_settings(MAX_SUBSCRIPTIONS=2)

    assert open_stream(alice, topics="a,b,c").body()["code"] == "too_many_subscriptions"


# --- pages ----------------------------------------------------------------------------------------


def test_a_plain_event_source_of_our_own_page_works_with_the_session(open_stream, alice):
    browser = Client()
    browser.force_login(alice)
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}

    own = open_stream(headers={**cookie, "Sec-Fetch-Site": "same-origin"})
    strange = open_stream(headers={**cookie, "Sec-Fetch-Site": "cross-site"})
    unknown = open_stream(headers=cookie)

    assert own.next("Connected").data["data"]["user_id"] == str(alice.pk)
    assert (strange.status, unknown.status) == (403, 403)


def test_a_listed_page_of_another_origin_may_read_the_stream_and_its_refusals(open_stream, alice, realtime_settings):
    realtime_settings(ALLOWED_ORIGINS=["https://app.example.org"])
    origin = {"Origin": "https://app.example.org"}

    stream, refused = open_stream(alice, headers=origin), open_stream(headers=origin)

    assert (stream.status, refused.status) == (200, 401)
    for response in (stream.response, refused.response):
        assert response.headers["access-control-allow-origin"] == "https://app.example.org"
        assert response.headers["vary"] == "origin"


def test_a_page_that_is_not_listed_is_refused_and_may_read_nothing(open_stream, alice):
    refused = open_stream(alice, headers={"Origin": "https://evil.example.org"})

    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.response.headers


def test_a_listed_page_may_ask_beforehand_whether_it_may_send_its_token(http, realtime_settings):
    realtime_settings(ALLOWED_ORIGINS=["https://app.example.org"])
    asking = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "GET"}

    allowed = http.options("/api/v1/stream", headers=asking)
    refused = http.options("/api/v1/stream", headers={**asking, "Origin": "https://evil.example.org"})

    assert (allowed.status_code, refused.status_code) == (204, 405)
    assert allowed.headers["access-control-allow-headers"] == "authorization, last-event-id"


def test_a_ticket_opens_one_stream(open_stream, alice):
    ticket = tickets.issue(alice, expires_at=None, claims={})

    assert open_stream(ticket=ticket).next("Connected").data["data"]["expires_at"] is None
    assert open_stream(ticket=ticket).status == 401
