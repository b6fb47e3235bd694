"""Polling, acknowledgement, snapshots and tickets over plain HTTP.

For clients that can hold no connection open. A poll is the same replay as a reconnect: what it answers, a stream or a
WebSocket that came with the same cursor would have been sent.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, NoReturn, cast
from uuid import UUID

import msgspec
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from realtime import limits, log, resources, tickets
from realtime.conf import conf
from realtime.handshake import agent, query_of
from realtime.metrics import metrics
from realtime.protocol import messages
from realtime.protocol.commands import fitted
from realtime.protocol.cursor import Cursor, Line
from realtime.protocol.entry import Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.reading import Unreadable, read_json
from realtime.protocol.subscriber import Deliver, Reason
from realtime.receipts import NOTHING_DUE, Due, confirm, due
from realtime.resume import Opening, history_problem, open_subscriber, pages
from realtime.snapshots import HEADER
from realtime.tokens import Credentials, authenticate_request, recheck
from realtime.transports.openapi import (
    POLL_PARAMETERS,
    SNAPSHOT_PARAMETERS,
    AcksSerializer,
    PollSerializer,
    SnapshotSerializer,
    TicketSerializer,
    refusals,
)
from realtime.transports.pacing import poll_interval, polls
from realtime.transports.query import cursor_in, line_of, now, wanted_in

logger = logging.getLogger("realtime.polling")

SECRETS = ("token", "ticket")
"""Fields of a query string that are credentials, and nothing that a resource or a page of errors should see."""


class TransportAuthentication(BaseAuthentication):
    """Admits by the credentials, and the rules of origin, of a WebSocket. ``request.auth`` is the Credentials."""

    def authenticate(self, request: Request) -> tuple[Any, Credentials]:
        """The user and the Credentials. Raises ProtocolError."""
        credentials = authenticate_request(request._request)
        _forget_secrets(request._request)
        if credentials.by == "session":
            SessionAuthentication().enforce_csrf(request)
        return credentials.user, credentials

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"


class TransportView(APIView):
    """A view that refuses as the transports do: ``{"code", "message"}`` and the table's status."""

    authentication_classes = [TransportAuthentication]
    permission_classes = [IsAuthenticated]

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        """Refuse one poll too many."""
        raise ProtocolError("rate_limited", "Too many requests: wait.", retry_after=math.ceil(wait or 1))

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]  # as views may answer
        """Answer a refusal in the protocol's form."""
        if isinstance(exc, DatabaseError):
            logger.warning("a request failed, as the database did: %s", type(exc).__name__)
            exc = ProtocolError("unavailable")
        if isinstance(exc, ProtocolError):
            limits.count_refusal(exc)
            return _refusal(exc)
        if isinstance(exc, SuspiciousOperation):  # DRF reads the query before anything of ours does
            return _refusal(ProtocolError("bad_message", "The request has too many fields."))
        if isinstance(exc, PermissionDenied):  # a session's POST without its CSRF token
            return _refusal(ProtocolError("forbidden", str(exc.detail)))
        return super().handle_exception(exc)


class EventsView(TransportView):
    """``GET /api/v1/events?topics=…&cursor=…&limit=…``"""

    @extend_schema(parameters=POLL_PARAMETERS, responses={200: PollSerializer, **refusals(400)})
    def get(self, request: Request) -> HttpResponse:
        """The events after a cursor; at the beginning of a line, before them, what was not acknowledged."""
        query = query_of(request._request)
        polls.take(request.user.pk)
        cursor, wanted, limit = cursor_in(query.get("cursor")), wanted_in(query), _limit_in(query.get("limit"))
        # By the credential, not the user alone: a sign-out may come between its being read and the log.
        who = partial(recheck, cast("Credentials", request.auth))
        opening = open_subscriber(who, wanted, cursor)
        if opening.reset is not None:
            return _answer_reset(opening, opening.reset)
        again = _again(opening, cursor, limit)
        events, problem = _collect(opening, limit, again)
        problem = problem or history_problem(opening.head)
        if problem is not None:
            return _answer_reset(open_subscriber(who, wanted, None), problem)
        return _answer_events(opening, cursor, again, events, limit)


class AckView(TransportView):
    """``POST /api/v1/events/ack {"message_ids": […]}``"""

    @extend_schema(request=AcksSerializer, responses={204: None, **refusals(400, 413)})
    def post(self, request: Request) -> HttpResponse:
        """Record that the client has handled these events; twice, or something unknown, is harmless."""
        client = agent(request.headers.get("User-Agent", ""))
        confirm(request.user, _read(request._request, Acks).message_ids, transport="http", client=client)
        return HttpResponse(status=204)


class TicketsView(TransportView):
    """``POST /api/v1/realtime/tickets``"""

    @extend_schema(request=None, responses={200: TicketSerializer, **refusals()})
    def post(self, request: Request) -> HttpResponse:
        """A ticket, good once, for the user of any other credential."""
        credentials = cast("Credentials", request.auth)
        if credentials.by == "ticket":
            raise ProtocolError("forbidden", "A ticket is good for one connection: sign in for another.")
        ticket = tickets.issue(credentials.user, expires_at=credentials.expires_at, claims=credentials.claims)
        return _json(messages.encode_data({"ticket": ticket, "expires_in": int(conf.TICKET_LIFETIME)}))


