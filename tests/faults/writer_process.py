"""A program that writes to the ledger as a shell or a job beside the servers does, and says what came of each write.

``python -m tests.faults.writer_process ROLE SEED`` reads the world as its first line, then orders: ``begin MARK RATE``,
``end``. It answers each write, or each change of rights, by a line of JSON, and ``end`` by the line ``ended``.
"""

from __future__ import annotations

import json
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tests.faults.history import Outcome, Right, Write
from tests.faults.world import COMES_AND_GOES, SHARED_WITH, World

MOST_KEPT = 40
RETRY_SECONDS = 0.2
RIGHTS_WITHIN = 60.0


class TakenBack(Exception):
    """The writer changed their mind."""


class Kept(NamedTuple):
    """A row that this writer made and may change: its id, its account's name, and its newest mark."""

    id: Any
    account: str
    mark: str


class Pen:
    """Writes rows of its own in every way the ledger has, some of which are undone."""

    def __init__(self, world: World, chance: random.Random) -> None:
        from ledger.models import Account, Transaction

        self.transactions = Transaction
        self._world = world
        self._chance = chance
        self._accounts = {name: Account.objects.get(pk=pk) for name, pk in world.accounts.items()}
        self._rows: list[Kept] = []
        self._count = 0
        self._prefix = ""

    def begin(self, prefix: str) -> None:
        """Mark what is written from now on, and leave what was written before alone."""
        self._prefix, self._rows = prefix, []

    def write(self) -> list[Write]:
        """Do one thing, and say what it was."""
        ways = [self.create, self.create_two, self.undo, self.undo_half]
        if self._rows:
            ways += [self.change, self.change, self.change_by_query, self.delete]
        return self._chance.choice(ways)()

    def create(self) -> list[Write]:
        row = self._new()
        return self._done([(row, "created")], row.save)

    def create_two(self) -> list[Write]:
        rows = [self._new(), self._new()]
        return self._done([(row, "created") for row in rows], lambda: self._save(rows))

    def change(self) -> list[Write]:
        kept = self._take()
        row = self.transactions.objects.get(pk=kept.id)
        row.amount, row.description = self._amount(), self._mark()
        return self._done([(row, "updated")], row.save)

    def change_by_query(self) -> list[Write]:
        kept = self._take()
        row = self.transactions(id=kept.id, account=self._accounts[kept.account], description=self._mark())
        changing = self.transactions.objects.filter(pk=kept.id)
        return self._done([(row, "updated")], lambda: changing.update(description=row.description))

    def delete(self) -> list[Write]:
        kept = self._take()
        row = self.transactions(id=kept.id, account=self._accounts[kept.account], description=kept.mark)
        return self._done([(row, "deleted")], self.transactions.objects.filter(pk=kept.id).delete)

    def undo(self) -> list[Write]:
        rows = [self._new(), self._new()]

        def work() -> None:
            from django.db import transaction

            with transaction.atomic():
                self._save(rows)
                raise TakenBack

        return self._done([], work, undone=rows)

    def undo_half(self) -> list[Write]:
        rows = [self._new(), self._new()]

        def work() -> None:
            from contextlib import suppress

            from django.db import transaction

            with self._holding(rows):
                rows[0].save()
                with suppress(TakenBack), transaction.atomic():
                    rows[1].save()
                    raise TakenBack

        return self._done([(rows[0], "created")], work, undone=rows[1:])

    def _done(
        self, changes: Sequence[tuple[Any, str]], work: Callable[[], object], undone: Sequence[Any] = ()
    ) -> list[Write]:
        """Do the work, and say what came of it."""
        began = time.monotonic()
        outcome = _outcome(work)
        ended = time.monotonic()
        names = {account.pk: name for name, account in self._accounts.items()}

        def write(row: Any, action: str, came: Outcome) -> Write:
            topics = tuple(self._world.topics[names[row.account_id]])
            return Write(row.description, action, topics, began, ended, came)

        for row, action in changes:
            if outcome == "committed" and action != "deleted":
                self._rows.append(Kept(row.pk, names[row.account_id], row.description))
        return [write(row, action, outcome) for row, action in changes] + [
            write(row, "created", "undone") for row in undone
        ]

    def _save(self, rows: Sequence[Any]) -> None:
        with self._holding(rows):
            for row in rows:
                row.save()

    def _holding(self, rows: Sequence[Any]) -> Any:
        from ledger.services import balances

        return balances.writing(*{row.account.pk: row.account for row in rows}.values())

    def _new(self) -> Any:
        account = self._chance.choice(list(self._accounts.values()))
        return self.transactions(account=account, amount=self._amount(), description=self._mark())

    def _take(self) -> Kept:
        """One of the rows, which is kept again only when what is done with it has come to a good end."""
        place = self._chance.randrange(max(0, len(self._rows) - MOST_KEPT), len(self._rows))
        return self._rows.pop(place)

    def _mark(self) -> str:
        self._count += 1
        return f"{self._prefix}-{self._count}"

    def _amount(self) -> Decimal:
        return Decimal(self._chance.randrange(1, 10_000)).scaleb(-2) * self._chance.choice([1, -1])


