"""System checks: what would only hurt in production is said at the start.

Errors are wrong whatever the installation; warnings under ``--deploy`` are dangerous once strangers can connect.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from rest_framework_simplejwt import settings as simplejwt

from realtime.conf import Settings, load
from realtime.origins import ANY, is_origin
from realtime.scrub import ScrubFilter

SHORTEST_KEY = 32  # bytes; below, an HMAC key can be guessed faster than a hash of it
IN_MEMORY = "channels.layers.InMemoryChannelLayer"
LOSES_IN_SILENCE = "channels_redis.core.RedisChannelLayer"
OLDEST_DAPHNE = "4.2.3"
CORE_WAITS = 5  # seconds in one BZPOPMIN of the core layer, and redis-py's time-out where none is given


@register()
def settings_are_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """``REALTIME`` holds known keys with values in bounds."""
    try:
        load(getattr(settings, "REALTIME", {}))
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="The settings table in docs/settings.md lists every key.", id="realtime.E001")]
    return []


@register()
def settings_make_sense(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What ``REALTIME`` names is there, and reads as it is meant."""
    realtime = _settings()
    return [*_rules_are_found(realtime), *_origins_are_origins(realtime)] if realtime else []


@register()
def databases_keep_the_order(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The log's database gives places in order, and no database's connections pile up."""
    return [message for alias in settings.DATABASES for message in _database_problems(alias)]


@register(Tags.security, deploy=True)
def origins_are_listed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Not every page of the web may connect."""
    realtime = _settings()
    if realtime is None or ANY not in realtime.ALLOWED_ORIGINS:
        return []
    return [
        checks.Warning(
            "REALTIME['ALLOWED_ORIGINS'] holds '*': any page may connect with a token or a ticket.",
            hint="List the origins of your pages, as https://app.example.org.",
            id="realtime.W002",
        )
    ]


@register(Tags.security, deploy=True)
def hosts_are_listed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A page of another name for this server is no page of its own."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS holds '*': a page under any name that leads here counts as the project's own.",
            hint="List the names of this installation.",
            id="realtime.W009",
        )
    ]


