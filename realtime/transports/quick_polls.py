"""Polls that find nothing new, answered from memory: an ASGI application in front of the view that answers all others.

Most polls are of that kind, and a view would ask the database a dozen questions to say so. What is not certain here is
left to ``EventsView``: another credential than a token, rights or a cursor that memory does not know, news, refusals.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, QueryDict
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from realtime.admission import controls_behind
from realtime.conf import conf
from realtime.follower import Follower
from realtime.handshake import query_of, request_of
from realtime.hub import Hub
from realtime.hubs import hub
from realtime.protocol import messages
from realtime.protocol.cursor import Cursor, Line
from realtime.protocol.errors import ProtocolError
from realtime.resume import Wanted
from realtime.rights import Found, Rights, RightsCache
from realtime.tokens import Presented, claim_in_memory, presented_in
from realtime.transports.pacing import poll_interval, polls
from realtime.transports.polling import EventsView
from realtime.transports.query import cursor_in, line_of, now, wanted_in

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

FIELDS = frozenset({"cursor", "topics", "auto", "token"})
"""What may be asked for here. A ``limit`` changes nothing of an empty answer, but may be refused."""

OF_ONE_ANSWER = frozenset({b"set-cookie", b"etag", b"last-modified", b"content-encoding", b"transfer-encoding"})
"""Headers that belong to the one answer they came with: answers like it are all made by the view."""

IN_MEMORY = frozenset(f"django.core.cache.backends.{name}" for name in ("locmem.LocMemCache", "dummy.DummyCache"))


@dataclass(frozen=True, slots=True)
class _Learnt:
    """The headers that Django gave the answer to a request with these headers, and when."""

    headers: Headers
    at: float


class QuickPolls:
    """``GET /api/v1/events`` ahead of Django. ``application`` is Django's.

    Headers are whatever Django's middleware makes of a request: they are learnt from its own answer to the same client,
    anew every ``RIGHTS_CACHE`` seconds.
    """

    def __init__(self, application: Application, clock: Callable[[], float] = time.monotonic) -> None:
        self._application = application
        self._clock = clock
        self._learnt: OrderedDict[bytes, _Learnt] = OrderedDict()
        self._same: dict[Headers, Headers] = {}  # thousands of clients, a handful of answers' headers
        self._starting: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or have the view answer it."""
        request = request_of(scope)
        key = _key_of(scope, request) if request.method == "GET" else None
        answer = None if key is None else await self._answer(request, key)
        if answer is None:
            await self._application(scope, receive, send if key is None else self._learning(key, send))
            return
        headers, body = answer
        length = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, *length]})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: HttpRequest, key: bytes) -> tuple[Headers, bytes] | None:
        learnt = self._learnt.get(key)
        if learnt is None or self._clock() - learnt.at >= conf.RIGHTS_CACHE:
            return None
        known = hub()
        if not known.follower.started:
            self._start(known)
            return None
        try:
            body = await _poll(known.follower, request)
        except (ProtocolError, DatabaseError):  # the view says it in its own words
            return None
        return None if body is None else (learnt.headers, body)

    def _start(self, known: Hub) -> None:
        """Have the log followed, if nobody else has yet, without making this poll wait for it."""
        if not self._starting:
            task = asyncio.get_running_loop().create_task(_ready(known))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    def _learning(self, key: bytes, send: Send) -> Send:
        async def send_and_learn(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self._learn(key, message["headers"])
            await send(message)

        return send_and_learn

    def _learn(self, key: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        kept = tuple((name, value) for name, value in headers if name.lower() != b"content-length")
        if OF_ONE_ANSWER.intersection(name.lower() for name, _ in kept):
            return
        if len(self._same) > conf.RIGHTS_USERS:
            self._same.clear()
        self._learnt[key] = _Learnt(self._same.setdefault(kept, kept), self._clock())
        self._learnt.move_to_end(key)
        while len(self._learnt) > conf.RIGHTS_USERS:
            self._learnt.popitem(last=False)


def _key_of(scope: Mapping[str, Any], request: HttpRequest) -> bytes | None:
    """What stands for all of a request that Django's answer to the next one may depend on; None: leave it to Django."""
    try:
        query = query_of(request)
    except ProtocolError:
        return None
    if not FIELDS.issuperset(query) or not query.get("cursor"):
        return None
    client = (scope.get("client") or ("",))[0]
    seen = (scope.get("scheme"), scope.get("root_path"), scope["path"], client, query.getlist("token"))
    # repr() quotes: no text of one field can pass for the end of it and the begin of the next.
    return hashlib.sha256(repr((seen, list(scope["headers"]))).encode()).digest()


async def _ready(known: Hub) -> None:
    with suppress(ProtocolError):
        await known.ready()


async def _poll(follower: Follower, request: HttpRequest) -> bytes | None:
    """The body of an answer without news, None where there may be some. Raises what a refusal is made of."""
    query: QueryDict = query_of(request)
    cursor, wanted = cursor_in(query.get("cursor")), wanted_in(query)
    if cursor is None or not _throttles_in_memory():
        return None
    found = await _found(follower.rights, presented_in(request), wanted)
    # Without an await from here: nothing new is to come between the look and the answer.
    if found is None or not _finds_nothing(follower, found[0], wanted, cursor) or not _may_poll(request, found[0]):
        return None
    interval = poll_interval(moving=False)
    place = replace(follower.place, line=Line(now())).encode()
    return messages.poll_answer([], place, has_more=False, reset=[], poll_interval_ms=interval)


async def _found(cache: RightsCache, presented: Presented, wanted: Wanted) -> Found | None:
    """Whose poll it is, and their rights; None for a credential that only the view can look up."""
    found = cache.recall(presented.mark)
    if found is None:
        claim = claim_in_memory(presented)
        found = None if claim is None or claim.pk is None else await cache.admit(claim, wanted.named)
    return found


def _finds_nothing(follower: Follower, rights: Rights, wanted: Wanted, cursor: Cursor) -> bool:
    """Whether memory is sure that nothing came behind the cursor that this client is to be told."""
    if not follower.started or not rights.is_current or not wanted.named <= rights.granted:
        return False
    if controls_behind(follower, rights.user_id, cursor) != []:
        return False
    topics = wanted.named | (rights.automatic if wanted.automatic else frozenset())
    if not _gives_nothing_again(follower, rights.user_id, topics, cursor):
        return False
    return all(follower.tail.first(topic, cursor.position) is None for topic in topics)


def _gives_nothing_again(follower: Follower, user_id: str, topics: frozenset[str], cursor: Cursor) -> bool:
    """Whether the client goes on with a line, or begins one and memory is sure that nothing is open for its user."""
    line = line_of(cursor)
    if line is not None:
        return line.given is None
    return follower.again.is_certainly_nothing(user_id, topics, 0, cursor.position)


def _throttles_in_memory() -> bool:
    """Whether polls can be counted here: where that takes a network or a database, it is the view's work."""
    if settings.CACHES["default"]["BACKEND"] not in IN_MEMORY:
        return False
    return all(issubclass(throttle, SimpleRateThrottle) for throttle in EventsView.throttle_classes)


class _Asking:
    """The request as a throttle sees it: mostly it asks who it is that asks, and for no more."""

    def __init__(self, request: HttpRequest, user: Any) -> None:
        self._request = request
        self.user = user

    def __getattr__(self, name: str) -> Any:
        whole = Request(self._request)
        whole.user = self.user
        return getattr(whole, name)


def _may_poll(request: HttpRequest, rights: Rights) -> bool:
    """Count this poll as the view would; False where it would refuse, which then it does."""
    view = EventsView()
    asking: Any = _Asking(request, rights.user)
    if not all(throttle.allow_request(asking, view) for throttle in view.get_throttles()):
        return False
    polls.take(rights.user_id)  # what it raises, the view raises too
    return True
