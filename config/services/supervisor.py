"""Runs one server for an owner, and ends it when the owner is gone, however the owner went.

A program of its own, standard library alone, so that it starts in a few milliseconds. The owner holds a pipe
to it: when that closes, by SIGKILL too, the server is stopped. Should the supervisor itself be killed, the
kernel ends the server (PR_SET_PDEATHSIG, which is tied to a thread: hence to this program's main thread).

The first line it reads says what to run: ``{"command": […], "directory": "/…", "log": "/…", "stop_signal": 15, …}``.
Orders follow as lines: ``start``, ``signal 9``, ``stop 15``. Each is answered by one line.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

LOCK_PATIENCE = 5.0
PR_SET_PDEATHSIG = 1


def die_with(parent: int, signum: int = signal.SIGKILL) -> None:
    """Have the kernel send ``signum`` to this process when the thread that started it ends.

    ``parent`` is the process that is expected to have started this one: if it is already gone, exit at once.
    Promises nothing where the system is not Linux.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Supervisor:
    """One server: its command, its directory, its lock, and the process while it runs."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.directory = Path(spec["directory"])
        self.child: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def lock(self) -> bool:
        """Take the directory for this supervisor. A predecessor gets a few seconds to finish."""
        self._lock = open(self.directory / "lock", "w")  # noqa: SIM115  (held for this program's life)
        deadline = time.monotonic() + LOCK_PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(0.05)
        return False

    def start(self) -> str:
        if self.child is None or self.child.poll() is not None:
            with open(self.spec["log"], "ab") as log:
                self.child = subprocess.Popen(
                    self.spec["command"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.directory,
                    env=self.spec["environment"],
                    start_new_session=True,
                    preexec_fn=self._become,
                )
        return f"started {self.child.pid}"

    def signal(self, signum: int) -> str:
        if self.child is None or self.child.poll() is not None:
            return "gone"
        self.child.send_signal(signum)
        if signum == signal.SIGKILL:
            self.child.wait()
        return "sent"

    def stop(self, signum: int) -> str:
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signum)
            self.child.send_signal(signal.SIGCONT)  # a frozen process would not hear of it
            try:
                self.child.wait(self.spec["grace"])
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return "stopped"

    def finish(self) -> None:
        self.stop(self.spec["stop_signal"])
        if self.spec["temporary"]:
            shutil.rmtree(self.directory, ignore_errors=True)

    def obey(self, order: str) -> str:
        """Carry out one order and return the answer."""
        word, *arguments = order.split()
        if word == "start":
            return self.start()
        return {"signal": self.signal, "stop": self.stop}[word](int(arguments[0]))

    def _become(self) -> None:
        if self.spec["group_id"] is not None:
            os.setgroups([])
            os.setgid(self.spec["group_id"])
            os.setuid(self.spec["user_id"])
        # After setuid, which clears it.
        die_with(self._pid, self.spec["stop_signal"])

    _pid = os.getpid()


def main() -> None:
    # Ctrl-C reaches a terminal's whole group; who ends first is the owner's to decide.
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    specification = sys.stdin.readline()
    if not specification:
        return  # the owner is gone already
    supervisor = Supervisor(json.loads(specification))
    if not supervisor.lock():
        print("locked", flush=True)
        return
    print("ready", flush=True)
    try:
        for order in sys.stdin:
            try:
                answer = supervisor.obey(order)
            except OSError as error:
                answer = f"error {error}"
            print(answer, flush=True)
    except BrokenPipeError:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.finish()


if __name__ == "__main__":
    main()
