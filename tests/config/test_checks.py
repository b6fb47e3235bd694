"""``manage.py check --deploy`` finds nothing in the documented settings, and names what is dangerous in others."""

import os
import subprocess
import sys

import pytest

from config import env
from config.env import BASE_DIR
from config.launch.lint import PRODUCTION

FINDS = [
    ({}, ""),
    ({"PROXIES": ""}, "config.W001"),
    ({"DEBUG": "1", "SECRET_KEY": env.DEFAULT_SECRET_KEY}, "config.W002"),
    ({"PROXIES": "", "TLS_CERTIFICATE": "/etc/ssl/ledger.pem"}, ""),
]


@pytest.mark.parametrize(("changes", "found"), FINDS)
def test_the_documented_settings_are_clean_and_a_dangerous_change_is_named(changes: dict[str, str], found: str) -> None:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    variables = {"PATH": os.environ["PATH"], **PRODUCTION, **changes}

    done = subprocess.run(command, cwd=BASE_DIR, env=variables, capture_output=True, text=True)

    assert (done.returncode == 0) == (not found), done.stderr
    assert found in done.stderr
