"""Installs Debian's packages, where that is allowed: for tests that need a program which no Python package brings."""

import os
import shutil

from config import env
from config.launch.programs import run


def install(*packages: str) -> bool:
    """Install the packages if this is root on a Debian; return whether that was tried."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        return False
    print(f"Not on this machine: installing Debian's {', '.join(packages)}.", flush=True)
    variables = env.variables() | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]):
        run(["apt-get", *arguments], variables)
    return True
