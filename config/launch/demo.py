"""The demo: SQLite, a Redis of its own and the server, in one process tree that ends as a whole.

Separate from ``serve``, which takes an installation as the environment describes it and makes nothing.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator

from config import env
from config.launch import server
from config.launch.programs import CommandFailed, manage, unwind_on_sigterm
from config.services.redis import NoRedis, RedisServer

HOME = env.BASE_DIR / "var" / "demo"
LOCK = env.BASE_DIR / "var" / "demo.lock"
ENVIRONMENT = HOME / "environment.json"
USERS = "alice (owner), bob (member), vera (viewer), charlie (another family), admin (staff)"
PASSWORD = "demo-ledger"  # noqa: S105  (a demo's, printed on start)
DRAIN = 3


def demo(*, port: int, workers: int, fresh: bool) -> int:
    """Serve the demo until SIGINT or SIGTERM and return the exit code."""
    unwind_on_sigterm()
    with _only_one(), server.listen("127.0.0.1", port) as listener:
        if fresh:
            shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(parents=True, exist_ok=True)
        with _redis() as redis_url:
            if not redis_url and workers > 1:
                print(
                    "No Redis to be had, so one worker without it: install valkey or redis for more.",
                    flush=True,
                )
                workers = 1
            env.adopt(environment(redis_url))
            manage(["migrate", "--verbosity", "0"], env.variables())
            manage(["create_demo"], env.variables())
            options = server.ServerOptions(port=port, workers=workers, drain=DRAIN)
            return 0 if server.serve(listener, options, ready=_announce) else 1


def environment(redis_url: str | None = None) -> dict[str, str]:
    """Return the variables of the demo, with keys made on first use.

    Without ``redis_url``, the one that the demo was last started with: other programs reach its pages by it.
    """
    kept = json.loads(ENVIRONMENT.read_text()) if ENVIRONMENT.exists() else {}
    variables = {
        "DEBUG": "0",
        "HTTPS": "0",
        "SECRET_KEY": kept.get("SECRET_KEY") or secrets.token_urlsafe(48),
        "JWT_SIGNING_KEY": kept.get("JWT_SIGNING_KEY") or secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{HOME / 'db.sqlite3'}",
        "REDIS_URL": kept.get("REDIS_URL", "") if redis_url is None else redis_url,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "LOG_LEVEL": env.variables().get("LOG_LEVEL", "WARNING"),
        "STATIC_ROOT": "",
    }
    _keep(variables)
    return variables


def _keep(variables: dict[str, str]) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    draft = ENVIRONMENT.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(variables, indent=1))
    draft.replace(ENVIRONMENT)


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    """Give the address of the Redis that was given, else of our own while the block runs, else nothing."""
    if given := env.variables().get("REDIS_URL"):
        yield given
        return
    try:
        own = RedisServer(HOME / "redis")
    except NoRedis:
        yield ""
        return
    with own:
        yield own.url


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Hold the checkout's demo for this process: two would share one database and one Redis socket."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with open(LOCK, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CommandFailed(f"the demo of this checkout already runs (process {lock.read().strip()})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _announce(url: str) -> None:
    print(f"Sign in as {USERS}; password {PASSWORD}", flush=True)
    print(f"ready {url}", flush=True)
