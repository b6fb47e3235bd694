"""The books: how balances follow what is written, under the lock of the Balance row.

One write, of one row or of thousands, is one *operation*: it takes the balances of all accounts it touches, in the
order of their ids, writes the rows, and posts one sum to each account. So an account's balance is always the sum of its
posted transactions, and two writers that come from opposite ends wait for each other instead of for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db import router, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from ledger import events
from ledger.models import Account, Balance, Rule, Transaction
from ledger.models.guarded import insert, overwrite
from ledger.money import ZERO, check_amount
from ledger.services.touched import by_ids, the_one
from realtime.prepared import Given, prepared

M = TypeVar("M", bound=Model)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sums:
    """What is, or comes, on an account: posted money, and pending payments (never above zero)."""

    posted: Decimal = ZERO
    pending: Decimal = ZERO

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.posted + other.posted, self.pending + other.pending)

    def __neg__(self) -> Sums:
        return Sums(-self.posted, -self.pending)

    def __bool__(self) -> bool:
        return bool(self.posted or self.pending)


def contribution(transaction: Transaction | None) -> Sums:
    """What a transaction means for its account. Void ones and pending receipts mean nothing yet; no row, nothing."""
    if transaction is None:
        return Sums()
    if transaction.status == "posted":
        return Sums(posted=transaction.amount)
    if transaction.status == "pending" and transaction.amount < 0:
        return Sums(pending=transaction.amount)
    return Sums()


@contextmanager
def writing(*accounts: Account | UUID, using: str | None = None) -> Iterator[None]:
    """Write to several accounts in one transaction: opens it, and takes their balances in one order.

    For callers whose own order may be the opposite of somebody else's: without it, PostgreSQL ends one of the two with
    a deadlock. Name every account that will be written to. Works inside ``atomic()`` if nothing was written before.
    """
    using = using or _home()
    with transaction.atomic(using=using):
        lock(by_ids({each.pk if isinstance(each, Account) else each for each in accounts}), using)
        yield


def apply(account_id: UUID, change: Sums, *, using: str | None = None) -> None:
    """Add ``change`` to the account's balance: when the open operation ends, or at once when there is none."""
    operation_now = _open.get()
    if operation_now is not None:
        operation_now.changes[account_id] += change
    elif change:
        with operation([account_id], using=using):
            apply(account_id, change)


@contextmanager
def operation(touches: Q | Collection[UUID], *, using: str | None = None) -> Iterator[None]:
    """Make everything inside one write: balances taken first, sums posted and told once, at the end.

    An operation inside another (a receiver that saves something) stands for itself: what it posts may be rolled back
    with a savepoint around it, so the outer one reads its balances again.
    """
    using = using or _home()
    which = touches if isinstance(touches, Q) else by_ids(touches)
    with transaction.atomic(using=using, savepoint=False):
        outer = _open.get()
        current = _Operation(using, lock(which, using))
        if outer is not None:
            outer.is_stale = True
        token = _open.set(current)
        try:
            yield
        finally:
            _open.reset(token)
        current.post()


def lock(which: Q, using: str) -> dict[UUID, Balance]:
    """Lock the balances, in the order of their ids, and return them with their accounts as they now are.

    The account is locked along, so that none is made private between looking at its audience and telling it. Not so
    hard, though, that rows which merely refer to it had to wait. It comes before its balance, since changes of rights
    hold it alone and then come here; PostgreSQL keeps the order of ``of``.
    """
    key = the_one(which)
    rows = _one(using, key) if key is not None else _locked(using).filter(which).order_by("pk")
    return {row.pk: row for row in rows}


def _locked(using: str) -> QuerySet[Balance]:
    rows = Balance.objects.using(using).select_related("account")
    return rows.select_for_update(of=("account", "self"), no_key=True)


@prepared(Balance._meta.pk)
def _one(using: str, account_id: Given) -> QuerySet[Balance]:
    """One account's balance: what nearly every save takes. There is no order to keep, and none to ask for.

    Whether there are rules is asked along, as mostly there are none, and that is known then.
    """
    rules = Rule.objects.filter(family=OuterRef("account__family"), is_active=True)
    return _locked(using).filter(pk=account_id).annotate(has_rules=Exists(rules))