@register(deploy=True)
def daphne_is_recent(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Daphne, where it is installed, is one that the contract was held against."""
    try:
        installed = version("daphne")
    except PackageNotFoundError:
        return []
    if _numbers(installed) >= _numbers(OLDEST_DAPHNE):
        return []
    return [
        checks.Warning(
            f"Daphne {installed} is older than {OLDEST_DAPHNE}: nothing here was tried with it.",
            hint=f"Install daphne>={OLDEST_DAPHNE}, or serve with uvicorn.",
            id="realtime.W010",
        )
    ]


@register(Tags.security, deploy=True)
def tokens_are_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Tokens cannot be forged, and end with the password they were given for."""
    jwt = simplejwt.api_settings
    problems: list[CheckMessage] = []
    if jwt.ALGORITHM.startswith("HS") and len(jwt.SIGNING_KEY.encode()) < SHORTEST_KEY:
        problems.append(
            checks.Warning(f"The key that signs tokens is shorter than {SHORTEST_KEY} bytes.", id="realtime.W003")
        )
    if jwt.ALGORITHM.startswith("HS") and jwt.SIGNING_KEY == settings.SECRET_KEY:
        problems.append(
            checks.Warning(
                "Tokens are signed with SECRET_KEY: who learns one key can forge sessions and tokens alike.",
                hint="Give SIMPLE_JWT a SIGNING_KEY of its own.",
                id="realtime.W004",
            )
        )
    if not jwt.CHECK_REVOKE_TOKEN:
        problems.append(
            checks.Warning(
                "Access tokens outlive a change of the password.",
                hint="Set SIMPLE_JWT['CHECK_REVOKE_TOKEN'] = True.",
                id="realtime.W005",
            )
        )
    return problems


@register(Tags.security, deploy=True)
def logs_are_scrubbed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every handler of the root logger keeps credentials to itself."""
    careless = [
        type(handler).__name__
        for handler in logging.getLogger().handlers
        if not any(isinstance(known, ScrubFilter) for known in handler.filters)
    ]
    if not careless:
        return []
    return [
        checks.Warning(
            f"Tokens and tickets of query strings may reach the log, by {', '.join(sorted(careless))}.",
            hint="Put realtime.scrub.ScrubFilter on each handler in LOGGING.",
            id="realtime.W006",
        )
    ]


@register(deploy=True)
def layer_reaches_other_processes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The channel layer tells other processes, and recovers from what becomes of Redis."""
    backend = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND")
    if backend in (None, IN_MEMORY):
        return [
            checks.Warning(
                "The channel layer is in memory: events of other processes arrive by the tick, half a second late.",
                hint="With more than one process, use channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="realtime.W007",
            )
        ]
    if backend == LOSES_IN_SILENCE:
        return [
            checks.Warning(
                f"{backend} drops over capacity in silence and goes deaf after FLUSHALL.",
                hint="Use channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="realtime.W008",
            ),
            *_idle_sockets_are_cut(settings.CHANNEL_LAYERS["default"].get("CONFIG", {})),
        ]
    return []


def _idle_sockets_are_cut(config: dict[str, Any]) -> Iterator[CheckMessage]:
    """The core layer waits in Redis for longer than redis-py, as it is by default, waits for an answer."""
    hosts = config.get("hosts", [("localhost", 6379)])
    timeouts = [host.get("socket_timeout", CORE_WAITS) if isinstance(host, dict) else CORE_WAITS for host in hosts]
    if any(timeout is not None and timeout <= CORE_WAITS for timeout in timeouts):
        yield checks.Warning(
            f"The channel layer's socket_timeout is {CORE_WAITS} s or less: each socket with nothing to hear is cut.",
            hint=f"Give each of CONFIG['hosts'] a 'socket_timeout' well above {CORE_WAITS}, or use the pubsub layer.",
            id="realtime.W011",
        )


def _numbers(name: str) -> tuple[int, ...]:
    """A version's leading numbers: 4.2.3rc1 is (4, 2)."""
    parts = itertools.takewhile(str.isdecimal, name.split("."))
    return tuple(int(part) for part in parts)


def _settings() -> Settings | None:
    """The settings, or None when they cannot be read: that is told already."""
    try:
        return load(getattr(settings, "REALTIME", {}))
    except ImproperlyConfigured:
        return None


def _rules_are_found(realtime: Settings) -> Iterator[CheckMessage]:
    for key, form, id in (
        ("AUTHENTICATION_RULE", "(user, claims) -> bool", "realtime.E002"),
        ("SIGN_OUT", "(user id)", "realtime.E005"),
    ):
        name = getattr(realtime, key)
        if name and not _is_callable(name):
            yield Error(
                f"REALTIME[{key!r}] is {name!r}, which is no callable.",
                hint=f"Give the dotted path of a function {form}.",
                id=id,
            )


def _is_callable(name: str) -> bool:
    try:
        return callable(import_string(name))
    except ImportError:
        return False


def _origins_are_origins(realtime: Settings) -> Iterator[CheckMessage]:
    for origin in realtime.ALLOWED_ORIGINS:
        if origin != ANY and not is_origin(origin):
            yield Error(
                f"REALTIME['ALLOWED_ORIGINS'] holds {origin!r}, which no browser sends as an Origin.",
                hint="Write scheme and host, with a port where it is not the scheme's own: https://app.example.org.",
                id="realtime.E003",
            )


def _database_problems(alias: str) -> Iterator[CheckMessage]:
    database = settings.DATABASES[alias]
    if database.get("CONN_MAX_AGE", 0) != 0:
        yield checks.Warning(
            f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE): under ASGI they belong to threads that end.",
            hint="Set CONN_MAX_AGE = 0, and Django's pool for PostgreSQL: OPTIONS['pool'].",
            id="realtime.W001",
        )
    is_sqlite = database["ENGINE"].endswith("sqlite3")
    if is_sqlite and str(database.get("OPTIONS", {}).get("transaction_mode", "")).upper() != "IMMEDIATE":
        yield Error(
            f"DATABASES[{alias!r}] is SQLite with deferred transactions: two relays could hold the log's head at once.",
            hint="Set OPTIONS['transaction_mode'] = 'IMMEDIATE'.",
            id="realtime.E004",
        )
