"""What the settings make of the environment, as another process sees them."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from pytest_django import Settings

from config.env import BASE_DIR

PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "s" * 60,
    "JWT_SIGNING_KEY": "j" * 60,
    "DATABASE_URL": "postgresql://ledger@db.example.org/books",
    "REDIS_URL": "redis://redis.example.org:6379/1",
    "CHANNEL_PREFIX": "books",
    "ALLOWED_HOSTS": "ledger.example.org",
    "ALLOWED_ORIGINS": "https://app.example.org",
    "PROXIES": "10.0.0.0/8",
    "STATIC_ROOT": "/srv/static",
    "REALTIME_MAX_SUBSCRIPTIONS": "12",
}


def settings_under(variables: dict[str, str], *names: str) -> dict[str, Any]:
    """Load the settings in a process of its own and return the values of ``names``."""
    program = (
        f"import json; from config import settings; print(json.dumps({{n: getattr(settings, n) for n in {names}}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    settings: dict[str, Any] = json.loads(done.stdout)
    return settings


@pytest.fixture(scope="module")
def production() -> dict[str, Any]:
    return settings_under(
        PRODUCTION,
        "DATABASES",
        "CHANNEL_LAYERS",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "CSRF_TRUSTED_ORIGINS",
        "CORS_ALLOWED_ORIGINS",
        "REALTIME",
        "STATIC_ROOT",
        "STORAGES",
    )


def test_production_keeps_no_connection_beside_the_pool(production: dict[str, Any]) -> None:
    database = production["DATABASES"]["default"]

    assert database["CONN_MAX_AGE"] == 0
    assert database["OPTIONS"]["pool"] == {"min_size": 1, "max_size": 10, "timeout": 10, "reconnect_timeout": 2}
    assert database["CONN_HEALTH_CHECKS"] is True


def test_production_talks_over_redis_under_its_own_prefix(production: dict[str, Any]) -> None:
    layer = production["CHANNEL_LAYERS"]["default"]

    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert layer["CONFIG"] == {"hosts": ["redis://redis.example.org:6379/1"], "prefix": "books"}


def test_production_sends_cookies_over_tls_alone(production: dict[str, Any]) -> None:
    assert production["SESSION_COOKIE_SECURE"]
    assert production["CSRF_COOKIE_SECURE"]
    assert production["SECURE_SSL_REDIRECT"]
    assert production["SECURE_HSTS_SECONDS"] == 30 * 24 * 3600


def test_a_listed_origin_may_use_every_door(production: dict[str, Any]) -> None:
    origins = ["https://app.example.org"]

    assert production["CSRF_TRUSTED_ORIGINS"] == origins
    assert production["CORS_ALLOWED_ORIGINS"] == origins
    assert production["REALTIME"]["ALLOWED_ORIGINS"] == origins


def test_static_files_are_those_that_were_collected(production: dict[str, Any]) -> None:
    assert production["STATIC_ROOT"] == "/srv/static"
    assert production["STORAGES"]["staticfiles"]["BACKEND"].endswith("CompressedManifestStaticFilesStorage")


@pytest.mark.parametrize(
    ("environment", "synchronous"),
    [
        ({"DEBUG": "1"}, "NORMAL"),
        ({"DEBUG": "1", "SQLITE_SYNCHRONOUS": "FULL"}, "FULL"),
        (PRODUCTION, "FULL"),
        (PRODUCTION | {"SQLITE_SYNCHRONOUS": "normal"}, "NORMAL"),
    ],
)
def test_sqlite_locks_when_a_transaction_begins_and_waits_for_the_disk_in_production(
    environment: dict[str, str], synchronous: str
) -> None:
    settings = settings_under(environment | {"DATABASE_URL": "sqlite:///var/nothing.sqlite3"}, "DATABASES")

    assert settings["DATABASES"]["default"]["OPTIONS"] == {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
    }


def test_without_redis_each_process_has_a_layer_of_its_own() -> None:
    settings = settings_under({"DEBUG": "1"}, "CHANNEL_LAYERS")

    assert settings["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"


def test_a_variable_changes_a_setting_of_the_events(production: dict[str, Any]) -> None:
    assert production["REALTIME"]["MAX_SUBSCRIPTIONS"] == 12
    assert production["REALTIME"]["AUTHENTICATION_RULE"] == "accounts.authentication.is_current"


def test_django_reads_no_header_of_a_proxy_by_itself() -> None:
    program = "from config import settings; raise SystemExit(hasattr(settings, 'SECURE_PROXY_SSL_HEADER'))"

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], **PRODUCTION},
        check=False,
    )

    assert done.returncode == 0


def test_no_middleware_makes_a_request_change_threads(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.DEBUG = True  # or Django does not say so
    caplog.set_level("DEBUG", "django.request")

    ASGIHandler()

    assert [each.getMessage() for each in caplog.records if "adapted" in each.getMessage()] == []
