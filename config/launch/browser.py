"""Finds the browser that the browser tests drive, and installs Debian's where that is allowed."""

import shutil

from config.launch import debian

SHELL = "chromium-headless-shell"
"""Chromium without its windows: the same pages for half the processor time."""

NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return the path of a Chromium, installed from Debian's packages if this is root; None for none.

    The shell is preferred, and installed beside another; a Debian that has none is asked for the whole browser.
    """
    if shutil.which(SHELL) is None:
        debian.install(SHELL)
    if installed() is None:
        debian.install("chromium")
    return installed()


def installed() -> str | None:
    """Return the path of a Chromium that is on this machine, None for none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)
