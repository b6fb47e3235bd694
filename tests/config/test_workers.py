"""Workers are ready when they say so, are replaced when they die, and end when they are told to or left alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.services.waiting import wait_until
from tests.processes import marked, new_mark

PATIENCE = 10.0

# All of its processes write to one pipe, so each line is one write: with PYTHONUNBUFFERED, `print` makes two of a line.
PROGRAM = """
import os, signal, sys
from config.launch.server import listen
from config.launch.workers import Unfit, Workers

def say(line):
    os.write(1, f"{line}\\n".encode())

def serving(listener, ready):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready()
    say(f"worker {os.getpid()}")
    while True:
        signal.pause()

def stubborn(listener, ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    say(f"worker {os.getpid()}")
    while True:
        signal.pause()

def broken(listener, ready):
    sys.exit(3)

def check():
    return "not now" if os.path.exists(sys.argv[2]) else None

if __name__ == "__main__":
    with listen("127.0.0.1", 0) as listener:
        workers = Workers(globals()[sys.argv[1]], listener, count=2, drain=0, check=check)
        try:
            ended = workers.run(lambda: say("ready"))
        except Unfit as why:
            ended = why
    say(f"ended {ended}")
"""


class Program:
    """The program above, in a process of its own."""

    def __init__(self, path: Path, work: str) -> None:
        path.write_text(PROGRAM)
        self.mark = new_mark()
        self.unfit = path.with_name("unfit")  # while there is such a file
        self.unfit.write_text("") if work == "unfit" else None
        self.process = subprocess.Popen(
            [sys.executable, str(path), "serving" if work == "unfit" else work, str(self.unfit)],
            env={**os.environ, **self.mark, "PYTHONPATH": str(BASE_DIR)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def lines(self, count: int) -> list[str]:
        """The next lines it prints."""
        assert self.process.stdout
        return [self.process.stdout.readline().strip() for _ in range(count)]

    def workers(self) -> list[int]:
        """The workers' process ids, once all have said that they are ready."""
        heard: list[str] = []
        while "ready" not in heard or len(heard) < 3:
            heard += self.lines(1)
            assert heard[-1], f"it ended, or said something else: {heard}"
        return [int(line.split()[1]) for line in heard if line.startswith("worker")][-2:]

    def end(self, signum: signal.Signals) -> str:
        """Send it a signal and return the last line it prints."""
        self.process.send_signal(signum)
        assert self.process.stdout
        return self.process.stdout.read().strip()


@pytest.fixture
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    running = Program(tmp_path / "program.py", getattr(request, "param", "serving"))
    with running.process:
        yield running
        running.process.kill()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them(program: Program, signum: signal.Signals) -> None:
    program.workers()

    last = program.end(signum)

    assert last == "ended True"
    assert program.process.wait() == 0
    # Python's own resource tracker notices a moment later.
    wait_until(lambda: not marked(program.mark), PATIENCE, lambda: f"left behind: {marked(program.mark)}")


def test_a_killed_parent_takes_its_workers_along(program: Program) -> None:
    program.workers()

    program.end(signal.SIGKILL)

    wait_until(lambda: not marked(program.mark), PATIENCE, lambda: f"left behind: {marked(program.mark)}")


def test_a_worker_that_dies_is_replaced(program: Program) -> None:
    first, second = program.workers()

    os.kill(first, signal.SIGKILL)
    [line] = program.lines(1)

    word, number = line.split()
    assert word == "worker"
    assert int(number) not in (first, second)


@pytest.mark.parametrize("program", ["broken"], indirect=True)
def test_workers_that_never_were_ready_are_not_started_again(program: Program) -> None:
    assert program.lines(1) == ["ended False"]


@pytest.mark.parametrize("program", ["unfit"], indirect=True)
def test_workers_that_may_not_serve_say_why(program: Program) -> None:
    assert program.lines(1) == ["ended not now"]
    wait_until(lambda: not marked(program.mark), PATIENCE, lambda: f"left behind: {marked(program.mark)}")


def test_a_worker_comes_back_though_none_could_be_started_anew(program: Program) -> None:
    first, second = program.workers()
    program.unfit.write_text("")

    os.kill(first, signal.SIGKILL)

    ((word, number),) = (line.split() for line in program.lines(1))
    assert word == "worker"
    assert int(number) not in (first, second)


@pytest.mark.parametrize("program", ["stubborn"], indirect=True)
def test_a_worker_that_does_not_stop_is_killed(program: Program) -> None:
    program.workers()

    last = program.end(signal.SIGTERM)

    assert last == "ended True"
