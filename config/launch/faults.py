"""Breaks the product in every way there is: the programs that it takes, and then the tests' own command."""

import shutil
from typing import NoReturn

from config import env
from config.launch import debian
from config.launch.programs import become

NEEDED = {"ip": "iproute2", "nft": "nftables"}


def faults(arguments: list[str]) -> NoReturn:
    """Try what ``arguments`` name. What this machine has no means for is left out, said aloud."""
    if missing := [package for program, package in NEEDED.items() if shutil.which(program) is None]:
        debian.install(*missing)
    become(["-m", "tests.faults", *arguments], env.variables())
