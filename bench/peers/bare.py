"""The bare loop: the limit. It also proves the load generator, which must not be what it is stopped by."""

from __future__ import annotations

from pathlib import Path

from bench.load.native import build, compiler
from bench.machine import TOOLS
from bench.peers.server import Missing, Server
from bench.program import Program

SOURCE = Path(__file__).with_name("bare.c")


class Bare(Server):
    """Our own bare loop in C."""

    name = "a bare C loop: the limit"
    overload = 500

    def start(self) -> Program:
        if compiler() is None:
            raise Missing("no C compiler: install cc, gcc or clang")
        return Program([str(build(TOOLS, SOURCE)), str(self.port)], self.port)

    def version(self) -> str:
        return f"bare loop by {Path(compiler() or 'cc').name}"
