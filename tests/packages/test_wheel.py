"""The Python client's wheel and sdist: what is in them, and that the client works where nothing else is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import pytest

from accounts.models import Family, User
from config.env import BASE_DIR
from ledger.models import Account
from tests.clients import access_token
from tests.live import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SOURCES = BASE_DIR / "clients" / "python"
PROJECT = tomllib.loads((SOURCES / "pyproject.toml").read_text())
NAME = "realtime_ledger_client-{}".format(PROJECT["project"]["version"])
STANDARD = {"dist-info/METADATA", "dist-info/RECORD", "dist-info/WHEEL", "dist-info/licenses/LICENSE"}

BUILD = """
import importlib
import sys

backend, folder = sys.argv[1:]
for made in ("sdist", "wheel"):
    getattr(importlib.import_module(backend), f"build_{made}")(folder)
"""

CONNECT = """
import asyncio
import json
import sys

import realtime_client
from realtime_client import RealtimeClient, State


async def listen(client):
    async for event in client:
        pass


async def main(url, token):
    print(realtime_client.__file__)
    for transport in ("websocket", "sse", "polling"):
        live = asyncio.Event()
        watch = lambda status: status.state == State.LIVE and live.set()
        async with RealtimeClient(
            url, transports=[transport], get_token=lambda refresh: token, on_status=watch, trust_env=False
        ) as client:
            listening = asyncio.create_task(listen(client))
            async with asyncio.timeout(30):
                await live.wait()
                accounts = (await client.request("accounts"))["result"]
            listening.cancel()
            print(json.dumps([transport, [each["name"] for each in accounts]]))


asyncio.run(main(*sys.argv[1:]))
"""


class Packed(NamedTuple):
    """What would be published, and the wheel that pip makes of the sdist."""

    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


class Environment:
    """An environment with pip in it and nothing else."""

    def __init__(self, home: Path) -> None:
        self.python = home / "bin" / "python"
        # It brings the pip that it puts in, so that this needs no network.
        made = _run(sys.executable, "-m", "virtualenv", "--quiet", "--python", sys.executable, str(home))
        assert made.returncode == 0, made.stderr

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python here, without what the caller's environment would have it import."""
        return _run(str(self.python), "-I", *arguments, cwd=cwd)

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip here."""
        return self.run("-m", "pip", *arguments)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Made of a copy: nothing is left in the checkout. What makes it is in no lock, and is fetched for this."""
    home = tmp_path_factory.mktemp("workshop")
    environment = Environment(home / "environment")
    fetched = environment.pip("install", "--quiet", "--retries", "1", *PROJECT["build-system"]["requires"])
    if fetched.returncode:
        pytest.skip(f"THE WHEEL OF THE PYTHON CLIENT IS NOT TESTED: what makes it cannot be had\n{fetched.stderr}")
    shutil.copytree(SOURCES, home / "python", ignore=shutil.ignore_patterns("__pycache__", "dist"))

    made = environment.run("-c", BUILD, PROJECT["build-system"]["build-backend"], str(home), cwd=home / "python")
    assert made.returncode == 0, made.stderr
    sdist, again = home / f"{NAME}.tar.gz", home / "again"
    made = environment.pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(again), str(sdist))
    assert made.returncode == 0, made.stderr
    (wheel,), (wheel_of_sdist,) = home.glob("*.whl"), again.glob("*.whl")
    return Packed(sdist, wheel, wheel_of_sdist)


@pytest.fixture(scope="module")
def installed(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment that was empty before pip installed the wheel in it, and what that asks for."""
    environment = Environment(tmp_path_factory.mktemp("installed"))
    done = environment.pip("install", "--quiet", str(packed.wheel))
    assert done.returncode == 0, done.stderr
    return environment


def test_the_wheel_holds_the_modules_as_they_lie_here_and_says_what_they_need(packed: Packed) -> None:
    found = _files_of(packed.wheel)

    assert {name for name in found if name.startswith("dist-info/")} == STANDARD
    assert {name: text for name, text in found.items() if name not in STANDARD} == _modules()
    said = message_from_bytes(found["dist-info/METADATA"])
    project = PROJECT["project"]
    assert (said["Name"], said["Version"]) == (project["name"], project["version"])
    assert (said["Requires-Python"], said["License-Expression"]) == (project["requires-python"], project["license"])
    assert sorted(said.get_all("Requires-Dist", [])) == sorted(project["dependencies"])
    assert found["dist-info/licenses/LICENSE"] == (BASE_DIR / "LICENSE").read_bytes()
    assert said.get_payload() == (SOURCES / "README.md").read_text()


def test_the_sdist_holds_what_the_wheel_is_made_of_and_makes_the_same_one(packed: Packed) -> None:
    with tarfile.open(packed.sdist) as archive:
        names = {member.name.removeprefix(f"{NAME}/") for member in archive if member.isfile()}

    assert names == {*_modules(), "LICENSE", "README.md", "pyproject.toml", "PKG-INFO"}
    assert _files_of(packed.wheel_of_sdist) == _files_of(packed.wheel)


@pytest.mark.django_db(transaction=True)
def test_where_nothing_else_is_installed_it_connects_over_every_transport(
    alice: User, family: Family, running_server: LiveServer, installed: Environment, tmp_path: Path
) -> None:
    Account.objects.create(family=family, owner=alice, name="Everyday", type="checking", currency="EUR")

    done = installed.run("-c", CONNECT, running_server.url, access_token(alice), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    place, *lines = done.stdout.splitlines()
    assert Path(place).is_relative_to(installed.python.parent.parent)
    assert [json.loads(line) for line in lines] == [[name, ["Everyday"]] for name in ("websocket", "sse", "polling")]


def _modules() -> dict[str, bytes]:
    paths = [
        path for path in (SOURCES / "realtime_client").rglob("*") if path.suffix == ".py" or path.name == "py.typed"
    ]
    return {path.relative_to(SOURCES).as_posix(): path.read_bytes() for path in paths}


def _files_of(wheel: Path) -> dict[str, bytes]:
    """What a wheel holds, without the name and version that its own folder bears."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.removeprefix(f"{NAME}."): archive.read(name) for name in archive.namelist()}


def _run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. pip keeps what it keeps within the checkout, and asks its default index alone."""
    own = {"PIP_CACHE_DIR": str(BASE_DIR / ".tools" / "pip-cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **own}, capture_output=True, text=True, timeout=240, check=False
    )
