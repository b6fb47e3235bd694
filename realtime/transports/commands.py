"""What a client's commands do, for a connection that can answer.

Apart from the consumer, whose business is the connection's life.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from realtime import limits, log, resources, topics
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
    from realtime.transports.consumer import RealtimeConsumer

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


async def take_up_gained(client: Connection, gained: Collection[str], position: int) -> None:
    """Join, of the topics that the user may read from ``position`` on, those that come without asking.

    The client stands there, off the hub, and is told before it is sent anything later: who is cut off comes back from
    before the gain, or has been told. One that was lost again meanwhile is said to be: what the client fetched in
    between may show it.
    """
    came = await run_db(_came_of, client.user, gained, position)
    for topic in gained:
        if topic in client.state.topics:
            continue
        if topic in came.lost:
            client.revoked([topic])
        elif topic in came.seqs:
            client.state.join(topic, position)
            client.joined(topic, came.seqs[topic], 0)


class _Came(NamedTuple):
    """What came of topics gained: the seq at the gain of those that come without asking, and those lost again."""

    seqs: Mapping[str, int]
    lost: Collection[str]


def _came_of(user: Any, gained: Collection[str], position: int) -> _Came:
    try:
        fresh = present(user)
    except ProtocolError:  # deactivated: the order to close is on its way
        return _Came({}, ())
    # In this order: what is taken away between the two is then none of those that come, but one of those lost.
    automatic = topics.automatic(fresh)
    readable = topics.readable(fresh, gained)
    taken = readable & automatic
    _, newest = log.heads(taken)
    return _Came({**newest, **log.seqs_before(dict.fromkeys(taken, position))}, set(gained) - readable)


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
