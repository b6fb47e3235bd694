"""Reads the command line of run.py and starts what it names."""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from config import env
from config.launch import demo, faults, lint, serve, server, testing
from config.launch.programs import MANAGE, CommandFailed, become
from config.services.supervised import ServiceError

PASSED_ON = {
    "autobahn": lambda arguments: autobahn(arguments),
    "bench": lambda arguments: bench(arguments),
    "faults": faults.faults,
    "fuzz": lambda arguments: fuzz(arguments),
    "manage": lambda arguments: manage(arguments),
    "test": testing.test,
}


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return _command(arguments)()
    except (CommandFailed, ServiceError, server.PortInUse, env.InvalidEnvironment) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def manage(arguments: list[str]) -> int:
    """Run manage.py where the environment says, else on the demo's database and Redis."""
    env.read_dotenv()
    variables = env.variables()
    if "DATABASE_URL" not in variables:
        variables |= demo.environment()
    become([str(MANAGE), *arguments], variables)


def bench(arguments: list[str]) -> int:
    """Measure, on servers of the benchmark's own."""
    become(["-m", "bench", *arguments], env.variables())


def autobahn(arguments: list[str]) -> int:
    """Hold the WebSocket server against the Autobahn test suite."""
    become(["-m", "tests.autobahn", *arguments], env.variables())


def _messages() -> int:
    # Not at the top: what gathers messages is no part of an installation that only serves.
    from config.launch.messages import messages

    return messages()


def fuzz(arguments: list[str]) -> int:
    """Look for input that breaks what reads it."""
    become(["-m", "tests.abuse.fuzz", *arguments], env.variables() | {"DJANGO_SETTINGS_MODULE": "config.settings"})


def _command(arguments: list[str]) -> Callable[[], int]:
    # Arguments of pytest and manage.py are theirs to read, --help included.
    if arguments and arguments[0] in PASSED_ON:
        return partial(PASSED_ON[arguments[0]], arguments[1:])
    options = _parser().parse_args(arguments)
    match options.command:
        case "demo":
            return partial(demo.demo, port=options.port, workers=options.workers, fresh=options.fresh)
        case "serve":
            return partial(serve.serve, _server_options(options))
        case "messages":
            return _messages
        case _:
            return lint.lint


def _server_options(options: argparse.Namespace) -> server.ServerOptions:
    return server.ServerOptions(
        host=options.host,
        port=options.port,
        workers=options.workers,
        drain=options.drain,
        access_log=options.access_log,
        certificate=env.load().tls_certificate,
        key=env.load().tls_key,
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535; 0 takes a free one)")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="The project's commands.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demonstration = commands.add_parser("demo", help="serve the demo on this machine")
    demonstration.add_argument("--port", type=_port, default=8012)
    demonstration.add_argument("--workers", type=_count, default=2)
    demonstration.add_argument("--fresh", action="store_true", help="delete the demo's data first")

    production = commands.add_parser("serve", help="serve the installation that the environment describes")
    production.add_argument("--host", default="127.0.0.1")
    production.add_argument("--port", type=_port, default=8000)
    production.add_argument("--workers", type=_count, default=2)
    production.add_argument("--drain", type=_count, default=10, help="seconds that open connections get at the end")
    production.add_argument("--access-log", action="store_true", help="log each request, credentials hidden")

    commands.add_parser("test", help="run the test suite; arguments are pytest's")
    commands.add_parser("bench", help="measure; arguments are the benchmark's")
    commands.add_parser("autobahn", help="hold the WebSocket server against the Autobahn test suite")
    commands.add_parser("faults", help="break the product in every way there is, and report what it survived")
    commands.add_parser("messages", help="gather what people read, and compile its translations")
    commands.add_parser("fuzz", help="feed bytes made by chance to what reads those of strangers")
    commands.add_parser("manage", help="run manage.py; arguments are its own")
    commands.add_parser(
        "lint", help="check style, types, floors, migrations, production settings, OpenAPI, locks and scripts"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
