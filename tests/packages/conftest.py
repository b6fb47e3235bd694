"""The packages in clients/ as somebody gets them who installs them: packed, unpacked, and beside the real server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.launch import node
from tests.live import LiveServer

CLIENTS = BASE_DIR / "clients"
OLDEST_NODE = (20, 19)  # the first that takes a plain .js file for a module by what is in it
HAS_WEBSOCKET = (22, 0)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


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
def pack(node_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``pack("js")`` gives the tarball that would be published. It is made from a copy: nothing is left in clients/."""
    workshop = tmp_path_factory.mktemp("packing")
    for source in ("clients", "realtime/static"):
        shutil.copytree(BASE_DIR / source, workshop / source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copy(BASE_DIR / "LICENSE", workshop)
    (workshop / "clients" / "node_modules").symlink_to(node_packages)

    def pack(name: str) -> Path:
        made = call("npm", "pack", "--silent", cwd=workshop / "clients" / name)
        assert made.returncode == 0, made.stderr
        return workshop / "clients" / name / made.stdout.strip().splitlines()[-1]

    return pack


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


@pytest.fixture
def server(transactional_db: None) -> Iterator[LiveServer]:
    """The real server, on the test database."""
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
