"""Which pages may connect, by which credential."""

import pytest

from realtime import origins
from realtime.handshake import request_of
from realtime.protocol.errors import ProtocolError

LISTED = "https://app.example.org"


@pytest.fixture(autouse=True)
def _one_listed_origin(settings):
    settings.REALTIME = {**settings.REALTIME, "ALLOWED_ORIGINS": [LISTED]}
    settings.ALLOWED_HOSTS = ["ledger.example.org"]


def request(scheme="wss", host="ledger.example.org", **headers):
    pairs = [(b"host", host.encode())]
    pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return request_of({"type": "websocket", "scheme": scheme, "path": "/ws", "headers": pairs})


def is_let_in(request, *, by_session):
    try:
        origins.check(request, by_session=by_session)
    except ProtocolError as refused:
        return refused.code != "forbidden"
    return True


@pytest.mark.parametrize("by_session", [True, False])
@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        (LISTED, True),
        ("https://ledger.example.org", True),
        ("https://ledger.example.org:443", True),
        ("http://ledger.example.org", False),
        ("https://ledger.example.org:8443", False),
        ("https://evil.example.org", False),
        ("https://app.example.org.evil.org", False),
        ("https://app.example.org, https://app.example.org", False),
        ("null", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_an_origin_is_let_in_when_listed_or_our_own_whatever_the_credential(origin, let_in, by_session):
    assert is_let_in(request(origin=origin), by_session=by_session) is let_in


def test_no_origin_is_fine_with_a_token_and_never_with_a_session():
    assert is_let_in(request(), by_session=False)
    assert not is_let_in(request(), by_session=True)


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site", "referer": "https://ledger.example.org/"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"referer": "https://ledger.example.org/accounts/1"}, True),
        ({"referer": "https://evil.example.org/?https://ledger.example.org/"}, False),
    ],
)
def test_a_pages_own_get_has_no_origin_and_the_browser_vouches_for_it(headers, let_in):
    assert is_let_in(request("https", **headers), by_session=True) is let_in


def test_a_rebound_host_name_is_not_our_own():
    assert not is_let_in(request(host="evil.org", origin="https://evil.org"), by_session=False)


def test_behind_a_proxy_the_scheme_is_the_browsers(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    proxied = request("ws", x_forwarded_proto="https", origin="https://ledger.example.org")

    assert is_let_in(proxied, by_session=True)


def test_an_asterisk_admits_any_page_by_token_and_none_by_session(settings):
    settings.REALTIME = {**settings.REALTIME, "ALLOWED_ORIGINS": ["*"]}

    assert is_let_in(request(origin="https://evil.org"), by_session=False)
    assert not is_let_in(request(origin="https://evil.org"), by_session=True)


def test_a_listed_page_may_read_the_answer_with_its_cookies():
    assert origins.cors_headers(request(origin=LISTED)) == [
        (b"vary", b"origin"),
        (b"access-control-allow-origin", LISTED.encode()),
        (b"access-control-allow-credentials", b"true"),
    ]


def test_another_page_may_not_read_the_answer():
    assert origins.cors_headers(request(origin="https://evil.org")) == [(b"vary", b"origin")]
