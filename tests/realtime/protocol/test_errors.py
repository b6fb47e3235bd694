"""The table of refusals: codes, statuses, and what a client is to do."""

import pytest

from realtime.protocol.errors import CLOSE_CODES, KINDS, ErrorKind, ProtocolError


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.code)
def test_every_refusal_closes_with_a_documented_code(kind: ErrorKind) -> None:
    assert kind.close_code in CLOSE_CODES


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.code)
def test_the_close_code_alone_says_whether_to_reconnect(kind: ErrorKind) -> None:
    assert kind.retry is (kind.close_code < 4500)


def test_every_limit_and_every_unavailability_says_when_to_come_back() -> None:
    waiting = {kind.code for kind in KINDS.values() if kind.http_status in (429, 503)}

    assert waiting == {"rate_limited", "too_many_connections", "draining", "unavailable"}
    assert all(KINDS[code].retry_after for code in waiting)


@pytest.mark.parametrize(
    ("code", "status", "close_code", "retry"),
    [
        ("unauthenticated", 401, 4501, False),
        ("token_expired", 401, 4401, True),
        ("signed_out", 401, 4503, False),
        ("forbidden", 403, 4505, False),
        ("too_many_connections", 429, 4430, True),
        ("rate_limited", 429, 4429, True),
        ("draining", 503, 1012, True),
        ("unavailable", 503, 1012, True),
        ("heartbeat_timeout", 408, 4408, True),
        ("too_slow", 408, 4410, True),
        ("message_too_big", 413, 1009, True),
        ("protocol_violations", 400, 4500, False),
        ("bad_message", 400, 4500, False),
    ],
)
def test_refusals_have_the_codes_of_the_protocol(code: str, status: int, close_code: int, retry: bool) -> None:
    error = ProtocolError(code)

    assert (error.http_status, error.close_code, error.kind.retry) == (status, close_code, retry)


def test_the_protocols_error_codes_are_all_there() -> None:
    documented = (
        "bad_json bad_message unknown_command invalid_data forbidden not_subscribed too_many_subscriptions "
        "rate_limited unknown_resource not_found unauthenticated internal"
    )

    assert set(documented.split()) <= set(KINDS)


def test_the_body_of_a_refusal_is_its_code_and_message() -> None:
    error = ProtocolError("forbidden", 'Say "please".')

    assert error.body == rb'{"code":"forbidden","message":"Say \"please\"."}'


def test_a_refusal_without_words_takes_those_of_the_table() -> None:
    error = ProtocolError("draining")

    assert (error.message, error.retry_after) == ("The server is restarting: reconnect shortly.", 5)


def test_the_wait_of_the_table_can_be_overridden_even_with_none_at_all() -> None:
    assert ProtocolError("draining", retry_after=0).retry_after == 0


def test_an_unknown_code_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(KeyError):
        ProtocolError("no_such_code")
