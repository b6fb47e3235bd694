"""Those who write while things break, and take down what came of it: beside the servers, and through REST."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import IO, Any, Self

import httpx

from config.env import BASE_DIR
from config.services.supervisor import die_with
from config.services.waiting import wait_until
from tests.faults.history import Outcome, Right, Write
from tests.faults.rig import Rig, world_of
from tests.faults.world import World

STARTED_WITHIN = 60.0
ENDED_WITHIN = 90.0
ANSWERED_WITHIN = 15.0
ANSWERS = {"Write": Write, "Right": Right}
AFTER_AN_ERROR = 0.3


class ProcessWriter:
    """A process of its own on the database, in a role of ``writer_process``. Use as a context manager."""

    def __init__(self, rig: Rig, role: str, seed: int) -> None:
        self._rig = rig
        self._arguments = [role, str(seed)]
        self._lines: list[str] = []
        self.writes: list[Write] = []
        self.rights: list[Right] = []

    def begin(self, prefix: str, rate: float) -> None:
        """Write from now on, ``rate`` times a second."""
        self._order(f"begin {prefix} {rate}")

    def end(self) -> None:
        """Write no more, and wait until all is taken down."""
        self._order("end")
        self._wait("ended", ENDED_WITHIN)

    def forget(self) -> None:
        """Take down anew what comes from now on."""
        self.writes, self.rights = [], []

    def _order(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _wait(self, word: str, seconds: float) -> None:
        wait_until(lambda: word in self._lines or self._process.poll() is not None, seconds, lambda: f"never {word}")
        assert word in self._lines, f"a writer ended by itself\n{self._errors.read_text()[-3000:]}"
        self._lines.remove(word)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.startswith("["):
                self._lines.append(line.strip())
                continue
            kind, *fields = json.loads(line)
            if kind == "Write":
                fields[2] = tuple(fields[2])
                self.writes.append(Write(*fields))
            else:
                self.rights.append(Right(*fields))

    def __enter__(self) -> Self:
        self._errors = self._rig.directory / f"{'-'.join(self._arguments)}.log"
        with self._errors.open("w") as errors:
            self._process = self._started(errors)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._order(world_of(self._rig))
        return self

    def _started(self, errors: IO[str]) -> subprocess.Popen[str]:
        parent = os.getpid()
        return subprocess.Popen(
            [*self._rig.network.within, sys.executable, "-m", "tests.faults.writer_process", *self._arguments],
            env=self._rig.variables,
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=lambda: die_with(parent),
        )

    def wait_until_ready(self) -> None:
        """Wait until it can be told to begin."""
        self._wait("ready", STARTED_WITHIN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class RestWriter:
    """Somebody who makes, changes and deletes transactions on one account by REST."""

    def __init__(self, url: str, world: World, who: str, account: str, address: str, seed: int) -> None:
        self.writes: list[Write] = []
        self.refused = 0
        self.is_idle = False  # once it writes no more
        self.may_write = asyncio.Event()
        self.is_writing = False
        self._url = f"{url}/api/v1/transactions"
        self._account = world.accounts[account]
        self._topics = tuple(world.topics[account])
        self._prefix = ""
        self._who = f"{who}-{account}"
        self._numbers = itertools.count(1)
        self._chance = random.Random(seed)
        self._rows: list[tuple[str, str]] = []
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=ANSWERED_WITHIN, trust_env=False)
        self.token = world.tokens[who]

    def begin(self, prefix: str) -> None:
        """Mark what is written from now on, and leave what was written before alone."""
        self._prefix = f"{prefix}-{self._who}"
        self._rows.clear()

    async def write_until(self, done: asyncio.Event, rate: float) -> None:
        """Write at a rate, until there is enough."""
        try:
            await self._write_until(done, rate)
        finally:
            self.is_idle = True
            await self._http.aclose()

    async def _write_until(self, done: asyncio.Event, rate: float) -> None:
        while not done.is_set():
            await self.may_write.wait()
            began = time.monotonic()
            if not await self.write():
                await asyncio.sleep(AFTER_AN_ERROR)
            await asyncio.sleep(max(0.0, began + 1 / rate - time.monotonic()))

    async def write(self) -> bool:
        """Do one thing; return whether it was answered as it should be."""
        self.is_writing = True
        try:
            return await self._write()
        finally:
            self.is_writing = False

    async def _write(self) -> bool:
        if not self._rows or self._chance.random() < 0.5:
            return await self.create() is not None
        return await self._change(self._chance.choice(["PATCH", "PATCH", "DELETE"]))

    async def create(self) -> str | None:
        """Make a transaction; return its mark if that was answered."""
        mark = self._mark()
        body = {"account_id": self._account, "amount": "-1.00", "description": mark}
        answer = await self._ask("POST", self._url, mark, "created", body)
        if answer is None:
            return None
        self._rows.append((answer["id"], mark))
        return mark

    async def _change(self, method: str) -> bool:
        row, mark = self._rows.pop(self._chance.randrange(len(self._rows)))
        if method == "DELETE":
            return await self._ask(method, f"{self._url}/{row}", mark, "deleted") is not None
        mark = self._mark()
        answer = await self._ask(method, f"{self._url}/{row}", mark, "updated", {"description": mark})
        if answer is not None:
            self._rows.append((row, mark))
        return answer is not None

    async def _ask(
        self, method: str, url: str, mark: str, action: str, body: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        """Ask, and take down what came of it. Who is not answered, or with a failure, knows nothing."""
        began = time.monotonic()
        outcome: Outcome = "unknown"
        result: dict[str, Any] | None = None
        try:
            answer = await self._http.request(method, url, json=body, headers={"Authorization": f"Bearer {self.token}"})
            if answer.is_success:
                outcome, result = "committed", answer.json() if answer.content else {}
            elif answer.is_client_error:
                outcome = "undone"
        except httpx.HTTPError:
            pass
        self.refused += outcome != "committed"
        self.writes.append(Write(mark, action, self._topics, began, time.monotonic(), outcome))
        return result

    def _mark(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"
