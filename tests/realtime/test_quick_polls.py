"""Polls from memory: what they save, and that nobody can tell them from those of the view."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from pytest_django import Settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Membership, User
from accounts.sessions import sign_out
from accounts.topics import user_topic
from config.asgi import django_application
from realtime import log, tickets
from realtime.hub import Hub
from realtime.hubs import hub
from realtime.outbox import rights_changed
from realtime.threads import run_db
from realtime.topics import Topic, topic
from realtime.transports import quick_polls
from realtime.transports.quick_polls import QuickPolls
from tests.realtime.counting import counted_queries
from tests.realtime.recorder import announce, cursor_at, grow, sequence, standing, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

GLOBAL = topic("global")
NOW = 1_800_000_000
PATH = "/api/v1/events"
ORIGIN = "https://app.example.org"


@pytest.fixture(autouse=True)
def quiet(sleeping_relay: None, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The tests sequence and announce by themselves, nothing happens by the clock, and rates start anew."""
    monkeypatch.setattr("realtime.transports.query.time", SimpleNamespace(time=lambda: NOW))
    settings.REALTIME = {**settings.REALTIME, "TICK": 3600.0, "ALLOWED_ORIGINS": [ORIGIN]}
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    cache.clear()


class Server:
    """Polls in front of Django; ``long`` counts the requests that went to Django."""

    def __init__(self, here: Hub) -> None:
        self.here = here
        self.long = 0
        self.now = 0.0
        self.app = QuickPolls(self._django, clock=lambda: self.now)
        self.quick_client = self._client(self.app)
        self.view_client = self._client(django_application)

    async def _django(self, scope: Any, receive: Any, send: Any) -> None:
        self.long += 1
        await django_application(scope, receive, send)

    def _client(self, app: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://testserver")

    async def ask(self, headers: dict[str, str], **query: Any) -> tuple[httpx.Response, bool]:
        """One poll, and whether it was answered from memory."""
        before = self.long
        answer = await self.quick_client.get(PATH, headers=headers, params=query)
        return answer, self.long == before

    async def ask_view(self, headers: dict[str, str], **query: Any) -> httpx.Response:
        return await self.view_client.get(PATH, headers=headers, params=query)

    @property
    def cursor(self) -> str:
        return self.here.follower.place.encode()


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    async with standing(hub()) as here:
        yield Server(here)


async def bearer(user: User, **lifetime: int) -> dict[str, str]:
    token = await run_db(AccessToken.for_user, await run_db(lambda: User.objects.get(pk=user.pk)))
    if lifetime:
        token.set_exp(lifetime=timedelta(**lifetime))
    return {"Authorization": f"Bearer {token}"}


def described(answer: httpx.Response) -> tuple[Any, ...]:
    return answer.status_code, sorted(answer.headers.multi_items()), answer.content


async def test_polls_that_find_nothing_touch_no_database(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    async with server() as it:
        first = await it.ask(headers, cursor=it.cursor)
        await it.ask(headers, cursor=it.cursor)
        with counted_queries(looks=True) as queries:
            answers = [await it.ask(headers, cursor=it.cursor) for _ in range(20)]

    assert not first[1]
    assert queries == []
    assert {quick for _, quick in answers} == {True}
    assert {answer.content for answer, _ in answers} == {first[0].content}


QUERIES: dict[str, Callable[[Topic, str], dict[str, str]]] = {
    "all": lambda smith, cursor: {"cursor": cursor},
    "named": lambda smith, cursor: {"cursor": cursor, "topics": f"{smith},global"},
    "only named": lambda smith, cursor: {"cursor": cursor, "topics": smith, "auto": "0"},
    "none": lambda smith, cursor: {"cursor": cursor, "auto": "0"},
}


@pytest.mark.parametrize("what", QUERIES)
@pytest.mark.parametrize(
    "more",
    [{}, {"Origin": ORIGIN}, {"Accept-Language": "zh-hans"}, {"Accept": "application/json", "Cookie": "a=b"}],
    ids=["plain", "origin", "language", "cookie"],
)
async def test_an_answer_from_memory_is_byte_for_byte_the_views(
    alice: User, bob: User, smith: Topic, what: str, more: dict[str, str]
) -> None:
    headers = {**await bearer(alice), **more}
    async with server() as it:
        start = it.cursor
        await it.ask(headers, **QUERIES[what](smith, start))
        await grow(it.here, 1, to=[user_topic(bob.pk)])  # others' events move the cursor

        quick, is_quick = await it.ask(headers, **QUERIES[what](smith, start))
        slow = await it.ask_view(headers, **QUERIES[what](smith, start))

    assert is_quick
    assert quick.json()["cursor"] != start
    assert described(quick) == described(slow)


async def test_a_line_that_begins_is_left_to_the_view_where_something_may_be_open(
    alice: User, bob: User, smith: Topic
) -> None:
    headers, others = await bearer(alice), await bearer(bob)
    async with server() as it:
        await grow(it.here, 1, to=[user_topic(alice.pk)], ack=True)
        for who in (headers, others):
            await it.ask(who, cursor=it.cursor)
        began, was_quick = await it.ask(headers, cursor=it.cursor)
        goes_on = await it.ask(headers, cursor=began.json()["cursor"])
        unconcerned = await it.ask(others, cursor=it.cursor)

    assert (len(began.json()["events"]), was_quick) == (1, False)
    assert (goes_on[0].json()["events"], goes_on[1]) == ([], True)
    assert (unconcerned[0].json()["events"], unconcerned[1]) == ([], True)


async def test_the_rest_of_what_is_given_again_comes_from_the_view(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    async with server() as it:
        await grow(it.here, 1, 2, to=[user_topic(alice.pk)], ack=True)
        first, _ = await it.ask(headers, cursor=it.cursor, limit="1")
        await it.ask(headers, cursor=it.cursor)
        second, was_quick = await it.ask(headers, cursor=first.json()["cursor"])

    assert ([event["data"]["n"] for event in second.json()["events"]], was_quick) == ([2], False)


async def test_each_origin_gets_headers_of_its_own(alice: User, smith: Topic) -> None:
    plain = await bearer(alice)
    async with server() as it:
        answers = {}
        for name, more in {"ours": {"Origin": ORIGIN}, "none": {}, "evil": {"Origin": "https://evil.example"}}.items():
            for _ in range(2):
                answers[name], quick = await it.ask({**plain, **more}, cursor=it.cursor)
            assert quick == (name != "evil")

    assert answers["ours"].headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in answers["none"].headers
    assert answers["evil"].status_code == 403


async def test_news_come_from_the_view_at_once(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    async with server() as it:
        start = it.cursor
        for _ in range(2):
            await it.ask(headers, cursor=start)
        await grow(it.here, 7, to=[smith])

        answer, quick = await it.ask(headers, cursor=start)
        after, quick_again = await it.ask(headers, cursor=answer.json()["cursor"])

    assert not quick
    assert [event["data"]["n"] for event in answer.json()["events"]] == [7]
    assert (quick_again, after.json()["events"]) == (True, [])


async def test_a_removal_is_said_by_the_view_and_then_there_is_nothing_new(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    async with server() as it:
        start = it.cursor
        for _ in range(2):
            await it.ask(headers, cursor=start)
        await run_db(lambda: Membership.objects.filter(user=alice).update(is_active=False))
        await run_db(lambda: tell(1, to=[smith]))
        await announce(it.here)

        answer, quick = await it.ask(headers, cursor=start)
        after, quick_again = await it.ask(headers, cursor=answer.json()["cursor"])
        named, quick_named = await it.ask(headers, cursor=answer.json()["cursor"], topics=smith)

    assert not quick
    assert [word["data"]["topic"] for word in answer.json()["revoked"]] == [smith]
    assert "Note" not in {event["type"] for event in answer.json()["events"]}
    assert (quick_again, after.json()["events"]) == (True, [])
    assert (quick_named, named.status_code) == (False, 403)


async def test_a_removal_that_no_event_tells_of_is_said_by_the_view(alice: User, smith: Topic) -> None:
    def lose() -> None:
        with transaction.atomic():
            Membership.objects.filter(user=alice).untold_update(is_active=False)
            rights_changed(alice.pk, lost=[smith])

    headers = await bearer(alice)
    async with server() as it:
        start = it.cursor
        for _ in range(2):
            await it.ask(headers, cursor=start)
        await run_db(lose)
        await announce(it.here)

        answer, quick = await it.ask(headers, cursor=start)

    assert (quick, answer.json()["events"]) == (False, [])
    assert [word["data"]["topic"] for word in answer.json()["revoked"]] == [smith]


@pytest.mark.parametrize("heard", [True, False])
async def test_after_a_sign_out_the_next_poll_is_refused(
    alice: User, smith: Topic, heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here by the log's own word of what another process did; there without it, by what this process did itself."""
    headers = await bearer(alice)
    async with server() as it:
        for _ in range(2):
            await it.ask(headers, cursor=it.cursor)
        if heard:
            monkeypatch.setattr("realtime.rights.forget", lambda user_id: None)
        await run_db(sign_out, alice.pk)
        if heard:
            await announce(it.here)

        answer, quick = await it.ask(headers, cursor=it.cursor)

    assert (answer.status_code, quick) == (401, False)


def with_session(user: User) -> dict[str, str]:
    browser = Client()
    browser.force_login(user)
    return {"Cookie": f"sessionid={browser.cookies['sessionid'].value}", "Sec-Fetch-Site": "same-origin"}


async def test_what_is_not_certain_here_is_the_views(alice: User, smith: Topic, settings: Settings) -> None:
    headers, session = await bearer(alice), await run_db(with_session, alice)
    await run_db(lambda: [(tell(number, to=[GLOBAL]), sequence()) for number in range(4)])
    settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 2}
    async with server() as it:
        place = it.here.follower.place
        older = (await run_db(cursor_at, place.position - 4)).encode()
        ahead = f"{place.epoch}-{place.position + 1}-{place.check:04x}"
        cases: list[tuple[dict[str, str], dict[str, str]]] = [
            (headers, {}),
            (headers, {"cursor": ""}),
            (headers, {"cursor": "x"}),
            (headers, {"cursor": older}),
            (headers, {"cursor": ahead}),
            (headers, {"cursor": f"{place.epoch}-{place.position}-{place.check ^ 1:04x}"}),
            (headers, {"cursor": f"other-{place.position}-{place.check:04x}"}),
            (headers, {"cursor": it.cursor, "limit": "5"}),
            (headers, {"cursor": it.cursor, "limit": "0"}),
            (headers, {"cursor": it.cursor, "format": "xml"}),
            (headers, {"cursor": it.cursor, "topics": "staff"}),
            (headers, {"cursor": it.cursor, "topics": ",".join(map(str, range(200)))}),
            (await bearer(alice, seconds=-1), {"cursor": it.cursor}),
            ({"Authorization": "Bearer x"}, {"cursor": it.cursor}),
            ({}, {"cursor": it.cursor}),
            (session, {"cursor": it.cursor}),
            ({**headers, "Accept": "text/html"}, {"cursor": it.cursor}),
        ]
        for asking, query in cases:
            for _ in range(2):
                answer, quick = await it.ask(asking, **query)
                assert not quick
            slow = await it.ask_view(asking, **query)
            assert described(answer) == described(slow)
        tickets_left = [tickets.issue(alice, expires_at=None, claims={}) for _ in range(2)]
        spent = [await it.ask({}, cursor=it.cursor, ticket=ticket) for ticket in [*tickets_left, tickets_left[0]]]

    assert [(answer.status_code, quick) for answer, quick in spent] == [(200, False), (200, False), (401, False)]


async def test_a_token_in_the_query_is_good_here_while_it_is_good_at_all(
    alice: User, smith: Topic, settings: Settings
) -> None:
    token = (await bearer(alice))["Authorization"].removeprefix("Bearer ")
    async with server() as it:
        quick = [(await it.ask({}, cursor=it.cursor, token=token))[1] for _ in range(2)]
        settings.REALTIME = {**settings.REALTIME, "QUERY_TOKEN": False}
        refused, _ = await it.ask({}, cursor=it.cursor, token=token)

    assert (quick, refused.status_code) == ([False, True], 401)


async def test_polls_from_memory_count_as_polls(alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rest_framework.throttling.UserRateThrottle.rate", "5/min", raising=False)
    headers = await bearer(alice)
    async with server() as it:
        answers = [await it.ask(headers, cursor=it.cursor) for _ in range(7)]

    assert [quick for _, quick in answers] == [False, True, True, True, True, False, False]
    assert [answer.status_code for answer, _ in answers] == [200] * 5 + [429] * 2
    assert "retry-after" in answers[-1][0].headers


async def test_polls_are_counted_by_the_view_where_counting_takes_a_network(
    alice: User, smith: Topic, settings: Settings
) -> None:
    headers = await bearer(alice)
    async with server() as it:
        await it.ask(headers, cursor=it.cursor)
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache"}}
        assert not quick_polls._throttles_in_memory()


async def test_a_clients_headers_are_learnt_anew_with_its_rights(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    async with server() as it:
        quick = []
        for it.now in (0.0, 1.0, 29.0, 31.0, 32.0):
            quick.append((await it.ask(headers, cursor=it.cursor))[1])

    assert quick == [False, True, True, False, True]


async def test_headers_that_belong_to_one_answer_are_not_learnt(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    async with server() as it:
        sent: list[Any] = []

        async def django(scope: Any, receive: Any, send: Any) -> None:
            sent.append(1)
            made = {"type": "http.response.start", "status": 200, "headers": [(b"Set-Cookie", b"a=b")]}
            await send(made)
            await send({"type": "http.response.body", "body": b""})

        client = it._client(QuickPolls(django))
        for _ in range(2):
            await client.get(PATH, headers=headers, params={"cursor": it.cursor})

    assert len(sent) == 2


async def test_it_learns_for_no_more_clients_than_it_keeps_rights_of(
    alice: User, smith: Topic, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "RIGHTS_USERS": 2}
    headers = await bearer(alice)
    async with server() as it:
        for number in range(5):
            await it.ask({**headers, "X-Request-ID": str(number)}, cursor=it.cursor)

        assert len(it.app._learnt) == 2
        assert len(it.app._same) == 1


async def test_the_first_poll_of_a_process_has_the_log_followed(alice: User, smith: Topic) -> None:
    headers = await bearer(alice)
    here = hub()
    it = Server(here)
    cursor = (await run_db(log.head)).cursor.encode()
    for _ in range(2):
        answer, quick = await it.ask(headers, cursor=cursor)
        assert (answer.status_code, quick) == (200, False)

    async with standing(here):
        assert (await it.ask(headers, cursor=cursor))[1]
