"""Who is at the other end: every credential, the order among them, and what makes one bad."""

from datetime import timedelta
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.authentication import issue
from accounts.sessions import sign_out
from realtime import tickets
from realtime.handshake import request_of
from realtime.protocol.errors import ProtocolError
from realtime.tokens import authenticate_request, authenticate_token, claim_of, presented_in

pytestmark = pytest.mark.django_db(transaction=True)

OWN = "http://testserver"


def token_of(user, **lifetime):
    token = AccessToken.for_user(user)
    if lifetime:
        token.set_exp(lifetime=timedelta(**lifetime))
    return str(token)


def ticket_of(user, claims=None):
    return tickets.issue(user, expires_at=None, claims=claims or {})


def session_of(user):
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def scope(*, query="", subprotocols=(), **headers):
    pairs = [(b"host", b"testserver")]
    pairs += [(name.encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "websocket",
        "scheme": "ws",
        "path": "/ws",
        "query_string": query.encode(),
        "headers": pairs,
        "subprotocols": list(subprotocols),
    }


def admit(scope):
    """As a connection is admitted that nobody knows yet: read what was presented, then ask the database."""
    presented = presented_in(request_of(scope), scope["subprotocols"])
    return async_to_sync(claim_of)(presented).settle()


def refusal(scope):
    with pytest.raises(ProtocolError) as refused:
        admit(scope)
    return refused.value.code


def test_a_bearer_header_admits_until_the_token_expires(alice):
    token = AccessToken.for_user(alice)

    credentials = admit(scope(authorization=f"Bearer {token}"))

    assert (credentials.user, credentials.by) == (alice, "header")
    assert credentials.expires_at.timestamp() == token["exp"]


def test_a_bearer_subprotocol_admits(alice):
    credentials = admit(scope(subprotocols=["realtime.v1", f"bearer.{token_of(alice)}"]))

    assert (credentials.user, credentials.by) == (alice, "subprotocol")


def test_a_ticket_admits(alice):
    credentials = admit(scope(query=f"ticket={ticket_of(alice)}"))

    assert (credentials.user, credentials.by, credentials.expires_at) == (alice, "ticket", None)


def test_a_token_in_the_query_admits(alice):
    credentials = admit(scope(query=f"topics=global&token={token_of(alice)}"))

    assert (credentials.user, credentials.by) == (alice, "query")


def test_a_token_in_the_query_is_refused_when_turned_off(alice, settings):
    settings.REALTIME = {**settings.REALTIME, "QUERY_TOKEN": False}

    assert refusal(scope(query=f"token={token_of(alice)}")) == "unauthenticated"


def test_a_session_admits_a_page_of_ours(alice):
    credentials = admit(scope(cookie=f"sessionid={session_of(alice)}", origin=OWN))

    assert (credentials.user, credentials.by, credentials.expires_at) == (alice, "session", None)


def test_a_session_without_an_origin_is_forbidden(alice):
    assert refusal(scope(cookie=f"sessionid={session_of(alice)}")) == "forbidden"


def test_a_strange_origin_is_forbidden_whatever_the_credential_and_spends_no_ticket(alice):
    ticket = ticket_of(alice)

    assert refusal(scope(query=f"ticket={ticket}", origin="https://evil.example.org")) == "forbidden"
    assert admit(scope(query=f"ticket={ticket}")).user == alice


def test_nothing_is_unauthenticated():
    assert refusal(scope()) == "unauthenticated"
    assert refusal(scope(authorization="Basic YWxpY2U6cGFzc3dvcmQ=")) == "unauthenticated"


def test_the_first_credential_decides(alice, bob):
    everything = scope(
        authorization=f"Bearer {token_of(alice)}",
        subprotocols=[f"bearer.{token_of(bob)}"],
        query=f"token={token_of(bob)}&ticket={ticket_of(bob)}",
        cookie=f"sessionid={session_of(bob)}",
        origin=OWN,
    )

    assert admit(everything).user == alice


def test_a_bad_credential_does_not_give_way_to_a_good_one(alice):
    assert refusal(scope(authorization="Bearer bad", query=f"token={token_of(alice)}")) == "unauthenticated"


@pytest.mark.parametrize("lifetime", [-1, -3600])
def test_an_expired_token_is_told_apart(alice, lifetime):
    assert refusal(scope(authorization=f"Bearer {token_of(alice, seconds=lifetime)}")) == "token_expired"


def test_other_tokens_and_rubbish_are_no_access_tokens(alice):
    refresh = str(RefreshToken.for_user(alice))
    good = token_of(alice)

    for raw in (refresh, ticket_of(alice), good[:-2], good + "," + good, "", " ", "eyJ", "\xff", "a.b.c"):
        assert refusal(scope(authorization=f"Bearer {raw}")) == "unauthenticated"


def test_an_access_token_is_no_ticket(alice):
    assert refusal(scope(query=f"ticket={token_of(alice)}")) == "unauthenticated"


def test_two_headers_are_not_a_choice(alice, bob):
    doubled = scope(authorization=f"Bearer {token_of(alice)}")
    doubled["headers"].append((b"authorization", f"Bearer {token_of(bob)}".encode()))

    assert refusal(doubled) == "unauthenticated"


def test_deactivation_ends_tokens_tickets_and_sessions(alice):
    token, ticket, session = token_of(alice), ticket_of(alice), session_of(alice)
    get_user_model().objects.filter(pk=alice.pk).update(is_active=False)

    assert refusal(scope(authorization=f"Bearer {token}")) == "unauthenticated"
    assert refusal(scope(query=f"ticket={ticket}")) == "unauthenticated"
    assert refusal(scope(cookie=f"sessionid={session}", origin=OWN)) == "unauthenticated"


def test_a_changed_password_ends_tokens_tickets_and_sessions(alice):
    token, ticket, session = token_of(alice), ticket_of(alice), session_of(alice)
    alice.set_password("second-password")
    alice.save()

    assert refusal(scope(authorization=f"Bearer {token}")) == "unauthenticated"
    assert refusal(scope(query=f"ticket={ticket}")) == "unauthenticated"
    assert refusal(scope(cookie=f"sessionid={session}", origin=OWN)) == "unauthenticated"


def test_a_deleted_user_is_unauthenticated(alice):
    token = token_of(alice)
    alice.delete()

    assert refusal(scope(authorization=f"Bearer {token}")) == "unauthenticated"


def test_a_token_for_something_that_is_no_user_id_is_unauthenticated():
    token = AccessToken()
    token["user_id"] = "alice"

    assert refusal(scope(authorization=f"Bearer {token}")) == "unauthenticated"


def test_a_session_that_never_was_is_unauthenticated():
    assert refusal(scope(cookie="sessionid=abcdefgh12345678", origin=OWN)) == "unauthenticated"


def test_looking_at_a_session_leaves_it_as_it_is_though_the_key_has_been_rotated(alice, settings):
    session = session_of(alice)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-a-length-that-does-for-tests"

    credentials = admit(scope(cookie=f"sessionid={session}", origin=OWN))

    store = import_module(settings.SESSION_ENGINE).SessionStore()
    assert credentials.user == alice
    assert store.exists(session)


def is_bobs(user, claims):
    return user.get_username() == "bob" and claims["user_id"] == str(user.pk)


def test_the_host_projects_rule_judges_tokens_and_the_tickets_they_bought(alice, bob, settings):
    settings.REALTIME = {**settings.REALTIME, "AUTHENTICATION_RULE": f"{__name__}.is_bobs"}

    def presented(user):
        yield scope(authorization=f"Bearer {token_of(user)}")
        yield scope(query=f"ticket={ticket_of(user, AccessToken.for_user(user).payload)}")

    for one in presented(bob):
        assert admit(one).user == bob
    for one in presented(alice):
        assert refusal(one) == "unauthenticated"


def test_after_a_sign_out_sessions_tokens_and_tickets_made_before_it_are_refused_and_new_ones_good(alice):
    def credentials():
        token = issue(alice).access_token
        yield scope(authorization=f"Bearer {token}")
        yield scope(query=f"ticket={ticket_of(alice, token.payload)}")
        yield scope(query=f"ticket={ticket_of(alice)}")
        yield scope(cookie=f"sessionid={session_of(alice)}", origin=OWN)

    before = list(credentials())
    sign_out(alice.pk)
    alice.refresh_from_db()

    for one in before:
        assert refusal(one) == "unauthenticated"
    for one in credentials():
        assert admit(one).user == alice


def test_a_bare_token_renews_a_connection(alice):
    assert async_to_sync(authenticate_token)(token_of(alice)).user == alice


def test_a_token_costs_one_query(alice, django_assert_num_queries):
    request = request_of(scope(authorization=f"Bearer {token_of(alice)}"))

    with django_assert_num_queries(1):
        assert authenticate_request(request).user == alice


def test_credentials_never_show_their_claims(alice):
    credentials = admit(scope(authorization=f"Bearer {token_of(alice)}"))

    assert "exp" in credentials.claims
    assert "claims" not in repr(credentials)


def test_what_was_presented_never_shows_its_secret(alice):
    token = token_of(alice)
    presented = presented_in(request_of(scope(authorization=f"Bearer {token}")))

    claim = async_to_sync(claim_of)(presented)

    assert repr(presented) == "Presented(by='header')"
    assert repr(claim) == f"Claim(pk={alice.pk!r})"
