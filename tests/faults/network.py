"""Where the servers stand: in a network of their own, behind a cable that can be pulled, or on this machine's loopback.

The first needs root and Debian's iproute2 (and nftables, for what a firewall does); the second is for machines that
have or allow none, and cannot do all of it: ``abilities`` says what.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

NETWORKS = 250
REDIS_PORT = 6379
RATE = ["rate", "1mbit", "burst", "16kb", "latency", "400ms"]
# BBR, which is some kernels' choice, sends a few KB/s for a minute after a line was slow: that is not what is tried.
CONGESTION = "echo reno > /proc/sys/net/ipv4/tcp_congestion_control"
TABLE = "add table inet faults; add chain inet faults traffic { type filter hook input priority 0; }"


class Network(Protocol):
    """What the servers are reached over."""

    abilities: frozenset[str]
    within: Sequence[str]
    host: str

    def address(self, number: int) -> str:
        """The address that one of the clients comes from: no two have the same."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Loopback:
    """No network of their own."""

    abilities: frozenset[str] = frozenset()
    within: Sequence[str] = ()
    host = "127.0.0.1"

    def address(self, number: int) -> str:
        """All of 127.0.0.0/8 is this machine."""
        return f"127.1.{number // 250}.{number % 250 + 1}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Namespace:
    """A network namespace, and a veth pair from it to here. Addresses are of the block that is kept for such tests."""

    def __init__(self) -> None:
        _remove_what_others_left()
        self.abilities = frozenset({"cable", "slow-cable"} | ({"firewall"} if shutil.which("nft") else set()))

    def __enter__(self) -> Self:
        for number in range(NETWORKS):
            self.name = f"rtl-{os.getpid()}-{number}"
            self._outer, self._inner = f"rtl{number}o", f"rtl{number}i"
            if _tried("ip", "link", "add", self._outer, "type", "veth", "peer", "name", self._inner):
                break
        else:
            raise OSError("no network interface could be made")
        self.within = ("ip", "netns", "exec", self.name)
        self.host = f"198.18.{number}.2"
        self._number = number
        try:
            self._join(f"198.18.{number}.1", f"198.19.{number}.0/24")
        except BaseException:
            self._remove()
            raise
        return self

    def _join(self, outer: str, clients: str) -> None:
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "set", self._inner, "netns", self.name)
        _run("ip", "address", "add", f"{outer}/30", "dev", self._outer)
        _run("ip", "link", "set", self._outer, "up")
        _run("ip", "route", "add", "local", clients, "dev", "lo")
        self._inside("ip", "link", "set", "lo", "up")
        self._inside("ip", "address", "add", f"{self.host}/30", "dev", self._inner)
        self._inside("ip", "link", "set", self._inner, "up")
        self._inside("ip", "route", "add", clients, "via", outer)
        self._inside("sh", "-c", CONGESTION)

    def address(self, number: int) -> str:
        """One of those that lead back over the cable."""
        return f"198.19.{self._number}.{number % 250 + 1}"

    def pull(self) -> None:
        """Pull the cable between clients and servers."""
        _run("ip", "link", "set", self._outer, "down")

    def plug(self) -> None:
        """Put the cable back."""
        _run("ip", "link", "set", self._outer, "up")

    def slow_down(self) -> None:
        """Let one megabit a second through towards the clients, and hold back the rest."""
        self._inside("tc", "qdisc", "add", "dev", self._inner, "root", "tbf", *RATE)

    def speed_up(self) -> None:
        """Let everything through again."""
        self._inside("tc", "qdisc", "del", "dev", self._inner, "root")

    def lose(self, percent: int) -> None:
        """Lose that share of what comes over the cable to the servers: data, and receipts of theirs."""
        self._firewall(f"iifname {self._inner} numgen random mod 100 < {percent} drop")

    def black_hole(self) -> None:
        """Swallow all that goes to Redis and comes from it."""
        self._firewall(f"tcp dport {REDIS_PORT} drop", f"tcp sport {REDIS_PORT} drop")

    def reset(self) -> None:
        """Answer all that goes to Redis by a reset."""
        self._firewall(f"tcp dport {REDIS_PORT} reject with tcp reset")

    def let_through(self) -> None:
        """Take the firewall's rules away."""
        self._inside("nft", "flush", "ruleset")

    def _firewall(self, *rules: str) -> None:
        self._inside("nft", TABLE)
        for rule in rules:
            self._inside("nft", f"add rule inet faults traffic {rule}")

    def _inside(self, *command: str) -> None:
        _run(*self.within, *command)

    def _remove(self) -> None:
        _tried("ip", "link", "del", self._outer)
        _tried("ip", "route", "del", "local", f"198.19.{self._number}.0/24", "dev", "lo")
        _tried("ip", "netns", "del", self.name)

    def __exit__(self, *error: object) -> None:
        self._remove()


@cache
def _why_not() -> str:
    """Why there can be no namespace here; empty when there can."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return "that needs root and iproute2"
    try:
        with Namespace():
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)


def best() -> Network:
    """A namespace where this machine allows one; else the loopback, said aloud."""
    if not _why_not():
        return Namespace()
    print(f"!!! no network namespace: {_why_not()}. Servers and clients share the loopback.", flush=True)
    return Loopback()


def _remove_what_others_left() -> None:
    """Take away the namespaces of processes that were killed; their cables and routes go along."""
    for name in os.listdir("/run/netns") if Path("/run/netns").exists() else []:
        found = re.fullmatch(r"rtl-(\d+)-(\d+)", name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _tried("ip", "netns", "del", name)
            _tried("ip", "route", "del", "local", f"198.19.{found[2]}.0/24", "dev", "lo")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _tried(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
