"""docs/protocol.md has the tables of the code, and leaves out no command, resource or topic."""

import re

import pytest

from config.env import BASE_DIR
from realtime import resources, topics
from realtime.conf import Settings
from realtime.protocol.commands import COMMANDS
from realtime.protocol.errors import CLOSE_CODES, KINDS

PAGE = (BASE_DIR / "docs" / "protocol.md").read_text()


def rows(title: str) -> list[str]:
    """The rows of the table whose first column is called that."""
    table = re.search(rf"^\| {title} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table
    return table[1].splitlines()


def test_the_close_codes_are_those_of_the_code() -> None:
    assert rows("close code") == [f"| {code} | {meaning} |" for code, meaning in CLOSE_CODES.items()]


def test_the_errors_are_those_of_the_code() -> None:
    assert rows("error") == [f"| `{kind.code}` | {kind.http_status} | {kind.close_code} |" for kind in KINDS.values()]


def test_every_command_is_there() -> None:
    assert {row.split("`")[1] for row in rows("command")} == {command.__name__ for command in COMMANDS}


def test_every_kind_of_topic_is_there() -> None:
    named = {row.split("`")[1].removesuffix(":<uuid>") for row in rows("topic")}

    assert named == {kind.name for kind in topics.kinds()}


@pytest.mark.parametrize("name", list(resources.forms()))
def test_every_resource_is_there(name: str) -> None:
    assert re.search(rf"`{name}(?: {{.*?}})?`", PAGE, re.DOTALL)


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        ("every 30 s the server sends", "HEARTBEAT_INTERVAL"),
        ("60 s without one", "HEARTBEAT_TIMEOUT"),
        ("comes every 15 s", "SSE_KEEPALIVE"),
        ("once and for 30 s", "TICKET_LIFETIME"),
        ("16 levels", "MAX_DEPTH"),
        ("1000 keys", "MAX_KEYS"),
        ("A user has at most 10 connections", "MAX_USER_CONNECTIONS"),
        ("6 of them event streams", "MAX_USER_STREAMS"),
        ("an address 50", "MAX_ADDRESS_CONNECTIONS"),
        ("poll 20 times a second", "USER_POLL_RATE"),
        ("100 at once", "USER_POLL_BURST"),
        ("128 topics", "MAX_SUBSCRIPTIONS"),
        ("20\ncommands a second", "COMMAND_RATE"),
        ("60 at once", "COMMAND_BURST"),
        ("At most 500 events", "POLL_LIMIT"),
        ("comes more than 120 s after", "POLL_LINE"),
    ],
)
def test_a_number_is_the_default_of_its_setting(words: str, setting: str) -> None:
    assert words in PAGE
    assert re.findall(r"\d+", words) == [str(int(getattr(Settings(), setting)))]