class SnapshotView(TransportView):
    """``GET /api/v1/snapshot?resource=…&…``: what ``Request`` answers on a WebSocket."""

    @extend_schema(parameters=SNAPSHOT_PARAMETERS, responses={200: SnapshotSerializer, **refusals(400, 404)})
    def get(self, request: Request) -> HttpResponse:
        """A resource as it is now, and a cursor from before its rows were read."""
        params = {name: value for name, value in query_of(request._request).items() if name not in SECRETS}
        resource = str(params.pop("resource", ""))
        cursor = log.present_cursor()
        result = resources.answer(request.user, resource, params, as_text=True)
        answer = {"resource": resource, "params": params, "result": result, "cursor": cursor}
        response = _json(messages.encode_data(answer))
        response[HEADER] = cursor
        return response


class Acks(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an acknowledgement."""

    message_ids: Annotated[list[UUID], msgspec.Meta(max_length=1000)]


def _collect(opening: Opening, limit: int, again: Due) -> tuple[list[Entry], Reason | None]:
    """At most one entry more than there is room for beside ``again``: it shows that there are more."""
    events: list[Entry] = []
    if again.behind is not None or len(again.entries) == limit:
        return events, None
    limit -= len(again.entries)
    for page, problem in pages(opening.state, opening.head):
        if problem is not None:
            return [], problem
        events += [entry for entry, order in page if isinstance(order, Deliver)]
        if len(events) > limit:
            break
    return events[: limit + 1], None


def _again(opening: Opening, cursor: Cursor | None, limit: int) -> Due:
    """What is to be given again: nothing to a line that goes on, but for the rest of what began it."""
    state, line = opening.state, line_of(cursor)
    if line is not None and line.given is None:
        return NOTHING_DUE
    return due(state.user_id, state.topics, line.given or 0 if line else 0, state.position, limit)


def _answer_events(
    opening: Opening, cursor: Cursor | None, again: Due, events: list[Entry], limit: int
) -> HttpResponse:
    room, line = limit - len(again.entries), Line(now(), again.behind)
    place, has_more = opening.state.cursor, len(events) > room
    if has_more:
        events = events[:room]
        place = Cursor(place.epoch, events[-1].position, events[-1].check)
    elif again.behind is not None or not room:
        has_more = again.behind is not None or place.position < opening.head.position
    frames = [Frame(entry, place.epoch, replayed=True, placed=False) for entry in again.entries]
    frames += [Frame(entry, place.epoch, replayed=True, line=line) for entry in events]
    metrics.delivered.labels("polling").inc(len(frames))
    metrics.given_again.labels("polling").inc(len(again.entries))
    interval = 0 if has_more else poll_interval(moving=bool(frames))
    answer = messages.poll_answer(
        [frame.json for frame in frames],
        replace(place, line=line).encode(),
        has_more=has_more,
        reset=[],
        poll_interval_ms=interval,
        revoked=[messages.unsubscribed(topic, "revoked") for topic in sorted(opening.lost)],
        gained=_gained(opening, cursor),
    )
    return _json(answer)


def _gained(opening: Opening, cursor: Cursor | None) -> list[bytes]:
    place = "" if cursor is None else cursor.encode()  # as handed over: the events are yet to be read
    return [messages.subscribed(topic, opening.seqs[topic], 0, place) for topic in sorted(opening.gained)]


def _answer_reset(opening: Opening, reason: Reason) -> HttpResponse:
    cursor = opening.state.cursor.encode()
    reset = messages.reset(reason, cursor, opening.seqs)
    interval = poll_interval(moving=True)
    return _json(messages.poll_answer([], cursor, has_more=False, reset=[reset], poll_interval_ms=interval))


def _limit_in(text: str | None) -> int:
    if text is None:
        return conf.POLL_LIMIT
    if not (text.isascii() and text.isdecimal() and int(text[:10]) > 0):
        raise ProtocolError("invalid_data", f"limit: expected a number from 1 to {conf.POLL_LIMIT}.")
    return min(int(text[:10]), conf.POLL_LIMIT)


def _read(request: HttpRequest, form: type[Acks]) -> Acks:
    try:
        raw = request.body
    except RequestDataTooBig as error:
        raise ProtocolError("message_too_big", limit="MAX_MESSAGE") from error
    if len(raw) > conf.MAX_MESSAGE:
        raise ProtocolError("message_too_big", limit="MAX_MESSAGE")
    try:
        body = read_json(raw, max_depth=conf.MAX_DEPTH, max_keys=conf.MAX_KEYS)
    except Unreadable as error:
        raise ProtocolError("bad_json", f"This cannot be read: {error}.", limit=error.limit) from error
    if not isinstance(body, dict):
        raise ProtocolError("invalid_data", "body: expected an object.")
    return fitted(body, form, "body")


def _forget_secrets(request: HttpRequest) -> None:
    """Once read, credentials are in nobody's way: neither a page of errors nor a resource finds them."""
    if any(name in request.GET for name in SECRETS):
        query = request.GET.copy()
        for name in SECRETS:
            query.pop(name, None)
        request.GET = query  # type: ignore[assignment]
        request.META["QUERY_STRING"] = query.urlencode()


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _refusal(error: ProtocolError) -> HttpResponse:
    response = HttpResponse(error.body, status=error.http_status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    if error.http_status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.http_status in (429, 503) and error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    return response
