"""What tests of every room share: people, a family, the servers."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker, Settings

from accounts.models import Family, Membership, User
from config.services.redis import NoRedis, RedisServer
from realtime.relay import relay
from tests import live, servers
from tests.live import LiveServer
from tests.tables import empty_tables, still_relay

# A pause of the machine is no reason to fail; what was found once is found again from the local database.
hypothesis_settings.register_profile(
    "quick", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile("thorough", parent=hypothesis_settings.get_profile("quick"), max_examples=1000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

LONG = ("contract", "journeys", "abuse", "docs", "packages")
"""The folders whose modules take long."""
PASSWORD = "correct horse battery staple"


def pytest_report_header() -> list[str]:
    """Say what the tests run on."""
    return [f"database: {servers.database()}", f"redis: {os.environ.get('REDIS_URL') or 'none'}"]


@pytest.hookimpl(trylast=True)  # after the modules were shuffled
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bring the modules of a folder together, as they share servers, those first that take long.

    Leave out of a run on SQLite what depends on no database: it runs on PostgreSQL, and would only run again.
    """
    items.sort(key=lambda item: _turn(item.path))
    if servers.database() != "sqlite":
        return
    once = [item for item in items if not _depends_on_a_database(item)]
    items[:] = [item for item in items if _depends_on_a_database(item)]
    config.hook.pytest_deselected(items=once)


def _turn(path: Path) -> tuple[int, str]:
    """When the tests of a module come, by its folder; modules that last a minute must not be the last."""
    folder = path.relative_to(Path(__file__).parent).parts[0]
    return (LONG.index(folder) if folder in LONG else len(LONG)), folder


def _depends_on_a_database(item: pytest.Item) -> bool:
    names = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("once"):
        return False
    return bool(item.get_closest_marker("django_db") or names & {"db", "transactional_db", "django_db_setup", "server"})


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Django's own, and at the end nobody is left in the database that it is about to drop.

    A thread that a test's server code keeps for the log holds its connection until the process ends.
    """
    yield
    if connection.vendor != "postgresql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    # Else it would go on asking for its connections back, of a database that is no more.
    connection.close()
    connection.close_pool()


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> Iterator[None]:
    """Empty the tables after a test that commits by deleting what it left, in a tenth of the time that a flush takes.

    A flush truncates every table, and makes each content type and permission anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: empty_tables())
        yield


@pytest.fixture(autouse=True)
def _relay_at_rest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the relay that a committing test woke finish before the tables are emptied under it.

    PostgreSQL would call the two a deadlock, or find the test database still in use at the end of the run.
    """
    marker = request.node.get_closest_marker("django_db")
    commits = "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction"))
    if not commits:
        yield
        return
    request.getfixturevalue("transactional_db")  # so that this ends before it
    yield
    still_relay()


@pytest.fixture
def sleeping_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on what is committed waits in the outbox, as it does for a moment after every commit.

    What gives places is up to the test.
    """
    assert not live.running, "a server gives places, too: whoever started it is to end it first"
    monkeypatch.setattr(relay, "wake", lambda: None)
    monkeypatch.setattr(relay, "_start", lambda: None)  # for a follower it would look at once, and be ahead of the test
    still_relay()


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """``make_user("alice", is_staff=True)``; the password is ``PASSWORD``."""

    def make(username: str, **fields: object) -> User:
        return User.objects.create_user(username, f"{username}@example.org", PASSWORD, **fields)

    return make


@pytest.fixture
def make_family(db: None) -> Callable[..., Family]:
    """``make_family("Smith", owner=alice, member=bob)``: one user per role."""

    def make(name: str, **members: User) -> Family:
        family = Family.objects.create(name=name)
        for role, user in members.items():
            Membership.objects.create(family=family, user=user, role=role)
        return family

    return make


@pytest.fixture
def alice(make_user: Callable[..., User]) -> User:
    """Owner of the family."""
    return make_user("alice")


@pytest.fixture
def bob(make_user: Callable[..., User]) -> User:
    """Member of the family."""
    return make_user("bob")


@pytest.fixture
def vera(make_user: Callable[..., User]) -> User:
    """Viewer of the family."""
    return make_user("vera")


@pytest.fixture
def charlie(make_user: Callable[..., User]) -> User:
    """Owner of another family, who must see nothing of this one."""
    return make_user("charlie")


@pytest.fixture
def admin(make_user: Callable[..., User]) -> User:
    """Staff and superuser, of no family."""
    return make_user("admin", is_staff=True, is_superuser=True)


@pytest.fixture
def family(make_family: Callable[..., Family], alice: User, bob: User, vera: User) -> Family:
    """The family of alice, bob and vera."""
    return make_family("Smith", owner=alice, member=bob, viewer=vera)


@pytest.fixture
def other_family(make_family: Callable[..., Family], charlie: User) -> Family:
    """The family of charlie."""
    return make_family("Jones", owner=charlie)


@pytest.fixture(scope="session")
def _own_redis() -> Iterator[RedisServer]:
    if servers.redis is not None:
        yield servers.redis
        return
    try:
        own = RedisServer()
    except NoRedis as error:
        pytest.skip(str(error))
    with own:
        yield own


@pytest.fixture
def redis_server(_own_redis: RedisServer, settings: Settings) -> Iterator[RedisServer]:
    """A Redis that the test may kill, freeze and flush; behind this process and every server of ``live_servers``."""
    layer = {**settings.CHANNEL_LAYERS["default"]}
    layer["CONFIG"] = {**layer.get("CONFIG", {}), "hosts": [_own_redis.url]}
    layer["BACKEND"] = "channels_redis.pubsub.RedisPubSubChannelLayer"
    if _own_redis is not servers.redis:
        settings.CHANNEL_LAYERS = {"default": layer}
    _own_redis.start()
    _own_redis.flush()
    yield _own_redis
    _own_redis.thaw()
    _own_redis.start()


@pytest.fixture
def live_servers(transactional_db: None) -> Iterator[Callable[..., LiveServer]]:
    """``live_servers(workers=2)`` starts a server on the test database; it ends with the test."""
    with ExitStack() as stack:

        def start(**options: object) -> LiveServer:
            return stack.enter_context(LiveServer(**options))

        yield start


@pytest.fixture
def two_writers(db: None) -> None:
    """The test lets two transactions write at the same time."""
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite no two transactions write at the same time")
