"""One worker of the product under cProfile: ``python -m bench.profiled PORT FILE``. See ``profile``."""

from __future__ import annotations

import cProfile
import signal
import sys

from config.launch import server


def main(port: int, target: str) -> None:
    """Serve until SIGTERM, profile from SIGUSR1 on, then write the profile."""
    options = server.ServerOptions(port=port, workers=1, drain=1)
    profile = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it is done, which would end us here
    with server.listen(options.host, port) as listener:
        try:
            server.work(options, listener, lambda: None)
        finally:
            profile.dump_stats(target)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
