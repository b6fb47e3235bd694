"""The project of docs/own-project.md, written out of that page and run as a reader would run it.

Separate from the tests, as those of the browser use it too.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

import httpx

from config.env import BASE_DIR
from config.services.supervised import Supervised, temporary_directory
from config.services.waiting import wait_until
from tests.live import free_port

PAGE = BASE_DIR / "docs" / "own-project.md"
START_TIMEOUT = 60.0
FILE = re.compile(r"```(?:python|html)\n(?:# |<!-- )(\w\S*)(?: -->)?\n(.*?)```", re.DOTALL)
PRODUCTION = re.compile(r"```sh\nuvicorn (.*?)\n```", re.DOTALL)


def files() -> dict[str, str]:
    """Return every file that the page shows, by its path."""
    return dict(FILE.findall(PAGE.read_text()))


class OwnProject:
    """The project in a directory of its own, its database made, and its server while it runs."""

    def __init__(self) -> None:
        self.directory = temporary_directory()
        for name in ("project/__init__.py", "boards/__init__.py", "boards/migrations/__init__.py"):
            self._write(name, "")
        for name, text in files().items():
            self._write(name, text)
        (self.directory / "realtime").symlink_to(BASE_DIR / "realtime")
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.directory),
            "DJANGO_SETTINGS_MODULE": "project.settings",
        }
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: Supervised | None = None

    def manage(self, *arguments: str) -> str:
        """Run its manage.py, which Django's own command does; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, *lines: str) -> str:
        """Run lines in its shell, a process that is none of the server's."""
        return self.manage("shell", "-v", "0", "-c", "\n".join(("from boards.models import *", *lines)))

    def serve(self) -> None:
        """Start the page's own command for production, but on a free port; return once it answers."""
        shown = PRODUCTION.search(PAGE.read_text())
        assert shown
        options = shown[1].replace("\\\n", " ").split()
        self._start("uvicorn", *options, "--port", str(self.port))

    def develop(self) -> None:
        """Start the development server instead, which serves static files too; return once it answers."""
        self._start("django", "runserver", "--noreload", str(self.port))

    def token(self, username: str, password: str) -> str:
        """Sign in, and return the access token."""
        answer = httpx.post(f"{self.url}/api/v1/token", data={"username": username, "password": password})
        token: str = answer.raise_for_status().json()["access"]
        return token

    def log(self) -> str:
        """Return what the server printed last."""
        return self._server.tail() if self._server else ""

    def close(self) -> None:
        """End the server and delete the project."""
        if self._server:
            self._server.stop(signal.SIGTERM)
            self._server.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._server = Supervised(command, self.directory, temporary=True, environment=self.environment)
        self._server.start()
        wait_until(self._answers, START_TIMEOUT, lambda: f"the server did not start\n{self.log()}")

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/admin/login/").status_code == 200
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        try:
            self.manage("makemigrations", "boards", "-v", "0")
            self.manage("migrate", "-v", "0")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
