"""A PostgreSQL of our own can be killed and started again, and keeps what was committed."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.services.postgres import NoPostgres, PostgresServer, StopMode, _within_reach


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresServer]:
    try:
        own = PostgresServer()
    except NoPostgres as error:
        pytest.skip(str(error))
    with own:
        yield own


@pytest.fixture
def server(cluster: PostgresServer) -> PostgresServer:
    return cluster.start()


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate", "kill"])
def test_what_was_committed_outlives_every_end(server: PostgresServer, mode: StopMode) -> None:
    with server.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")

    server.stop(mode)
    server.start()

    with server.connect() as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(7,)]


def test_a_stopped_one_refuses_connections(server: PostgresServer) -> None:
    server.stop("kill")

    with pytest.raises(psycopg.OperationalError):
        server.connect()


def test_a_new_database_is_empty_and_its_own(server: PostgresServer) -> None:
    url = server.create_database("empty")

    assert url == f"postgresql://postgres@/{server.directory}/empty"
    with server.connect("empty") as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone() == (0,)
    server.drop_database("empty")


def test_it_listens_on_no_port(server: PostgresServer) -> None:
    with server.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_closed_one_leaves_no_file() -> None:
    server = PostgresServer().start()

    server.close()

    assert not server.directory.exists()


def test_programs_in_a_private_home_are_copied_to_where_another_user_reaches_them(tmp_path: Path) -> None:
    binaries = tmp_path / "private" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "initdb").write_text("program")
    binaries.parent.chmod(0o700)
    target = tmp_path / "cluster"
    target.mkdir()

    reached = _within_reach(binaries, target)

    assert reached == target / "programs" / "bin"
    assert (reached / "initdb").read_text() == "program"
