"""The clients' tables of errors are the protocol's."""

from pathlib import Path

import pytest
from django.core.management import call_command

from config.env import BASE_DIR

BROWSER = BASE_DIR / "realtime" / "static" / "realtime" / "errors.js"
PYTHON = BASE_DIR / "clients" / "python" / "realtime_client" / "table.py"


@pytest.mark.parametrize(("options", "module"), [([], BROWSER), (["--python"], PYTHON)], ids=["browser", "python"])
def test_a_clients_table_is_current(options: list[str], module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("client_errors", *options)

    command = " ".join(["client_errors", *options])
    assert capsys.readouterr().out == module.read_text(), f"run `manage.py {command} > {module.relative_to(BASE_DIR)}`"
