"""What the environment says about this installation, checked once, at the start.

The only module that reads the environment. Everything else takes its settings from here, so a wrong value is
found before the first request, by a sentence that names the variable and what to do about it.
"""

import os
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
import msgspec
from django.core.exceptions import ImproperlyConfigured

from realtime.conf import Settings

BASE_DIR = Path(__file__).resolve().parent.parent
SETTINGS_MODULE = "config.settings"

DEFAULT_SECRET_KEY = "development-only-secret-key-do-not-use-it-in-production"
DEFAULT_JWT_SIGNING_KEY = "development-only-token-key-do-not-use-it-in-production"
DEFAULT_HOSTS = ("localhost", "127.0.0.1", "[::1]")
SHORTEST_KEY = 32
LONGEST_NUMBER = 9  # digits: as seconds, thirty years, which can still be taken from a date
LONGEST_SAID = 40
SQLITE_SYNCHRONOUS = ("NORMAL", "FULL")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")
REDIS_SCHEMES = ("redis", "rediss", "unix")
DATABASE_ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
REALTIME_PREFIX = "REALTIME_"


class InvalidEnvironment(ImproperlyConfigured):
    """A variable of the environment that the project cannot start with."""

    def __init__(self, variable: str, problem: str, remedy: str) -> None:
        super().__init__(f"{variable} {problem}. {remedy}")
        self.variable = variable


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One installation's settings, each of them valid."""

    debug: bool
    secret_key: str
    jwt_signing_key: str
    database: Mapping[str, Any]
    database_pool: int
    sqlite_synchronous: str
    redis_url: str
    channel_prefix: str
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    https: bool
    hsts_seconds: int
    tls_certificate: str
    tls_key: str
    proxies: tuple[str, ...]
    sign_in_failures: int
    sign_in_pause: int
    static_root: str
    log_level: str
    realtime: Mapping[str, Any]

    @property
    def is_reachable(self) -> bool:
        """Whether plain HTTP, if it is redirected to TLS, leads anywhere: to a proxy, or to this server's own."""
        return bool(not self.https or self.proxies or self.tls_certificate)


def use_settings() -> None:
    """Name the settings module for Django, unless the environment names another."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)


def load() -> Environment:
    """Read the process's environment, with ``.env`` of the checkout behind it.

    Raises InvalidEnvironment for the first variable that is wrong.
    """
    read_dotenv()
    return read(os.environ)


def read_dotenv() -> None:
    """Take from ``.env`` of the checkout what the process's environment does not say."""
    if (BASE_DIR / ".env").exists():
        environ.Env.read_env(BASE_DIR / ".env")


def variables() -> dict[str, str]:
    """Return a copy of the process's environment, to be given to another program."""
    return dict(os.environ)


def adopt(values: Mapping[str, str]) -> None:
    """Set variables for this process and those it starts."""
    os.environ.update(values)


def read(values: MutableMapping[str, str]) -> Environment:
    """Check ``values`` and return them typed. Raises InvalidEnvironment."""
    source = environ.Env()
    source.ENVIRON = values
    debug = _boolean(source, "DEBUG", default=False)
    return Environment(
        debug=debug,
        secret_key=_key(source, "SECRET_KEY", DEFAULT_SECRET_KEY, debug),
        jwt_signing_key=_key(source, "JWT_SIGNING_KEY", DEFAULT_JWT_SIGNING_KEY, debug),
        database=_database(source),
        database_pool=_number(source, "DATABASE_POOL", default=10, least=2),
        sqlite_synchronous=_text(source, "SQLITE_SYNCHRONOUS", "NORMAL" if debug else "FULL", _synchronous),
        redis_url=_redis_url(source),
        channel_prefix=_text(source, "CHANNEL_PREFIX", "realtime", _non_empty),
        allowed_hosts=_listed(source, "ALLOWED_HOSTS", DEFAULT_HOSTS, _host),
        allowed_origins=_listed(source, "ALLOWED_ORIGINS", (), _origin),
        https=_boolean(source, "HTTPS", default=not debug),
        hsts_seconds=_number(source, "HSTS_SECONDS", default=30 * 24 * 3600, least=0),
        tls_certificate=source.str("TLS_CERTIFICATE", default=""),
        tls_key=source.str("TLS_KEY", default=""),
        proxies=_listed(source, "PROXIES", (), _network),
        sign_in_failures=_number(source, "SIGN_IN_FAILURES", default=10, least=1),
        sign_in_pause=_number(source, "SIGN_IN_PAUSE", default=15 * 60, least=1),
        static_root=source.str("STATIC_ROOT", default=""),
        log_level=_text(source, "LOG_LEVEL", "INFO", _log_level),
        realtime=_realtime(values),
    )


def _text(source: environ.Env, name: str, default: str, check: Callable[[str, str], str]) -> str:
    return check(name, source.str(name, default=default).strip())


def _listed(
    source: environ.Env, name: str, default: tuple[str, ...], check: Callable[[str, str], str]
) -> tuple[str, ...]:
    values = (value.strip() for value in source.list(name, default=list(default)))
    return tuple(check(name, value) for value in values if value)


