"""Publishing: one row beside the change it tells of, committed with it or not at all.

Nothing here touches Redis, the log or any shared lock, so a push can neither fail nor hold up a payment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Set
from datetime import datetime
from operator import itemgetter
from uuid import UUID

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from realtime.conf import conf
from realtime.models import MAX_ABOUT, Outgoing
from realtime.outgoing import Data, Telling, insert, supersede, written
from realtime.protocol.entry import CONTROL_PREFIX
from realtime.topics import MAX_LENGTH, InvalidTopic, Topic, parse

MAX_TYPE = 64
_CONTROL_TOPIC = re.compile(rf"{CONTROL_PREFIX}\S{{1,{MAX_LENGTH - len(CONTROL_PREFIX)}}}")


class OutsideTransaction(RuntimeError):
    """publish() was called with no transaction open: the event could outlive a change that failed."""


class WrongDatabase(RuntimeError):
    """publish() was called for a database other than the outbox's: row and event could not commit together."""


class _Pending:
    """What this transaction has published under a key so far; also the commit hook that wakes the relay.

    Django drops hooks of rolled-back savepoints and transactions, so a hook still on the connection's list is
    the mark of the same transaction. Only names of rows are remembered: what they hold is asked of the database,
    as a savepoint may have been rolled back in between.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, UUID]] = {}

    def __call__(self) -> None:
        from realtime.relay import relay

        relay.wake()


def publish(
    type: str,
    data: Data,
    *,
    to: Iterable[Topic],
    key: str = "",
    ack: bool = False,
    expires: datetime | None = None,
    about: str = "",
    using: str | None = None,
    merge: Callable[[Data, Data], Data] | None = None,
) -> None:
    """Tell everyone on the topics in ``to``, once the surrounding transaction has committed.

    Only writes a row: it neither waits for Redis nor fails with it. Nothing is promised about *when* subscribers
    hear of it, only that they do, and never before what it builds on.

    With a ``key``, a later event of this transaction takes the place of an earlier one with the same key on the same
    topics, its data passed through ``merge(earlier, later)`` if given: nobody is shown what was never committed.

    With ``ack``, it is given again to each user at every connect until one of their clients acknowledges it, or until
    ``expires``, which is ``ACK_LIFETIME`` seconds from now where nothing is said. What it is ``about`` is a name for
    the thing, as ``notice:7``: a later event about it on the same topic, with or without ``ack``, ends that too.

    Raises OutsideTransaction when no transaction is open, WrongDatabase when ``using`` is not the outbox's database,
    InvalidTopic for a topic of no known kind, ValueError for a type or a thing that is no name, and TypeError or
    ValueError for data that JSON cannot hold exactly (NaN, unknown types).
    """
    topics = tuple(dict.fromkeys(to))
    if not topics:
        return
    _check_names(type, topics, about)
    connection = _connection(using)
    pending = _pending(connection)
    event = Telling(type, data, ack, expires, about, merge)
    if not key:
        insert(connection, event, topics)
        return
    rows = pending.rows.setdefault(key, {})
    for said, audience in supersede(connection, rows, event, topics):
        number, event_id = insert(connection, said, audience)
        rows[number] = event_id


def keys(*, using: str | None = None) -> Set[str]:
    """The keys under which this transaction has published so far: what it may have written, and may yet undo."""
    return _pending(_connection(using)).rows.keys()


def told(topic: Topic, *, using: str | None = None) -> bool:
    """Whether this transaction has published something under a key that will be told on ``topic``.

    What a savepoint took with it does not count. Raises as publish() does.
    """
    connection = _connection(using)
    said = [name for rows in _pending(connection).rows.values() for name in rows.items()]
    names = dict(sorted(said, key=itemgetter(1)))  # by event: of a number that was given again, the last counts
    return any(topic in row.topics.split(" ") for row in written(connection, names))


def rights_changed(
    user_id: object,
    *,
    gained: Iterable[Topic] = (),
    lost: Iterable[Topic] = (),
    offered: Iterable[Topic] = (),
    using: str | None = None,
) -> None:
    """Tell every process that ``user_id`` may now read the topics in ``gained`` and no longer those in ``lost``.

    Those in ``offered`` could be read before and now come without asking: a replay of them does not begin here.
    Written in the transaction that causes it, by the app that knows all topics concerned.
    """
    topics = {"gained": list(gained), "lost": list(lost), "offered": list(offered)}
    if not topics["offered"]:
        del topics["offered"]
    if any(topics.values()):
        data = {"user_id": str(user_id), **topics}
        publish("RightsChanged", data, to=[control_topic(user_id)], using=using)
        _forget_rights(user_id, using)


def end_sessions(user_id: object, *, using: str | None = None) -> None:
    """Have every process look again at what admitted ``user_id``, and close with 4503 what is no longer good.

    Ends nothing by itself: the credentials must have been ended in the same transaction, or before. A user who was
    deactivated or has another password is refused by then, and one whom ``AUTHENTICATION_RULE`` refuses.
    """
    publish("SessionsEnded", {"user_id": str(user_id)}, to=[control_topic(user_id)], using=using)
    _forget_rights(user_id, using)


def _forget_rights(user_id: object, using: str | None) -> None:
    """Have this process forget them with the commit: who changed them here does not wait for the log to say so."""

    def forget() -> None:
        from realtime import rights

        rights.forget(user_id)

    transaction.on_commit(forget, using=_connection(using).alias, robust=True)


def once_committed(work: Callable[[], None], using: str) -> None:
    """Do ``work`` once the open transaction has committed, and never if it does not; at once where none is open."""
    transaction.on_commit(work, using=using, robust=True)


def control_topic(user_id: object) -> Topic:
    """The topic of the control entries about one user. It is never sent to a client."""
    return Topic(f"{CONTROL_PREFIX}{user_id}")


def _connection(using: str | None) -> BaseDatabaseWrapper:
    home = router.db_for_write(Outgoing) if conf.DATABASE == "default" else conf.DATABASE
    if using not in (None, home):
        raise WrongDatabase(f"publish() writes to {home!r}; a change in {using!r} could not commit together with it.")
    connection = connections[home]
    if not connection.in_atomic_block:
        raise OutsideTransaction("publish() needs an open transaction: wrap the change in transaction.atomic().")
    return connection


def _pending(connection: BaseDatabaseWrapper) -> _Pending:
    for _, hook, *_ in reversed(connection.run_on_commit):
        if isinstance(hook, _Pending):
            return hook
    pending = _Pending()
    transaction.on_commit(pending, using=connection.alias, robust=True)
    return pending


def _check_names(type: str, topics: Iterable[str], about: str) -> None:
    """Refuse here what could not be sequenced or sent: behind it, the whole log would wait."""
    if not type.isidentifier() or len(type) > MAX_TYPE:
        raise ValueError(f"{type!r} is no event type: use a name of letters, at most {MAX_TYPE} of them")
    if len(about) > MAX_ABOUT:
        raise ValueError(f"{about!r} is too long a name for what an event is about: {MAX_ABOUT} characters at most")
    for topic in topics:
        if not topic.startswith(CONTROL_PREFIX):
            parse(topic)
        elif not _CONTROL_TOPIC.fullmatch(topic):
            raise InvalidTopic("not the topic of a user's control entries")
