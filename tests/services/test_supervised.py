"""A server ends with its owner, however the owner went, and nobody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.services.supervised import DirectoryInUse, ServiceError, Supervised, temporary_directory
from config.services.waiting import wait_until
from tests.processes import marked, new_mark

SLEEPER = ["sleep", "600"]
PATIENCE = 5.0
SECRET = "for nobody else"

OWNER = """
import sys
from pathlib import Path
from config.services.supervised import Supervised
process = Supervised(["sleep", "600"], Path(sys.argv[1]), temporary=True)
print(process.start(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(SLEEPER, tmp_path, temporary=False) as process:
        yield process


def alive(pid: int) -> bool:
    """Whether a process runs, or is stopped, but is not merely waiting to be reaped."""
    status = Path(f"/proc/{pid}/status")
    try:
        return "\nState:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_starting_twice_starts_one(sleeper: Supervised) -> None:
    first, second = sleeper.start(), sleeper.start()

    assert first == second
    assert alive(first)


def test_its_environment_stands_in_no_list_of_processes(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": SECRET}
    with Supervised(SLEEPER, tmp_path, temporary=False, environment=environment) as process:
        pid = process.start()

        assert alive(pid)
        for process_id in (pid, process._supervisor.pid):
            assert SECRET not in Path(f"/proc/{process_id}/cmdline").read_text()


def test_closing_ends_the_server(sleeper: Supervised) -> None:
    pid = sleeper.start()

    sleeper.close()

    assert not alive(pid)


def test_a_frozen_server_can_be_stopped(sleeper: Supervised) -> None:
    pid = sleeper.start()
    sleeper.send(signal.SIGSTOP)

    sleeper.stop(signal.SIGTERM)

    assert not alive(pid)


def test_a_killed_server_starts_again_as_another(sleeper: Supervised) -> None:
    first = sleeper.start()

    sleeper.send(signal.SIGKILL)
    gone = not alive(first)
    second = sleeper.start()

    assert gone
    assert second != first
    assert alive(second)


def test_there_is_nobody_to_signal_after_the_end(sleeper: Supervised) -> None:
    sleeper.start()
    sleeper.send(signal.SIGKILL)

    assert not sleeper.send(signal.SIGCONT)


def test_a_program_that_does_not_exist_is_an_error_of_ours(tmp_path: Path) -> None:
    with (
        Supervised(["/nowhere/at-all"], tmp_path, temporary=False) as process,
        pytest.raises(ServiceError, match="the server did not start"),
    ):
        process.start()


@pytest.mark.timeout(30)
def test_one_directory_has_one_server(sleeper: Supervised, tmp_path: Path) -> None:
    sleeper.start()

    with pytest.raises(DirectoryInUse, match="is in use by another process"):
        Supervised(SLEEPER, tmp_path, temporary=False)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_owner_that_is_killed_leaves_nothing(signum: signal.Signals) -> None:
    directory, mark = temporary_directory(), new_mark()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)],
        cwd=BASE_DIR,
        env={**os.environ, **mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with owner:
        assert owner.stdout
        started = int(owner.stdout.readline())
        was_alive = alive(started)

        owner.send_signal(signum)

    assert was_alive
    wait_until(lambda: not marked(mark), PATIENCE, lambda: f"left behind: {marked(mark)}")
    wait_until(lambda: not directory.exists(), PATIENCE, lambda: f"left behind: {directory}")


def test_a_killed_supervisor_takes_its_server_along(sleeper: Supervised) -> None:
    pid = sleeper.start()
    supervisor = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])

    os.kill(supervisor, signal.SIGKILL)

    wait_until(lambda: not alive(pid), PATIENCE, lambda: "the server outlived its supervisor")
    with pytest.raises(ServiceError, match="supervisor has ended"):
        sleeper.start()
