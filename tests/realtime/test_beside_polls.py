"""What else is asked by HTTP, on a real server: acknowledgements, tickets and snapshots."""

import json
from uuid import UUID

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from realtime import log, tickets
from realtime.models import Receipt, SpentTicket
from tests.realtime.conftest import acknowledge, bearer, tell, until_sequenced


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
        (b"[" * 3_000_000, "message_too_big"),
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
