"""Finds the browser that the browser tests drive, and installs Debian's where that is allowed."""

import os
import shutil

from config import env
from config.launch.programs import run

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return the path of a Chromium, installed from Debian's packages if this is root; None for none."""
    found = _installed()
    if found is None and os.getuid() == 0 and shutil.which("apt-get"):
        print("No Chromium on this machine: installing Debian's.", flush=True)
        variables = env.variables() | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "chromium"]):
            run(["apt-get", *arguments], variables)
        found = _installed()
    return found


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)
