"""No credential reaches a log, by whatever part of a record it comes."""

import io
import logging
from types import SimpleNamespace

import pytest
from rest_framework_simplejwt.tokens import AccessToken
from uvicorn.logging import AccessFormatter

from realtime.scrub import ScrubFilter, scrub, scrub_event


@pytest.fixture
def jwt():
    return str(AccessToken())


@pytest.fixture
def log():
    """A logger whose one handler is scrubbed, and what it has written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(ScrubFilter())
    logger = logging.getLogger("tests.scrubbed")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    yield SimpleNamespace(written=written.getvalue, handler=handler, to=logger)
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("line", "scrubbed"),
    [
        ("GET /ws?token=abc.def&topics=global", "GET /ws?token=[scrubbed]&topics=global"),
        ("GET /ws?topics=global&ticket=abc", "GET /ws?topics=global&ticket=[scrubbed]"),
        ("GET /ws?TOKEN%3Dabc HTTP/1.1", "GET /ws?TOKEN%3D[scrubbed] HTTP/1.1"),
        ("Authorization: Bearer 0123456789abcdef0123", "Authorization: Bearer [scrubbed]"),
        ("realtime.v1, bearer.0123456789abcdef0123", "realtime.v1, bearer.[scrubbed]"),
        ("{'name': 'r', 'new_password': 'abc'}", "{'name': 'r', 'new_password': '[scrubbed]'}"),
        (
            '{"command":"Authenticate","data":{"token":"abc"}}',
            '{"command":"Authenticate","data":{"token":"[scrubbed]"}}',
        ),
        ("Cookie: sessionid=abc; theme=dark", "Cookie: sessionid=[scrubbed]; theme=dark"),
        ("a token of appreciation and a ticket to ride", "a token of appreciation and a ticket to ride"),
    ],
)
def test_what_names_a_secret_loses_its_value_and_nothing_else(line, scrubbed):
    assert scrub(line) == scrubbed


def test_a_jwt_is_known_by_its_shape(jwt):
    assert scrub(f"what is {jwt}?") == "what is [scrubbed]?"


def test_arguments_that_are_a_secret_only_together_are_scrubbed(log):
    log.to.warning("token=%s", "hunter2")

    assert log.written() == "token=[scrubbed]\n"


def test_a_traceback_is_scrubbed(log, jwt):
    try:
        raise ValueError(f"cannot read {jwt}")
    except ValueError:
        log.to.exception("refused")

    assert "ValueError: cannot read [scrubbed]" in log.written()
    assert jwt not in log.written()


def test_extras_of_a_record_are_scrubbed(log, jwt):
    log.handler.setFormatter(logging.Formatter("%(message)s %(path)s %(headers)s"))

    log.to.warning("refused", extra={"path": f"/?ticket={jwt}", "headers": {"sent": [jwt], "token": "x"}})

    assert log.written() == "refused /?ticket=[scrubbed] {'sent': ['[scrubbed]'], 'token': '[scrubbed]'}\n"


def test_uvicorns_access_formatter_still_finds_its_arguments(log):
    log.handler.setFormatter(AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", None, "%", False))

    log.to.info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", "/ws?token=hunter2", "1.1", 401)

    assert log.written() == "1.2.3.4:5 GET /ws?token=[scrubbed] HTTP/1.1 401 Unauthorized\n"


def test_a_structlog_event_is_scrubbed(jwt):
    event = scrub_event(None, "info", {"event": "refused", "token": "hunter2", "path": f"/?ticket={jwt}"})

    assert event == {"event": "refused", "token": "[scrubbed]", "path": "/?ticket=[scrubbed]"}
