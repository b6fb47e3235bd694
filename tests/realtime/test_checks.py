"""Each dangerous setting is named at the start, and good ones are passed in silence."""

import logging
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest
from django.core import checks

from realtime.checks import databases_keep_the_order
from realtime.scrub import ScrubFilter

pytestmark = pytest.mark.django_db  # some of Django's own checks ask the database

GOOD_KEY = "a-key-of-its-own-that-is-long-enough-to-be-one"


def found(*, handlers=()):
    """The ids of our own messages, with these handlers on the root logger; pytest's are not scrubbed."""
    root, before = logging.getLogger(), logging.getLogger().handlers
    root.handlers = list(handlers)
    try:
        return {message.id for message in checks.run_checks(include_deployment_checks=True)} & OURS
    finally:
        root.handlers = before


OURS = {f"realtime.{kind}00{n}" for kind in "EW" for n in range(1, 10)} | {"realtime.W010", "realtime.W011"}


@pytest.fixture(autouse=True)
def _safe_otherwise(settings):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "SIGNING_KEY": GOOD_KEY}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}


def realtime(settings, **values):
    settings.REALTIME = {**settings.REALTIME, **values}


def test_the_projects_own_settings_are_in_order():
    assert found() == set()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"COLOUR": "blue"}, "realtime.E001"),
        ({"TICK": 0}, "realtime.E001"),
        ({"TICK": "0.5"}, "realtime.E001"),
        ({"AUTHENTICATION_RULE": "accounts.nowhere.rule"}, "realtime.E002"),
        ({"AUTHENTICATION_RULE": "accounts.authentication.SIGN_OUTS"}, "realtime.E002"),
        ({"ALLOWED_ORIGINS": ["app.example.org"]}, "realtime.E003"),
        ({"ALLOWED_ORIGINS": ["https://app.example.org/"]}, "realtime.E003"),
        ({"ALLOWED_ORIGINS": ["https://app.example.org:443"]}, "realtime.E003"),
        ({"ALLOWED_ORIGINS": ["https://App.example.org"]}, "realtime.E003"),
        ({"ALLOWED_ORIGINS": ["*"]}, "realtime.W002"),
    ],
)
def test_a_setting_of_realtime_that_is_wrong_is_named(settings, values, complaint):
    realtime(settings, **values)

    assert found() == {complaint}


@pytest.mark.parametrize(
    "origin", ["https://app.example.org", "http://localhost:5173", "https://[::1]:8443", "http://10.0.0.1"]
)
def test_an_origin_as_browsers_write_it_is_in_order(settings, origin):
    realtime(settings, ALLOWED_ORIGINS=[origin])

    assert found() == set()


def test_kept_connections_and_deferred_transactions_are_named(monkeypatch):
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "x", "CONN_MAX_AGE": 60, "OPTIONS": {}}
    monkeypatch.setattr("realtime.checks.settings", SimpleNamespace(DATABASES={"other": database}))

    assert {message.id for message in databases_keep_the_order(None)} == {"realtime.W001", "realtime.E004"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"SIGNING_KEY": "short"}, "realtime.W003"),
        ({"SIGNING_KEY": None}, "realtime.W004"),
        ({"CHECK_REVOKE_TOKEN": False}, "realtime.W005"),
    ],
)
def test_unsafe_tokens_are_named(settings, changes, complaint):
    if changes.get("SIGNING_KEY", "") is None:
        changes = {"SIGNING_KEY": settings.SECRET_KEY}

    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, **changes}

    assert found() == {complaint}


def test_a_server_of_any_name_is_named(settings):
    settings.ALLOWED_HOSTS = ["*"]
    assert found() == {"realtime.W009"}


@pytest.mark.parametrize(
    ("installed", "complaints"),
    [
        ("4.1.0", {"realtime.W010"}),
        ("4.2.2", {"realtime.W010"}),
        ("4.2.3", set()),
        ("4.10.0", set()),
        ("5.0rc1", set()),
    ],
)
def test_an_old_daphne_is_named(monkeypatch, installed, complaints):
    monkeypatch.setattr("realtime.checks.version", lambda name: installed)
    assert found() == complaints


def test_no_daphne_is_in_order(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("realtime.checks.version", missing)
    assert found() == set()


def test_a_handler_that_would_log_credentials_is_named():
    careful, careless = logging.NullHandler(), logging.NullHandler()
    careful.addFilter(ScrubFilter())

    assert found(handlers=[careful]) == set()
    assert found(handlers=[careful, careless]) == {"realtime.W006"}


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        ("channels.layers.InMemoryChannelLayer", {"realtime.W007"}),
        ("channels_redis.core.RedisChannelLayer", {"realtime.W008", "realtime.W011"}),
    ],
)
def test_a_layer_that_does_not_do_is_named(settings, backend, complaint):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}

    assert found() == complaint


@pytest.mark.parametrize(
    ("hosts", "is_named"),
    [
        (["redis://127.0.0.1:6379/0"], True),
        ([("127.0.0.1", 6379)], True),
        ([{"address": "redis://127.0.0.1:6379/0"}], True),
        ([{"address": "redis://127.0.0.1:6379/0", "socket_timeout": 5}], True),
        ([{"address": "redis://127.0.0.1:6379/0", "socket_timeout": 30}], False),
        ([{"address": "redis://127.0.0.1:6379/0", "socket_timeout": None}], False),
    ],
)
def test_a_core_layer_that_cuts_idle_sockets_is_named(settings, hosts, is_named):
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": hosts}}
    }

    assert ("realtime.W011" in found()) == is_named