def _boolean(source: environ.Env, name: str, *, default: bool) -> bool:
    # django-environ takes every unknown word for False; DEBUG=ture must not pass for production.
    word = source.str(name, default="1" if default else "0").strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise InvalidEnvironment(name, f"is {word!r}, which is neither yes nor no", "Use 1 or 0.")


def _number(source: environ.Env, name: str, *, default: int, least: int) -> int:
    text = source.str(name, default=str(default)).strip()
    if not text.isdecimal() or len(text) > LONGEST_NUMBER or int(text) < least:
        remedy = f"Use a whole number, {least} or more, of at most {LONGEST_NUMBER} digits."
        raise InvalidEnvironment(name, f"is {text[:LONGEST_SAID]!r}", remedy)
    return int(text)


def _key(source: environ.Env, name: str, default: str, debug: bool) -> str:
    key: str = source.str(name, default=default)
    remedy = 'Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
    if key == default and not debug:
        problem = "is not set, and the built-in one is public"
        raise InvalidEnvironment(name, problem, f"{remedy} (for development, DEBUG=1 accepts the built-in one)")
    if len(key.encode()) < SHORTEST_KEY:
        raise InvalidEnvironment(name, f"is shorter than {SHORTEST_KEY} bytes", remedy)
    return key


def _database(source: environ.Env) -> dict[str, Any]:
    default = f"sqlite:///{BASE_DIR / 'var' / 'db.sqlite3'}"
    remedy = "Use sqlite:////path/to/file or postgresql://user:password@host:5432/name."
    try:
        config = dict(source.db_url("DATABASE_URL", default=default))
    except Exception as error:  # django-environ lets through whatever its parsers raise
        raise InvalidEnvironment("DATABASE_URL", "cannot be read as an address", remedy) from error
    if config.get("ENGINE") not in DATABASE_ENGINES:
        raise InvalidEnvironment("DATABASE_URL", "names a database this project does not run on", remedy)
    if not config.get("NAME"):
        raise InvalidEnvironment("DATABASE_URL", "names no database", remedy)
    if config["NAME"] == ":memory:":
        problem = "names a database in memory, which the threads of a server cannot share"
        raise InvalidEnvironment("DATABASE_URL", problem, remedy)
    return config


def _redis_url(source: environ.Env) -> str:
    url: str = source.str("REDIS_URL", default="").strip()
    parts = _parts(url)
    if url and (parts is None or parts.scheme not in REDIS_SCHEMES or not (parts.hostname or parts.path)):
        remedy = "Use redis://host:6379/0, rediss://… or unix:///path/to/socket, or leave it empty for none."
        raise InvalidEnvironment("REDIS_URL", "is not the address of a Redis server", remedy)
    return url


def _non_empty(name: str, value: str) -> str:
    if not value:
        raise InvalidEnvironment(name, "is empty", "Give it a value or remove the variable.")
    return value


def _host(name: str, value: str) -> str:
    # A port is never compared: with one, the name would be nobody's.
    has_port = ":" in value and not (value.startswith("[") and value.endswith("]"))
    if "/" in value or " " in value or has_port:
        remedy = "List host names without scheme, port or path, such as ledger.example.org,.example.org."
        raise InvalidEnvironment(name, f"holds {value!r}, which is not a host name", remedy)
    return value


def _network(name: str, value: str) -> str:
    try:
        return str(ip_network(value)) if "/" in value else str(ip_network(value).network_address)
    except ValueError as error:
        remedy = "List addresses and networks as this server sees them, such as 127.0.0.1,10.0.0.0/8,::1."
        raise InvalidEnvironment(name, f"holds {value!r}, which is neither address nor network", remedy) from error


def _origin(name: str, value: str) -> str:
    parts = _parts(value)
    is_address = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    if parts is None or not is_address or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        remedy = "List origins with scheme and without path, such as https://ledger.example.org."
        raise InvalidEnvironment(name, f"holds {value!r}, which is not an origin", remedy)
    return value


def _parts(url: str) -> SplitResult | None:
    """The parts of an address; None for one whose brackets do not close, or whose port is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _log_level(name: str, value: str) -> str:
    return _one_of(LOG_LEVELS, name, value)


def _synchronous(name: str, value: str) -> str:
    return _one_of(SQLITE_SYNCHRONOUS, name, value)


def _one_of(words: tuple[str, ...], name: str, value: str) -> str:
    word = value.upper()
    if word not in words:
        raise InvalidEnvironment(name, f"is {value!r}", f"Use one of {', '.join(words)}.")
    return word


def _realtime(values: Mapping[str, str]) -> dict[str, Any]:
    """What the variables named after a setting of ``REALTIME`` say, each as the type that the setting has."""
    given = {name: values[name] for name in values if name.startswith(REALTIME_PREFIX)}
    return {name.removeprefix(REALTIME_PREFIX): _setting(name, text) for name, text in given.items()}


def _setting(variable: str, text: str) -> Any:
    name = variable.removeprefix(REALTIME_PREFIX)
    try:
        return getattr(msgspec.convert({name: text}, Settings, strict=False), name)
    except msgspec.ValidationError as error:
        # Without the text itself: it may be a secret.
        problem, remedy = f"will not do: {str(error).partition(' - at')[0]}", "See the table in docs/settings.md."
        raise InvalidEnvironment(variable, problem, remedy) from error
