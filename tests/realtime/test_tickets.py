"""A ticket is good once, for half a minute, for its user."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from realtime import tickets
from realtime.handshake import request_of
from realtime.models import SpentTicket
from realtime.protocol.errors import ProtocolError
from realtime.tickets import Ticket
from realtime.tokens import authenticate_request

pytestmark = pytest.mark.django_db(transaction=True)


def redeem(ticket):
    query = f"ticket={ticket}".encode()
    return authenticate_request(
        request_of({"type": "http", "scheme": "http", "path": "/", "query_string": query, "headers": []})
    )


def issue(user, expires_at=None, claims=None):
    return tickets.issue(user, expires_at=expires_at, claims=claims or {})


def test_a_ticket_is_good_once(alice):
    ticket = issue(alice)

    assert redeem(ticket).user == alice
    with pytest.raises(ProtocolError, match="has been used") as refused:
        redeem(ticket)
    assert refused.value.code == "unauthenticated"


def test_of_many_who_use_it_at_the_same_moment_one_is_admitted(alice):
    ticket, start, outcomes = issue(alice), threading.Barrier(8), []

    def use():
        start.wait()
        try:
            outcomes.append(redeem(ticket).by)
        except ProtocolError as refused:
            outcomes.append(refused.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(outcomes) == ["ticket"] + ["unauthenticated"] * 7


def test_a_ticket_is_good_for_thirty_seconds(alice):
    ticket = Ticket(issue(alice))

    assert ticket["exp"] - ticket["iat"] == 30


def test_a_ticket_past_its_time_is_expired(alice, settings):
    stale = Ticket(issue(alice))
    stale.set_exp(lifetime=timedelta(seconds=-1))

    with pytest.raises(ProtocolError) as refused:
        redeem(str(stale))

    assert refused.value.code == "token_expired"
    assert not SpentTicket.objects.exists()


def test_what_a_ticket_opens_ends_with_the_token_that_bought_it(alice):
    end = datetime(2100, 1, 1, tzinfo=UTC)

    assert redeem(issue(alice, expires_at=end)).expires_at == end


def test_a_ticket_is_judged_by_what_its_buyer_was_judged_by(alice):
    token = AccessToken.for_user(alice)
    token["generation"] = 7

    claims = redeem(issue(alice, claims=token.payload)).claims

    assert claims["generation"] == 7
    assert claims["token_type"] == "realtime_ticket"
    assert claims["jti"] != token["jti"]


def test_pruning_forgets_tickets_that_expired_a_while_ago_and_no_other():
    for jti, age in (("old", 301), ("recent", 200), ("good", -20)):
        SpentTicket.objects.create(jti=jti, expires_at=timezone.now() - timedelta(seconds=age))

    assert tickets.prune() == 1
    assert set(SpentTicket.objects.values_list("jti", flat=True)) == {"recent", "good"}
