"""A process that saves transactions until it is killed, forked afresh for each ``go`` on its standard input.

A program of its own: forking from the test process would take its threads' locks along. Preloaded, a child writes
within milliseconds, so that a hundred deaths take seconds.
"""

from __future__ import annotations

import os
import sys


def main(account_id: str) -> None:
    """Fork a writer per line that is read; say its process id; wait for its end."""
    import django

    django.setup()
    from django.db import connection, connections

    from ledger.models import Account

    Account.objects.get(pk=account_id)  # warms up what the children inherit
    connections.close_all()
    if hasattr(connection, "close_pool"):
        connection.close_pool()  # a child must not share its parent's
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            write(account_id)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)


def write(account_id: str) -> None:
    """Save until killed, a balance and its events with each row."""
    from ledger.models import Account, Transaction

    account = Account.objects.get(pk=account_id)
    Transaction(account=account, amount="-1.00", description="safe").save()
    print("writing", flush=True)
    while True:
        Transaction(account=account, amount="-1.00", description="doomed").save()


if __name__ == "__main__":
    main(sys.argv[1])
