"""The production start: serves the installation that the environment describes, and changes nothing in it."""

import os
import sys

from config import env
from config.checks import END_TLS, NOBODY_ENDS_TLS
from config.launch import server
from config.launch.programs import MANAGE, CommandFailed, run, unwind_on_sigterm


def serve(options: server.ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code. Raises InvalidEnvironment, CommandFailed."""
    _check_tls(env.load())
    unwind_on_sigterm()
    with server.listen(options.host, options.port) as listener:
        if run([sys.executable, str(MANAGE), "migrate", "--check", "--verbosity", "0"], env.variables()):
            raise CommandFailed(
                "the database cannot be reached or is not of this version: "
                "see above, or run `python3 run.py manage migrate`"
            )
        return 0 if server.serve(listener, options, ready=_announce) else 1


def _check_tls(environment: env.Environment) -> None:
    if not environment.is_reachable:
        raise env.InvalidEnvironment("HTTPS", NOBODY_ENDS_TLS, END_TLS)
    for name, path in (("TLS_CERTIFICATE", environment.tls_certificate), ("TLS_KEY", environment.tls_key)):
        if path and not os.access(path, os.R_OK):
            raise env.InvalidEnvironment(name, f"names {path!r}, which cannot be read", "Name a file in PEM form.")


def _announce(url: str) -> None:
    print(f"ready {url}", flush=True)
