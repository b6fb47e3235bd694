"""Finds the browser that the browser tests drive, and installs Debian's where that is allowed."""

import shutil

from config.launch import debian

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return the path of a Chromium, installed from Debian's packages if this is root; None for none."""
    found = _installed()
    if found is None and debian.install("chromium"):
        found = _installed()
    return found


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)