def named(which: Q, using: str) -> set[UUID]:
    """The keys of the balances that ``lock`` would lock now."""
    return set(Balance.objects.using(using).filter(which).values_list("pk", flat=True))


def account(account_id: UUID, using: str) -> Account:
    """The account, as the open operation holds it or else as the database has it."""
    current = _open.get()
    if current is not None and account_id in current.rows:
        return current.rows[account_id].account
    return find(Account, account_id, using)


def held(account_id: UUID) -> Balance | None:
    """The balance as the open operation took it, if it did."""
    current = _open.get()
    return current.rows.get(account_id) if current is not None else None


def knows_no_rules(account_id: UUID) -> bool:
    """Whether the open operation saw that no rule is active in the account's family when it took the balance."""
    return not getattr(held(account_id), "has_rules", True)


def find(model: type[M], pk: Any, using: str) -> M:
    """A row to name in an event, looked up once per operation. Raises DoesNotExist."""
    return once((model, pk), lambda: model._base_manager.using(using).get(pk=pk))


def once(key: Hashable, ask: Callable[[], T]) -> T:
    """What ``ask`` returns, asked once per operation under ``key``; every time when none is open."""
    current = _open.get()
    if current is None:
        return ask()
    if key not in current.answers:
        current.answers[key] = ask()
    return current.answers[key]  # type: ignore[no-any-return]


def open_books(account: Account, using: str) -> Balance:
    """Give a new account its balance: nothing."""
    row = Balance(account_id=account.pk, updated_at=timezone.now())
    insert([row], using)
    return row


def recount(account: Account, using: str | None = None) -> Balance:
    """Set an account's balance to what its transactions say, and tell it if that is a change.

    For rows that came without the books: fixtures, SQL. Makes the balance if there is none.
    """
    using = using or _home()
    with transaction.atomic(using=using):
        if (current := _open.get()) is not None:
            # What is counted now must not be posted again.
            current.changes.pop(account.pk, None)
            current.is_stale = True
        row = lock(by_ids([account.pk]), using).get(account.pk)
        if row is None:
            open_books(account, using)
            row = lock(by_ids([account.pk]), using)[account.pk]
        sums = _counted(account.pk, using)
        change = sums + -Sums(row.balance, row.available_balance - row.balance)
        if change:
            _post(row, change, using)
    return row


@dataclass(slots=True)
class _Operation:
    """One write: the balances it holds, what is to be posted to each, and what it was asked once."""

    using: str
    rows: dict[UUID, Balance]
    changes: defaultdict[UUID, Sums] = field(default_factory=lambda: defaultdict(Sums))
    answers: dict[Hashable, Any] = field(default_factory=dict)
    is_stale: bool = False

    def post(self) -> None:
        changes = {pk: change for pk, change in sorted(self.changes.items()) if change}
        if self.is_stale or changes.keys() - self.rows.keys():
            self.rows = lock(by_ids(changes), self.using)
        for pk, change in changes.items():
            if pk in self.rows and _post(self.rows[pk], change, self.using):
                continue
            # An account that is being deleted has no books any more; one from a fixture may not have any yet.
            for alone in Account.objects.using(self.using).filter(pk=pk):
                recount(alone, self.using)


_open: ContextVar[_Operation | None] = ContextVar("ledger_operation", default=None)


def _post(row: Balance, change: Sums, using: str) -> bool:
    """Add ``change`` to a locked balance and tell it; False if the row is gone.

    Computed here and not by the database: SQLite would add binary floats.
    """
    row.balance += change.posted
    row.available_balance += change.posted + change.pending
    check_amount(row.balance, row.account.currency)
    check_amount(row.available_balance, row.account.currency)
    row.version += 1
    row.updated_at = timezone.now()
    if not overwrite(row, _WRITTEN, using):
        return False
    events.account_balance_update(row)
    return True


_WRITTEN = ("balance", "available_balance", "version", "updated_at")


def _counted(account_id: UUID, using: str) -> Sums:
    # Added here and not by the database, for the same reason.
    rows = Transaction.objects.using(using).filter(account=account_id).only("status", "amount")
    return sum((contribution(row) for row in rows.iterator()), Sums())


def _home() -> str:
    return router.db_for_write(Balance)
