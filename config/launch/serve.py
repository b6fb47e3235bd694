"""The production start: serves the installation that the environment describes, and changes nothing in it."""

import io
import os

from config import env
from config.checks import END_TLS, NOBODY_ENDS_TLS
from config.launch import server
from config.launch.programs import CommandFailed, unwind_on_sigterm
from config.launch.workers import Unfit

NAMED_AT_MOST = 5  # migrations


def serve(options: server.ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code. Raises InvalidEnvironment, CommandFailed."""
    _check_tls(env.load())
    unwind_on_sigterm()
    with server.listen(options.host, options.port) as listener:
        try:
            return 0 if server.serve(listener, options, ready=_announce, check=_unfit) else 1
        except Unfit as why:
            raise CommandFailed(str(why)) from why


def _check_tls(environment: env.Environment) -> None:
    if not environment.is_reachable:
        raise env.InvalidEnvironment("HTTPS", NOBODY_ENDS_TLS, END_TLS)
    for name, path in (("TLS_CERTIFICATE", environment.tls_certificate), ("TLS_KEY", environment.tls_key)):
        if path and not os.access(path, os.R_OK):
            raise env.InvalidEnvironment(name, f"names {path!r}, which cannot be read", "Name a file in PEM form.")


def _unfit() -> str | None:
    """Why this installation is not to be served, if it is not. For a worker, which needs Django anyway."""
    env.use_settings()
    # Here, as the process above the workers does without Django.
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError
    from django.db import DatabaseError, connections

    try:
        django.setup()
    except ImproperlyConfigured as error:
        return str(error)
    try:
        call_command("check", databases=["default"], stdout=io.StringIO())
        missing = _not_applied()
    except SystemCheckError as error:
        return f"the installation does not pass its checks: {error}"
    except DatabaseError as error:
        return f"the database cannot be reached: {error}. Look at DATABASE_URL."
    finally:
        connections.close_all()
    if not missing:
        return None
    named = ", ".join(missing[:NAMED_AT_MOST]) + (" …" if len(missing) > NAMED_AT_MOST else "")
    return f"the database is not of this version: run `python3 run.py manage migrate`. Not applied: {named}"


def _not_applied() -> list[str]:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _announce(url: str) -> None:
    print(f"ready {url}", flush=True)
