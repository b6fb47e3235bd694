"""The sockets of families and users on a real server: who gets on, what they hear, and when they are put off."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import RefreshToken
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from accounts.authentication import issue
from accounts.models import Membership, User
from accounts.topics import family_topic, user_topic

pytestmark = pytest.mark.django_db(transaction=True)

REVOKED_WITHIN = 2.0  # seconds, as the protocol promises


@pytest.fixture
def open_socket(live_servers):
    """Opens ``/ws/<address>`` as a user; closed with the test."""
    server = live_servers()
    with ExitStack() as stack:

        def open_one(user: User, address: str, token: str | None = None) -> ClientConnection:
            headers = {"Authorization": f"Bearer {token or issue(user).access_token}"}
            return stack.enter_context(connect(f"{server.ws_url}/ws/{address}", additional_headers=headers))

        yield open_one


def next_of(socket: ClientConnection, type: str) -> dict[str, Any]:
    """The next message of a type, others skipped."""
    while True:
        message = json.loads(socket.recv(timeout=10))
        if message["type"] == type:
            return message


def closed_with(socket: ClientConnection) -> int:
    """The code the server closes with, soon."""
    with suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=REVOKED_WITHIN)
    assert socket.close_code is not None
    return socket.close_code


def refusal_of(open_socket: Any, user: User, address: str, token: str | None = None) -> tuple[int, bytes]:
    """Status and body of a refused handshake."""
    with pytest.raises(InvalidStatus) as refused:
        open_socket(user, address, token)
    return refused.value.response.status_code, bytes(refused.value.response.body or b"")


def test_members_hear_of_each_other_until_they_leave_and_strangers_hear_nothing(
    open_socket, alice, bob, charlie, family, other_family
):
    stays, leaves = (open_socket(user, f"family/{family.pk}") for user in (alice, bob))
    own = open_socket(charlie, f"user/{charlie.pk}")
    greetings = [next_of(socket, "Connected") for socket in (stays, leaves, own)]
    addresses = [f"family/{family.pk}", f"family/{alice.pk}", "family/rubbish", f"user/{alice.pk}"]
    refusals = {refusal_of(open_socket, charlie, address) for address in addresses}

    Membership.objects.create(family=family, user=charlie, role="viewer")
    joined = [next_of(socket, "MembershipUpdate") for socket in (stays, leaves, own)]
    Membership.objects.filter(user=bob).update(is_active=False)
    revoked = next_of(leaves, "Unsubscribed")

    assert [list(each["data"]["topics"]) for each in greetings] == [
        [family_topic(family.pk)],
        [family_topic(family.pk)],
        [user_topic(charlie.pk)],
    ]
    assert [status for status, _ in refusals] == [403]  # one answer, byte for byte
    data = {"family_id": str(family.pk), "user_id": str(charlie.pk), "action": "joined", "role": "viewer"}
    assert [event["data"] for event in joined] == [data] * 3
    assert joined[2]["topic"] == user_topic(charlie.pk)
    assert revoked["data"] == {"topic": family_topic(family.pk), "reason": "revoked"}
    assert closed_with(leaves) == 4503
    assert next_of(stays, "MembershipUpdate")["data"]["action"] == "left"
    next_of(open_socket(charlie, f"family/{family.pk}"), "Connected")


def test_the_end_of_sessions_closes_every_socket_of_that_user_and_their_token_opens_no_other(
    open_socket, alice, make_user
):
    ends = {
        "signed out": lambda user, token: sign_out(token),
        "deactivated": lambda user, token: User.objects.filter(pk=user.pk).update(is_active=False),
        "password changed": lambda user, token: User.objects.filter(pk=user.pk).update(password="!"),
        "deleted": lambda user, token: User.objects.get(pk=user.pk).delete(),
    }
    other = open_socket(alice, f"user/{alice.pk}")
    next_of(other, "Connected")

    for number, (how, end) in enumerate(ends.items()):
        user = make_user(f"user{number}")
        token, address = issue(user), f"user/{user.pk}"
        access = str(token.access_token)
        sockets = [open_socket(user, each, access) for each in (address, "")]
        for socket in sockets:
            next_of(socket, "Connected")

        end(user, token)

        assert [closed_with(socket) for socket in sockets] == [4503, 4503], how
        assert refusal_of(open_socket, user, address, access)[0] == 401, how

    assert other.ping().wait(5)
    assert other.close_code is None


def sign_out(token: RefreshToken) -> None:
    """Over REST, as a client does."""
    answer = APIClient().post("/api/v1/auth/logout", {"refresh": str(token)}, format="json")
    assert answer.status_code == 204
