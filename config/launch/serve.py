"""The production start: serves the installation that the environment describes, and changes nothing in it."""

import sys

from config import env
from config.launch import server
from config.launch.programs import MANAGE, CommandFailed, run, unwind_on_sigterm


def serve(options: server.ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code. Raises InvalidEnvironment, CommandFailed."""
    env.load()
    unwind_on_sigterm()
    with server.listen(options.host, options.port) as listener:
        if run([sys.executable, str(MANAGE), "migrate", "--check", "--verbosity", "0"], env.variables()):
            raise CommandFailed(
                "the database cannot be reached or is not of this version: "
                "see above, or run `python3 run.py manage migrate`"
            )
        return 0 if server.serve(listener, options, ready=_announce) else 1


def _announce(url: str) -> None:
    print(f"ready {url}", flush=True)
