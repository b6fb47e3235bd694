"""docs/settings.md names what the code reads, with the defaults that it has, and the code reads all that it names."""

import ast
import re
from collections import UserDict

import pytest
from django.core.management import call_command

from config import env
from config.env import BASE_DIR
from realtime.conf import Settings

PAGE = (BASE_DIR / "docs" / "settings.md").read_text()
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
VARIABLES = {name: default for name, default, _ in ROW.findall(PAGE.split("## `REALTIME`")[0])}
PRODUCTION = {"SECRET_KEY": "s" * env.SHORTEST_KEY, "JWT_SIGNING_KEY": "j" * env.SHORTEST_KEY}


class Asked(UserDict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self.names: set[str] = set()
        super().__init__(values)

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)


def test_the_table_of_settings_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("realtime_settings")

    assert capsys.readouterr().out in PAGE, "copy what `python3 run.py manage realtime_settings` prints"


def test_the_table_of_limits_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("realtime_settings", "--limits")

    assert capsys.readouterr().out in PAGE, "copy what `python3 run.py manage realtime_settings --limits` prints"


def test_every_setting_is_read_somewhere() -> None:
    sources = [path for path in (BASE_DIR / "realtime").rglob("*.py") if path.name != "conf.py"]
    read = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("conf", "self._limits")
    }

    assert set(Settings.__struct_fields__) - read == set()


def test_every_variable_of_the_environment_is_in_the_table() -> None:
    asked = Asked(PRODUCTION)

    env.read(asked)

    assert asked.names == VARIABLES.keys()


@pytest.mark.parametrize("name", [name for name, default in VARIABLES.items() if default[0] == "`"])
def test_a_variable_has_the_default_that_the_table_says(name: str) -> None:
    default = re.findall(r"`(.*?)`", VARIABLES[name])[0]

    assert env.read({**PRODUCTION, name: default}) == env.read({**PRODUCTION})


@pytest.mark.parametrize("name", [name for name, default in VARIABLES.items() if default == "empty"])
def test_a_variable_that_is_empty_is_as_none(name: str) -> None:
    assert env.read({**PRODUCTION, name: ""}) == env.read({**PRODUCTION})


@pytest.mark.parametrize("name", [name for name, default in VARIABLES.items() if default == "none"])
def test_a_variable_without_default_has_to_be_given(name: str) -> None:
    with pytest.raises(env.InvalidEnvironment, match=f"{name} is not set"):
        env.read({key: value for key, value in PRODUCTION.items() if key != name})
