"""Each limit that is reached is counted under the name of its setting, wherever that happens."""

from __future__ import annotations

import re

import pytest

from config.env import BASE_DIR
from realtime import limits
from realtime.conf import Settings
from realtime.metrics import metrics
from realtime.protocol.errors import ProtocolError

NAMED = re.compile(r"""(?:limit=|reached\(|_fail\(|, )"([A-Z]+_[A-Z_]+)",?\s*\)""")


def counted(setting: str) -> float:
    return float(metrics.limited.labels(setting)._value.get())


def test_a_refusal_is_counted_for_the_limit_and_for_its_code() -> None:
    before = counted("MAX_CONNECTIONS"), metrics.refused.labels("too_many_connections")._value.get()

    limits.count_refusal(ProtocolError("too_many_connections", limit="MAX_CONNECTIONS"))

    after = counted("MAX_CONNECTIONS"), metrics.refused.labels("too_many_connections")._value.get()
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]


def test_an_error_that_has_to_do_with_no_limit_is_not_counted_as_one() -> None:
    before = sum(counted(name) for name in limits.NAMES)

    limits.count(ProtocolError("forbidden"))

    assert sum(counted(name) for name in limits.NAMES) == before


def test_a_name_that_is_no_limit_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        limits.reached("TICK")


def test_every_limit_is_a_setting_and_is_counted_somewhere() -> None:
    sources = [path for path in (BASE_DIR / "realtime").rglob("*.py") if path.name != "conf.py"]
    named = {name for path in sources for name in NAMED.findall(path.read_text())}

    assert named == limits.NAMES
    assert set(Settings.__struct_fields__) >= limits.NAMES
