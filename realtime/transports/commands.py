"""What a client's commands do, for a connection that can answer.

Apart from the consumer, whose business is the connection's life.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from realtime import limits, resources, topics
from realtime.access import present
from realtime.conf import conf
from realtime.joining import join_topic
from realtime.protocol import messages
from realtime.protocol.commands import Ack, Authenticate, Command, Ping, Pong, Request, Subscribe, Unsubscribe
from realtime.protocol.errors import ProtocolError
from realtime.receipts import confirm
from realtime.threads import run_db
from realtime.tokens import authenticate_token

if TYPE_CHECKING:
    from realtime.transports.connection import Connection
    from realtime.transports.websocket import RealtimeConsumer

logger = logging.getLogger("realtime.commands")

ENDS_AS = {"bad_json": "protocol_violations", "bad_message": "protocol_violations", "rate_limited": "rate_limited"}
"""What a connection is closed for that has been given too many of an error."""


async def handle(client: RealtimeConsumer, raw: str | bytes) -> None:
    """Do what one message asks, and answer. Errors leave the connection open unless they are many, or it is too big."""
    reply_to: messages.ReplyTo = None
    try:
        if not client.may_command():
            raise ProtocolError("rate_limited", limit="COMMAND_RATE")
        command = messages.parse_command(
            raw,
            max_size=conf.MAX_MESSAGE,
            max_depth=conf.MAX_DEPTH,
            max_keys=conf.MAX_KEYS,
            msgpack=client.binary,
        )
        reply_to = command.reply_to
        await _do(client, command)
    except ProtocolError as error:
        _answer_error(client, error, reply_to)
    except Exception:
        logger.exception("a command failed")
        client.say(messages.error(ProtocolError("internal"), reply_to))


async def take_up_gained(client: Connection, gained: Iterable[str], position: int) -> None:
    """Join, of the topics that the user may read from ``position`` on, those that come without asking.

    One that was lost again before it was joined is said to be: what the client fetched in between may show it. Where
    that fails, the connection is closed: nobody would ever look at them again on this one.
    """
    with client.closed_by_errors("taking up a topic"):
        await _take_up(client, gained, position)


async def _take_up(client: Connection, gained: Iterable[str], position: int) -> None:
    automatic, lost = await run_db(_came_of, client.user, tuple(gained))
    for topic in gained:
        if topic in lost and topic not in client.state.topics:
            client.revoked([topic])
        if topic not in automatic:
            continue
        try:
            async with client.lock:
                if topic in client.state.topics:
                    continue
                seq, replayed = await join_topic(client.hub, client, client.user, topic, behind=position)
        except ProtocolError as error:
            if error.code != "forbidden":
                raise
            client.revoked([topic])
            continue
        client.joined(topic, seq, replayed)


def _came_of(user: Any, gained: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Which topics come without asking now, and which of those gained may not be read any more."""
    try:
        fresh = present(user)
    except ProtocolError:  # deactivated: the order to close is on its way
        return frozenset(), frozenset()
    return frozenset(topics.automatic(fresh)), frozenset(gained) - topics.readable(fresh, gained)


def _answer(user: Any, resource: str, params: Mapping[str, Any]) -> Any:
    return resources.answer(present(user), resource, params)


def _confirm(user: Any, message_id: UUID, transport: str, agent: str) -> None:
    try:
        fresh = present(user)
    except ProtocolError:  # deactivated: the order to close is on its way
        return
    confirm(fresh, [message_id], transport=transport, client=agent)


def _answer_error(client: RealtimeConsumer, error: ProtocolError, reply_to: messages.ReplyTo) -> None:
    limits.count(error)
    if error.code == "message_too_big":
        client.close(error)
        return
    client.say(messages.error(error, reply_to))
    if error.code in ENDS_AS:
        _count(client, ENDS_AS[error.code])


def _count(client: RealtimeConsumer, code: str) -> None:
    client.violations += 1
    if client.violations >= conf.MAX_VIOLATIONS:
        client.close(ProtocolError(code))


async def _do(client: RealtimeConsumer, command: Command) -> None:
    match command:
        case Ping():
            client.say(messages.pong(command.reply_to))
        case Pong():
            pass
        case Ack():
            await run_db(_confirm, client.user, command.message_id, client.transport, client.agent)
        case Subscribe():
            await _subscribe(client, command)
        case Unsubscribe():
            _unsubscribe(client, command)
        case Request():
            await _request(client, command)
        case Authenticate():
            await _authenticate(client, command)


async def _subscribe(client: RealtimeConsumer, command: Subscribe) -> None:
    if not client.may_subscribe:
        raise ProtocolError("unknown_command", "This connection is on one topic only: use the gateway, /ws.")
    if len(client.state.topics) >= conf.MAX_SUBSCRIPTIONS and command.topic not in client.state.topics:
        raise ProtocolError("too_many_subscriptions", limit="MAX_SUBSCRIPTIONS")
    async with client.lock:
        behind = None
        if command.topic in client.state.topics:  # joined anew; nothing live may slip in between what is replayed
            behind = client.hub.follower.position if command.after is None else None
            client.hub.unsubscribe(client, command.topic)
        seq, replayed = await join_topic(
            client.hub, client, client.user, command.topic, after=command.after, behind=behind
        )
    client.joined(command.topic, seq, replayed, command.reply_to)


def _unsubscribe(client: RealtimeConsumer, command: Unsubscribe) -> None:
    if not client.may_subscribe:
        raise ProtocolError("unknown_command", "This connection is on one topic only: close it instead.")
    if command.topic not in client.state.topics:
        raise ProtocolError("not_subscribed")
    client.hub.unsubscribe(client, command.topic)
    client.say(messages.unsubscribed(command.topic, reply_to=command.reply_to))


async def _request(client: RealtimeConsumer, command: Request) -> None:
    params = command.params or {}
    client.hub.stand(client)
    cursor = client.state.cursor.encode()  # before the rows: what they lack comes after it
    result = await run_db(_answer, client.user, command.resource, params)
    client.say(messages.response(command.resource, params, result, cursor, command.reply_to))


async def _authenticate(client: RealtimeConsumer, command: Authenticate) -> None:
    try:
        fresh = await authenticate_token(command.token)
    except ProtocolError as refusal:  # a token that has expired too: here it ends nothing
        raise ProtocolError("unauthenticated", refusal.message) from refusal
    if fresh.user.pk != client.user.pk:
        raise ProtocolError("forbidden", "This token is another user's: connect anew with it.")
    client.credentials = fresh
    client.hub.heart.add(client)  # its end is another one now
    until = messages.timestamp(fresh.expires_at) if fresh.expires_at else None
    client.say(messages.authenticated(until, command.reply_to))
