"""Where a client is, and whether it came by TLS, is believed of the configured proxies and of nobody else."""

from typing import Any

import pytest
from django.http import HttpRequest
from pytest_django.fixtures import Settings
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle

from config.proxies import behind_proxies
from realtime.handshake import request_of

PROXY, CLIENT, LIAR = "10.1.2.3", "203.0.113.7", "198.51.100.9"


async def seen(client: str, *forwarded: str, type: str = "http") -> HttpRequest:
    """The request as the application sees it that came from ``client`` with these values of X-Forwarded-For."""
    requests: list[HttpRequest] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        requests.append(request_of(scope))

    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded] + [(b"x-forwarded-proto", b"https")]
    scope = {"type": type, "scheme": "ws" if type == "websocket" else "http", "path": "/", "client": (client, 5000)}
    await behind_proxies(application)({**scope, "headers": headers}, None, None)
    return requests[0]


@pytest.mark.parametrize("type", ["http", "websocket"])
async def test_a_proxy_of_a_configured_network_says_where_its_client_is(settings: Settings, type: str) -> None:
    settings.PROXIES = ["10.0.0.0/8"]

    request = await seen(PROXY, CLIENT, type=type)

    assert request.META["REMOTE_ADDR"] == CLIENT
    assert request.is_secure()


@pytest.mark.parametrize("proxies", [[], ["10.0.0.0/8"]])
async def test_anybody_else_says_nothing(settings: Settings, proxies: list[str]) -> None:
    settings.PROXIES = proxies

    request = await seen(LIAR, CLIENT)

    assert request.META["REMOTE_ADDR"] == LIAR
    assert not request.is_secure()


async def test_what_a_client_wrote_into_the_header_before_the_proxy_did_is_not_believed(settings: Settings) -> None:
    settings.PROXIES = [PROXY]

    request = await seen(PROXY, f"{LIAR}, {CLIENT}")

    assert request.META["REMOTE_ADDR"] == CLIENT


async def test_proxies_in_a_row_lead_to_the_client(settings: Settings) -> None:
    settings.PROXIES = ["10.0.0.0/8", "192.0.2.1"]

    request = await seen(PROXY, f"{LIAR}, {CLIENT}, 192.0.2.1")

    assert request.META["REMOTE_ADDR"] == CLIENT


async def test_the_throttles_of_rest_count_by_that_address_and_by_no_header(settings: Settings) -> None:
    settings.PROXIES = []

    request = await seen(LIAR, CLIENT)

    assert AnonRateThrottle().get_ident(Request(request)) == LIAR
