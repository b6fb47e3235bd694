"""The browser client's table of errors is the protocol's."""

import pytest
from django.core.management import call_command

from config.env import BASE_DIR

MODULE = BASE_DIR / "realtime" / "static" / "realtime" / "errors.js"


def test_the_browser_clients_table_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("client_errors")

    assert capsys.readouterr().out == MODULE.read_text(), (
        "run `manage.py client_errors > realtime/static/realtime/errors.js`"
    )
