"""The settings of ``realtime``: ``settings.REALTIME = {...}``, checked once, each with a default and a unit.

Separate so that every bound of the app has one home and a host project sees all of them in one table.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every key of ``REALTIME`` with its type, bounds, default and meaning."""

    DATABASE: Annotated[str, Meta(description="Alias of the database that holds outbox and log.")] = "default"
    AUTHENTICATION_RULE: Annotated[
        str,
        Meta(description="Dotted path of a callable (user, token payload) -> bool; empty admits every active user."),
    ] = ""
    ALLOWED_ORIGINS: Annotated[list[str], Meta(description="Origins that may connect, as scheme://host[:port].")] = []
    METRICS_TOKEN: Annotated[
        str,
        Meta(
            pattern=r"^([!-~]{32,})?$",
            description="Bearer token that may read the metrics, 32 characters or more; empty: staff alone may.",
        ),
    ] = ""
    QUERY_TOKEN: Annotated[bool, Meta(description="Whether ?token= is accepted as a credential.")] = True
    TICKET_LIFETIME: Annotated[float, Meta(gt=0, description="Seconds for which a one-time ticket is good.")] = 30
    # Sequencing and announcing
    TICK: Annotated[float, Meta(gt=0, description="Seconds between two looks at the log, before jitter.")] = 0.5
    TICK_JITTER: Annotated[float, Meta(ge=0, le=1, description="Share of a tick that is random.")] = 0.2
    SEQUENCE_BATCH: Annotated[int, Meta(ge=1, le=5000, description="Outbox rows sequenced per transaction.")] = 500
    SEQUENCE_PAUSE: Annotated[
        float, Meta(ge=0, le=1, description="Least seconds from one sequencing to the next, of close commits.")
    ] = 0.02
    HEAD_TIMEOUT: Annotated[
        float, Meta(gt=0, description="Seconds to wait for, and to hold idle, the lock on the log's head.")
    ] = 1.0
    ANNOUNCE_QUEUE: Annotated[int, Meta(ge=1, description="Batches that may wait to be announced.")] = 100
    ANNOUNCE_TIMEOUT: Annotated[float, Meta(gt=0, description="Seconds one announcement may take.")] = 0.25
    ANNOUNCE_PAUSE: Annotated[float, Meta(gt=0, description="Seconds the layer is left alone after a failure.")] = 1.0
    ANNOUNCE_BYTES: Annotated[
        int, Meta(ge=0, description="Bytes above which an announcement names positions only.")
    ] = 256 * 1024
    EXIT_GRACE: Annotated[float, Meta(ge=0, description="Seconds the relay is given when its process ends.")] = 1.0
    GROUP: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,80}$", description="Group of the announcements.")] = (
        "realtime.log"
    )
    # Following and fan-out
    TAIL_EVENTS: Annotated[int, Meta(ge=1, description="Recent entries kept in memory per process.")] = 10_000
    TAIL_BYTES: Annotated[int, Meta(ge=1024, description="Bytes of recent entries kept in memory.")] = 64 * 1024 * 1024
    PAGE: Annotated[int, Meta(ge=1, le=5000, description="Entries read from the log at a time.")] = 500
    START_TIMEOUT: Annotated[float, Meta(gt=0, description="Seconds a connection waits for the follower.")] = 5.0
    FANOUT_SLICE: Annotated[
        float, Meta(gt=0, description="Seconds a large fan-out may hold the event loop at a stretch.")
    ] = 0.005
    WRITE_BYTES: Annotated[
        int, Meta(ge=1024, description="Bytes of events that are joined into one write to a client.")
    ] = 64 * 1024
    UNSENT_BYTES: Annotated[
        int, Meta(ge=1024, description="Bytes unsent to one client before it is closed as too slow.")
    ] = 1024 * 1024
    UNSENT_SECONDS: Annotated[
        float,
        Meta(gt=0, description="Seconds one write may be stuck before the client is closed as too slow."),
    ] = 10.0
    RIGHTS_CACHE: Annotated[
        float,
        Meta(ge=0, description="Seconds a user's rights are kept, at most, until a control entry; 0: not at all."),
    ] = 30
    RIGHTS_USERS: Annotated[int, Meta(ge=1, description="Users whose rights are kept in memory per process.")] = 20_000
    RIGHTS_BATCH: Annotated[int, Meta(ge=1, le=1000, description="Clients whose rights one query reads, at most.")] = (
        200
    )
    DB_THREADS: Annotated[int, Meta(ge=1, description="Threads that read the log and rights.")] = 4
    # The server
    HANDSHAKE_BYTES: Annotated[int, Meta(ge=1024, description="Bytes of a request that opens a WebSocket.")] = 16 * 1024
    HANDSHAKE_HEADERS: Annotated[int, Meta(ge=10, description="Headers of a request that opens a WebSocket.")] = 100
    SEND_BYTES: Annotated[
        int, Meta(ge=0, description="Bytes unsent to one client above which ASGI's send waits, and its pings too.")
    ] = 64 * 1024
    CLOSE_TIMEOUT: Annotated[
        float, Meta(gt=0, description="Seconds a client has to answer a close and take what was sent before it.")
    ] = 5.0
    DRAIN_SPREAD: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds over which a server that ends sends its clients away, or half its drain.",
        ),
    ] = 5.0
    DAPHNE_WIRE: Annotated[bool, Meta(description="Whether events take the short way under Daphne too.")] = True
    # Clients
    HEARTBEAT_INTERVAL: Annotated[float, Meta(gt=0, description="Seconds between Pings to a WebSocket.")] = 30
    HEARTBEAT_TIMEOUT: Annotated[float, Meta(gt=0, description="Seconds of silence before 4408.")] = 60
    SSE_KEEPALIVE: Annotated[float, Meta(gt=0, description="Seconds between id lines on a quiet stream.")] = 15
    SSE_RETRY: Annotated[int, Meta(ge=0, description="Milliseconds given as retry: to EventSource.")] = 2000
    POLL_INTERVAL: Annotated[int, Meta(ge=100, description="Milliseconds advised between polls while busy.")] = 1000
    POLL_INTERVAL_QUIET: Annotated[int, Meta(ge=100, description="Milliseconds advised when quiet.")] = 5000
    POLL_RATE: Annotated[
        float, Meta(gt=0, description="Polls per second of one process above which it advises longer intervals.")
    ] = 200
    POLL_LIMIT: Annotated[int, Meta(ge=1, description="Most events of one poll answer.")] = 500
    MAX_MESSAGE: Annotated[
        int, Meta(ge=1024, le=1024 * 1024, description="Bytes of the largest message a client may send.")
    ] = 64 * 1024
    MAX_DEPTH: Annotated[int, Meta(ge=2, le=200, description="Nesting of JSON that a client may send.")] = 16
    MAX_KEYS: Annotated[int, Meta(ge=10, description="Keys of JSON that a client may send in one message.")] = 1000
    MAX_SUBSCRIPTIONS: Annotated[int, Meta(ge=1, description="Topics of one connection.")] = 128
    MAX_REPLAY: Annotated[int, Meta(ge=1, description="Log positions one resume may span; beyond: Reset.")] = 100_000
    COMMAND_RATE: Annotated[float, Meta(gt=0, description="Commands per second of one connection.")] = 20
    COMMAND_BURST: Annotated[int, Meta(ge=1, description="Commands one connection may send at once.")] = 60
    MAX_VIOLATIONS: Annotated[int, Meta(ge=1, description="Malformed messages before 4500.")] = 20
    UNAUTHENTICATED_SECONDS: Annotated[
        float,
        Meta(gt=0, description="Seconds for a request to be whole, and as many again for its client's admission."),
    ] = 10.0
    MAX_CONNECTIONS: Annotated[int, Meta(ge=1, description="WebSockets and streams of one process.")] = 20_000
    MAX_ADDRESS_CONNECTIONS: Annotated[
        int, Meta(ge=1, description="WebSockets and streams from one address, on all processes.")
    ] = 50
    MAX_USER_CONNECTIONS: Annotated[
        int, Meta(ge=1, description="WebSockets and streams of one user, on all processes.")
    ] = 10
    MAX_USER_STREAMS: Annotated[
        int, Meta(ge=1, description="Event streams of one user, which count as connections too.")
    ] = 6
    COUNT_LEASE: Annotated[
        float, Meta(gt=0, le=50, description="Seconds a process's word on how many connections it has holds.")
    ] = 15
    USER_POLL_RATE: Annotated[float, Meta(gt=0, description="Polls per second of one user, on each process.")] = 20
    USER_POLL_BURST: Annotated[int, Meta(ge=1, description="Polls one user may make at once.")] = 100
    PRESENCE_LEASE: Annotated[float, Meta(gt=0, description="Seconds a process's word on who is online holds.")] = 30
    PRESENCE_GRACE: Annotated[float, Meta(ge=0, description="Seconds after which who left counts as away.")] = 5
    # The staff's desk
    FIGURES_INTERVAL: Annotated[
        float, Meta(gt=0, description="Seconds between two words of a process about itself, while staff watches.")
    ] = 2.0
    NEWS_INTERVAL: Annotated[
        float, Meta(gt=0, description="Seconds for which changed rows are gathered before staff's lists hear of them.")
    ] = 1.0
    ASK_TIMEOUT: Annotated[
        float, Meta(gt=0, description="Seconds the other processes are given to say who is connected to them.")
    ] = 1.0
    TRAIL_SPAN: Annotated[
        int, Meta(ge=1, description="Newest entries of the log that are searched for a row's id.")
    ] = 100_000
    SIGN_OUT: Annotated[
        str,
        Meta(description="Dotted path of a callable (user id) that ends all sessions of a user; empty: staff cannot."),
    ] = ""
    ALERT_INTERVAL: Annotated[
        float, Meta(ge=0, description="Seconds between two looks at what staff is alerted of; 0: it never is.")
    ] = 5.0
    ALERT_CHECKS: Annotated[
        int, Meta(ge=1, description="Looks in a row that must agree before an alert begins, or ends.")
    ] = 2
    ALERT_END: Annotated[float, Meta(ge=0, le=1, description="Share of its threshold below which an alert ends.")] = 0.5
    ALERT_LAG: Annotated[
        int, Meta(ge=1, description="Entries of the log that a process lacks, from which staff is alerted.")
    ] = 1000
    ALERT_OUTBOX: Annotated[
        float, Meta(gt=0, description="Seconds an event waits for its place, from which staff is alerted.")
    ] = 10.0
    ALERT_DROPS: Annotated[
        float, Meta(gt=0, description="Announcements dropped per minute by one process, from which staff is alerted.")
    ] = 10.0
    ALERT_ERRORS: Annotated[
        float, Meta(gt=0, description="Errors per minute of one process, from which staff is alerted.")
    ] = 30.0
    ALERT_SLOW: Annotated[int, Meta(ge=1, description="Slow clients of one process, from which staff is alerted.")] = 50
    # Keeping
    RETENTION: Annotated[float, Meta(gt=0, description="Seconds an event is kept in the log.")] = 7 * 24 * 3600
    ACK_LIFETIME: Annotated[
        float, Meta(gt=0, description="Seconds for which an event that wants an acknowledgement is kept for it.")
    ] = 30 * 24 * 3600
    WANTING_EVENTS: Annotated[
        int,
        Meta(ge=10, description="Events that want an acknowledgement known in memory; of more the database is asked."),
    ] = 20_000
    RECEIPT_CLIENTS: Annotated[
        int, Meta(ge=1, description="Clients of one user whose acknowledgement of one event is recorded.")
    ] = 10
    RECEIPTS_KEPT: Annotated[
        float, Meta(gt=0, description="Seconds a receipt is kept, at least, and as long as its event.")
    ] = 365 * 24 * 3600
    EXPORT_ROWS: Annotated[int, Meta(ge=1, description="Receipts that one export may hold.")] = 50_000
    POLL_LINE: Annotated[
        float, Meta(gt=0, description="Seconds after a poll within which the next one is no new connection.")
    ] = 120
    PRUNE_BATCH: Annotated[int, Meta(ge=1, description="Entries deleted per transaction when pruning.")] = 5000
    BULK_ROWS: Annotated[int, Meta(ge=1, description="Rows one update(), delete() or bulk call may change.")] = 10_000


class _Current:
    """Reads ``settings.REALTIME`` once and again after ``override_settings``.

    What was read are plain attributes: they are asked for many times while one client connects.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in Settings.__struct_fields__:
            raise AttributeError(f"REALTIME has no key {name}")
        self.__dict__.update(msgspec.structs.asdict(load(getattr(django_settings, "REALTIME", {}))))
        return self.__dict__[name]

    def forget(self) -> None:
        self.__dict__.clear()


def load(values: dict[str, Any]) -> Settings:
    """Check a ``REALTIME`` dict; raise ImproperlyConfigured naming the key and what is expected."""
    try:
        return msgspec.convert(values, Settings, strict=True)
    except msgspec.ValidationError as error:
        raise ImproperlyConfigured(f"settings.REALTIME: {error}") from error


conf = cast("Settings", _Current())


def _forget(setting: str, **kwargs: Any) -> None:
    if setting == "REALTIME":
        cast("_Current", conf).forget()


setting_changed.connect(_forget)