class Gate:
    """Lets dora into the family and out of it, and erin to the private account; in the end both are in."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._is_in: dict[str, bool | None] = {COMES_AND_GOES: None, SHARED_WITH: None}

    def begin(self, prefix: str) -> None:
        """Find out who is in."""

    def write(self) -> list[Right]:
        """Let one of them in or out."""
        who = self._chance.choice(list(self._is_in))
        return self._turn(who, not self._known(who))

    def let_in(self) -> list[Right]:
        """Let in whoever is out, for as long as it takes."""
        done: list[Right] = []
        deadline = time.monotonic() + RIGHTS_WITHIN
        while time.monotonic() < deadline:
            try:
                out = [who for who in self._is_in if not self._known(who)]
            except _database_errors():
                _let_go()
                continue
            if not out:
                break
            done += self._turn(out[0], True)
        return done

    def _known(self, who: str) -> bool:
        known = self._is_in[who]
        return self._rows(who).exists() if known is None else known

    def _turn(self, who: str, inside: bool) -> list[Right]:
        began = time.monotonic()
        outcome = _outcome(lambda: self._make(who) if inside else self._rows(who).delete())
        self._is_in[who] = inside if outcome == "committed" else None
        user, ended = self._world.ids[who], time.monotonic()
        topics = self._world.of_a_member if who == COMES_AND_GOES else self._world.topics["own"]
        return [Right(user, topic, inside, began, ended, outcome) for topic in topics]

    def _rows(self, who: str) -> Any:
        from accounts.models import Membership
        from ledger.models import AccountShare

        user = self._world.ids[who]
        if who == COMES_AND_GOES:
            return Membership.objects.filter(family=self._world.family, user=user)
        return AccountShare.objects.filter(account=self._world.accounts["own"], user=user)

    def _make(self, who: str) -> None:
        from accounts.models import Membership
        from ledger.models import AccountShare

        user = self._world.ids[who]
        if who == COMES_AND_GOES:
            Membership.objects.create(family_id=self._world.family, user_id=user, role="member")
        else:
            AccountShare.objects.create(account_id=self._world.accounts["own"], user_id=user)


def _database_errors() -> tuple[type[Exception], ...]:
    from django.db import Error
    from psycopg_pool import PoolTimeout

    return Error, PoolTimeout


def _outcome(work: Callable[[], object]) -> Outcome:
    """Do the work. A database that fails has not said whether it committed."""
    try:
        work()
    except TakenBack:
        return "undone"
    except _database_errors():
        _let_go()
        return "unknown"
    return "committed"


def _let_go() -> None:
    """Give a broken connection back, and leave the database alone for a moment."""
    from django.db import connections

    connections.close_all()
    time.sleep(RETRY_SECONDS)


def main(role: str, seed: int) -> None:
    """Obey until there is nobody to give orders."""
    import django

    django.setup()
    world = World(**json.loads(sys.stdin.readline()))
    orders: queue.Queue[list[str]] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    hand = (Pen if role == "writer" else Gate)(world, random.Random(seed))
    print("ready", flush=True)
    while order := orders.get():
        hand.begin(order[1])
        _write(hand, float(order[2]), orders)
        if isinstance(hand, Gate):
            _say(hand.let_in())
        print("ended", flush=True)


def _write(hand: Pen | Gate, rate: float, orders: queue.Queue[list[str]]) -> None:
    """Write at a rate, by the clock but never to make up for what could not be written, until there is an order."""
    while True:
        due = time.monotonic() + 1 / rate
        try:
            _say(hand.write())
        except _database_errors():  # a read that was to come before the write
            _let_go()
        try:
            orders.get(timeout=max(0.0, due - time.monotonic()))
        except queue.Empty:
            continue
        return


def _say(done: Sequence[Write | Right]) -> None:
    for each in done:
        print(json.dumps([type(each).__name__, *each]), flush=True)


def _listen(orders: queue.Queue[list[str]]) -> None:
    for line in sys.stdin:
        orders.put(line.split())
    orders.put([])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
