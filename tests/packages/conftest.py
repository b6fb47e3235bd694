"""The packages in clients/ as somebody gets them who installs them: packed, unpacked, and beside the real server."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.launch import node
from tests.live import LiveServer

OLDEST_NODE = (20, 19)  # the first that takes a plain .js file for a module by what is in it
HAS_WEBSOCKET = (22, 0)


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """What the lock of package.json names, installed."""
    found = node.packages()
    if found is None:
        pytest.skip("THE PACKAGES FOR NODE ARE NOT TESTED: that needs node, and npm for what they are tested with")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if _numbers(version) < OLDEST_NODE:
        pytest.skip(f"THE PACKAGES FOR NODE ARE NOT TESTED: node {version.strip()} is older than 20.19")
    return found


@pytest.fixture(scope="session")
def workshop(node_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what packages are made of, in which nothing is packed yet: nothing is left in the checkout."""
    workshop = tmp_path_factory.mktemp("workshop")
    for source in ("clients", "realtime/static", "tests/browser/js"):
        shutil.copytree(BASE_DIR / source, workshop / source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copy(BASE_DIR / "LICENSE", workshop)
    modules = workshop / "clients" / "node_modules"
    modules.mkdir()
    for package in node_packages.iterdir():
        if package.name != "@realtime-ledger":
            (modules / package.name).symlink_to(package)
    return workshop / "clients"


@pytest.fixture(scope="session")
def pack(workshop: Path) -> Callable[[str], Path]:
    """``pack("js")`` gives the tarball that would be published."""

    def pack(name: str) -> Path:
        made = call("npm", "pack", "--silent", cwd=workshop / name)
        assert made.returncode == 0, made.stderr
        return workshop / name / made.stdout.strip().splitlines()[-1]

    return pack


@pytest.fixture(scope="session")
def unpack(workshop: Path, pack: Callable[[str], Path], tarball: Path) -> Callable[[str], None]:
    """``unpack("react")`` puts it, as it is packed, where node finds it, beside the packed client."""

    def unpack(name: str) -> None:
        archive, package = (tarball, "client") if name == "js" else (pack(name), name)
        place = workshop / "node_modules" / "@realtime-ledger" / package
        if place.is_symlink():
            place.unlink()
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as files:
            files.extractall(place.parent, filter="data")
        shutil.rmtree(place)
        (place.parent / "package").rename(place)

    unpack("js")
    return unpack


@pytest.fixture(scope="session")
def tarball(pack: Callable[[str], Path]) -> Path:
    """The packed browser client."""
    return pack("js")


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was empty before npm installed the packed browser client in it, without a network."""
    home = tmp_path_factory.mktemp("installed")
    (home / "package.json").write_text('{"type": "module"}')
    done = call("npm", "install", "--offline", "--no-audit", "--no-fund", str(tarball), cwd=home)
    assert done.returncode == 0, done.stderr
    return home


# The folder has an __init__.py for that scope: a server that lived on would see to other tests' events.
@pytest.fixture(scope="package")
def running_server(django_db_setup: None) -> Iterator[LiveServer]:
    """The real server, on the test database; one for all tests of this folder."""
    with LiveServer() as server:
        yield server


def call(*command: str, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said. npm keeps what it keeps within the checkout."""
    environment = node.environment()
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def node_with_websocket() -> list[str]:
    """The command that starts a node which has WebSocket, as browsers do."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return ["node"] if _numbers(version) >= HAS_WEBSOCKET else ["node", "--experimental-websocket"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip().lstrip("v").split(".")[:2])
