"""A wrong variable stops the start with a sentence that names it and says what to do."""

import os
import subprocess
import sys
from typing import Any

import pytest

from config import env

KEYS = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {},
            "SECRET_KEY is not set, and the built-in one is public. Make one with: ",
        ),
        (
            {"SECRET_KEY": "s" * 40},
            "JWT_SIGNING_KEY is not set, and the built-in one is public. Make one with: ",
        ),
        (
            {"SECRET_KEY": env.DEFAULT_SECRET_KEY},
            "SECRET_KEY is not set, and the built-in one is public. Make one with: ",
        ),
        (KEYS | {"SECRET_KEY": "short"}, "SECRET_KEY is shorter than 32 bytes. Make one with: "),
        (KEYS | {"DEBUG": "ture"}, "DEBUG is 'ture', which is neither yes nor no. Use 1 or 0."),
        (
            KEYS | {"DATABASE_URL": "mysql://db/ledger"},
            "DATABASE_URL names a database this project does not run on. Use sqlite:",
        ),
        (
            KEYS | {"DATABASE_URL": "postgresql://db:many/ledger"},
            "DATABASE_URL cannot be read as an address. Use sqlite:",
        ),
        (KEYS | {"DATABASE_URL": "postgresql://db/"}, "DATABASE_URL names no database. Use sqlite:"),
        (
            KEYS | {"DATABASE_URL": "sqlite://:memory:"},
            "DATABASE_URL names a database in memory, which the threads of a server cannot share. Use sqlite:",
        ),
        (
            KEYS | {"DATABASE_URL": "ledger"},
            "DATABASE_URL names a database this project does not run on. Use sqlite:",
        ),
        (KEYS | {"DATABASE_POOL": "1"}, "DATABASE_POOL is '1'. Use a whole number, 2 or more, of at most 9 digits."),
        (
            KEYS | {"SIGN_IN_PAUSE": "1000000000000"},
            "SIGN_IN_PAUSE is '1000000000000'. Use a whole number, 1 or more, of at most 9 digits.",
        ),
        (KEYS | {"SIGN_IN_PAUSE": "9" * 5000}, f"SIGN_IN_PAUSE is '{'9' * 40}'. Use a whole number, 1 or more, of "),
        (KEYS | {"SQLITE_SYNCHRONOUS": "OFF"}, "SQLITE_SYNCHRONOUS is 'OFF'. Use one of NORMAL, FULL."),
        (
            KEYS | {"REDIS_URL": "localhost:6379"},
            "REDIS_URL is not the address of a Redis server. Use redis://host:6379/0, ",
        ),
        (KEYS | {"REDIS_URL": "redis://[::1"}, "REDIS_URL is not the address of a Redis server. Use redis://"),
        (KEYS | {"REDIS_URL": "redis://host:port/0"}, "REDIS_URL is not the address of a Redis server. Use redis://"),
        (KEYS | {"CHANNEL_PREFIX": " "}, "CHANNEL_PREFIX is empty. Give it a value or remove the variable."),
        (
            KEYS | {"ALLOWED_HOSTS": "https://ledger.example.org"},
            "ALLOWED_HOSTS holds 'https://ledger.example.org', which is not a host name. List host names without ",
        ),
        (
            KEYS | {"ALLOWED_HOSTS": "ledger.example.org:8000"},
            "ALLOWED_HOSTS holds 'ledger.example.org:8000', which is not a host name. List host names without ",
        ),
        (KEYS | {"ALLOWED_HOSTS": "::1"}, "ALLOWED_HOSTS holds '::1', which is not a host name. List host names "),
        *(
            (KEYS | {"ALLOWED_ORIGINS": origin}, f"ALLOWED_ORIGINS holds '{origin}', which is not an origin. List ")
            for origin in ("https://[::1", "https://ledger.example.org:x", "https://a@b.example.org", "https://a.org#b")
        ),
        (
            KEYS | {"ALLOWED_ORIGINS": "https://a.example.org,ledger.example.org"},
            "ALLOWED_ORIGINS holds 'ledger.example.org', which is not an origin. List origins with scheme ",
        ),
        (
            KEYS | {"ALLOWED_ORIGINS": "https://ledger.example.org/"},
            "ALLOWED_ORIGINS holds 'https://ledger.example.org/', which is not an origin. List origins with ",
        ),
        (
            KEYS | {"PROXIES": "127.0.0.1,proxy.example.org"},
            "PROXIES holds 'proxy.example.org', which is neither address nor network. List addresses and networks ",
        ),
        (
            KEYS | {"PROXIES": "10.0.0.1/8"},  # bits of a host: which of the two is meant?
            "PROXIES holds '10.0.0.1/8', which is neither address nor network. List addresses and networks ",
        ),
        (KEYS | {"PROXIES": "*"}, "PROXIES holds '*', which is neither address nor network. List addresses and "),
        (
            KEYS | {"REALTIME_MAX_CONECTIONS": "10"},
            "REALTIME_MAX_CONECTIONS will not do: Object contains unknown field `MAX_CONECTIONS`. See the ",
        ),
        (
            KEYS | {"REALTIME_MAX_SUBSCRIPTIONS": "0"},
            "REALTIME_MAX_SUBSCRIPTIONS will not do: Expected `int` >= 1. See the table in ",
        ),
        (
            KEYS | {"LOG_LEVEL": "loud"},
            "LOG_LEVEL is 'loud'. Use one of DEBUG, INFO, WARNING, ERROR, CRITICAL.",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Engine not recognized:UserWarning")
def test_a_wrong_variable_is_named_with_its_remedy(values: dict[str, str], message: str) -> None:
    with pytest.raises(env.InvalidEnvironment) as refusal:
        env.read(values)

    assert str(refusal.value).startswith(message)


def test_nothing_of_a_key_is_in_the_message() -> None:
    with pytest.raises(env.InvalidEnvironment) as refusal:
        env.read(KEYS | {"JWT_SIGNING_KEY": "hunter2"})

    assert "hunter2" not in str(refusal.value)


def test_nothing_of_a_database_password_is_in_the_message() -> None:
    with pytest.raises(env.InvalidEnvironment) as refusal:
        env.read(KEYS | {"DATABASE_URL": "mysql://ledger:hunter2@db/ledger"})

    assert "hunter2" not in str(refusal.value)


def test_development_accepts_the_built_in_keys() -> None:
    environment = env.read({"DEBUG": "1"})

    assert environment.secret_key == env.DEFAULT_SECRET_KEY
    assert environment.jwt_signing_key == env.DEFAULT_JWT_SIGNING_KEY
    assert not environment.https


def test_production_has_the_safe_defaults() -> None:
    environment = env.read(dict(KEYS))

    assert not environment.debug
    assert environment.https
    assert environment.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert environment.allowed_origins == ()
    assert environment.proxies == ()
    assert environment.realtime == {}
    assert environment.redis_url == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////data/ledger.sqlite3", {"NAME": "/data/ledger.sqlite3", "HOST": "", "USER": ""}),
        (
            "postgresql://ledger:p%40ss@db.example.org:5433/books",
            {"NAME": "books", "HOST": "db.example.org", "PORT": 5433, "USER": "ledger", "PASSWORD": "p@ss"},
        ),
        ("postgresql://ledger@//run/postgresql/books", {"NAME": "books", "HOST": "/run/postgresql", "USER": "ledger"}),
    ],
)
def test_a_database_is_read_from_its_address(url: str, expected: dict[str, Any]) -> None:
    database = env.read(KEYS | {"DATABASE_URL": url}).database

    assert {name: database[name] for name in expected} == expected


def test_proxies_are_addresses_and_networks() -> None:
    environment = env.read(KEYS | {"PROXIES": "127.0.0.1, 10.0.0.0/8,2001:DB8::/32"})

    assert environment.proxies == ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32")


def test_a_setting_of_the_events_is_read_as_what_it_is() -> None:
    environment = env.read(KEYS | {"REALTIME_TICK": "0.25", "REALTIME_PAGE": "50", "REALTIME_QUERY_TOKEN": "false"})

    assert environment.realtime == {"TICK": 0.25, "PAGE": 50, "QUERY_TOKEN": False}


def test_lists_are_read_by_comma_with_spaces_forgiven() -> None:
    environment = env.read(KEYS | {"ALLOWED_HOSTS": "a.example.org, .b.example.org,"})

    assert environment.allowed_hosts == ("a.example.org", ".b.example.org")


def test_the_command_line_prints_the_sentence_and_no_traceback() -> None:
    variables = {"PATH": os.environ["PATH"], "DEBUG": "0", "SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "short"}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=env.BASE_DIR, env=variables, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: JWT_SIGNING_KEY is shorter than 32 bytes. Make one with: ")
    assert done.stderr.count("\n") == 1
