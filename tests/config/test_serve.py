"""The production start refuses what it could not serve, and hides credentials from its log."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx

from config.env import BASE_DIR
from config.services.waiting import wait_until
from tests.certificates import certify
from tests.live import LiveServer, variables

PATIENCE = 10.0


def serve(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Try to serve, where that ends at once."""
    command = [sys.executable, "-m", "config.launch", "serve", "--port", "0"]
    return subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60)


def database(folder: Path) -> dict[str, str]:
    """The environment of an installation whose database was never migrated."""
    url = f"sqlite:///{folder}/empty.sqlite3"
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url}


def realtime(settings: dict[str, object]) -> dict[str, str]:
    """Variables that change ``REALTIME``."""
    return {"DJANGO_SETTINGS_MODULE": "tests.contract.server_settings", "TEST_REALTIME": json.dumps(settings)}


def test_a_wrong_environment_is_one_sentence() -> None:
    done = serve({"PATH": os.environ["PATH"], "DEBUG": "0"})

    assert done.returncode == 2
    assert done.stderr.startswith("error: SECRET_KEY is not set, and the built-in one is public. ")
    assert done.stderr.count("\n") == 1


def test_what_would_redirect_every_request_to_itself_is_not_served() -> None:
    keys = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40}
    done = serve({"PATH": os.environ["PATH"], **keys})

    assert done.returncode == 2
    assert done.stderr == (
        "error: HTTPS is on, but nothing ends TLS: every request would be redirected to itself. Name the proxy that "
        "does in PROXIES, or this server's own certificate in TLS_CERTIFICATE, or set HTTPS=0.\n"
    )


def test_a_certificate_that_cannot_be_read_is_named() -> None:
    done = serve({**os.environ, "HTTPS": "1", "TLS_CERTIFICATE": "/nowhere/server.pem"})

    assert done.returncode == 2
    assert done.stderr.startswith("error: TLS_CERTIFICATE names '/nowhere/server.pem', which cannot be read. ")


def test_the_server_ends_tls_itself_and_is_asked_for_nothing_else(transactional_db: None, tmp_path: Path) -> None:
    certificate = certify(tmp_path / "server.pem")
    context = ssl.create_default_context(cafile=certificate)

    with LiveServer(environment={"HTTPS": "1", "TLS_CERTIFICATE": str(certificate)}) as server:
        answer = httpx.get(f"https://localhost:{server.port}/accounts/login/", verify=context)

    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=2592000; includeSubDomains; preload"
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    done = serve(database(tmp_path))

    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: the database is not of this version: run `python3 run.py manage migrate`.")
    assert "Not applied: contenttypes.0001_initial, " in last


def test_a_database_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite3").mkdir()

    done = serve(database(tmp_path))

    assert done.returncode == 2
    assert "error: the database cannot be reached: unable to open database file" in done.stderr


def test_an_installation_that_fails_its_checks_is_not_served(tmp_path: Path) -> None:
    done = serve(database(tmp_path) | realtime({"ALLOWED_ORIGINS": ["nowhere"]}))

    assert done.returncode == 2
    assert "error: the installation does not pass its checks: " in done.stderr
    assert "REALTIME['ALLOWED_ORIGINS'] holds 'nowhere'" in done.stderr


def test_settings_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    done = serve(database(tmp_path) | realtime({"TOCK": 1}))

    assert done.returncode == 2
    assert done.stderr == "error: settings.REALTIME: Object contains unknown field `TOCK`\n"


def test_no_credential_reaches_the_access_log(transactional_db: None) -> None:
    with LiveServer(options=["--access-log"], environment={"LOG_LEVEL": "INFO"}) as server:
        httpx.get(f"{server.url}/healthz?token=hunter2&ticket=hunter3&kind=probe")
        server.stop()
        log = server.log()

    assert "/healthz" in log
    assert "kind=probe" in log
    assert "hunter" not in log


def test_while_it_drains_nobody_new_is_let_in(transactional_db: None) -> None:
    with (
        LiveServer(options=["--drain", "60"]) as server,
        socket.create_connection(("127.0.0.1", server.port)) as before,
    ):
        before.sendall(b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n-")
        httpx.get(f"{server.url}/healthz")  # by now the first request has come, and its other half has not
        server._running.send(signal.SIGTERM)
        wait_until(lambda: is_refused(server.port), PATIENCE, server.log)
        before.sendall(b"-")

        assert before.recv(100).startswith(b"HTTP/1.1 ")


def is_refused(port: int) -> bool:
    """Whether nobody listens at the port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return True
    return False


def test_the_variables_for_other_programs_name_the_test_database(db: None) -> None:
    assert "test" in variables()["DATABASE_URL"].rsplit("/", 1)[1]
