"""What refers to a user or payee lets go of them before they are deleted, as many rows at once as one call may change.

Separate because Django would let go of all rows in one update, which is refused beyond ``BULK_ROWS``: who wrote more
could never be deleted.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from ledger.models import Notification, Payee, Rule, Transaction, Transfer
from ledger.services import balances, touched
from realtime.conf import conf
from realtime.holding import hold_behind
from realtime.models import PublishingModel


def of_users(users: QuerySet[User], using: str) -> None:
    """Have nothing say any more that these users wrote it. For ``accounts.access.register_things``."""
    for model in (Transaction, Transfer, Rule, Notification):
        _let_go(model, "created_by", users, using)


def make_way(payees: QuerySet[Payee], using: str) -> None:
    """Before payees are deleted, lock them behind the accounts and rules that they occur in, as who writes does.

    And then have those name them no more. What came to name them until then goes with this, and nothing comes any more.
    """
    keys = list(payees.values_list("pk", flat=True))
    rows = Payee.objects.using(using).filter(pk__in=keys)
    occurs = touched.of_payees(rows)
    rules = Rule.objects.using(using).filter(set_payee__in=keys).order_by("pk").values_list("pk", flat=True)
    hold_behind(
        rows,
        lambda: [*balances.lock(occurs, using), *rules.select_for_update(of=("self",), no_key=True)],
        lambda: [*balances.named(occurs, using), *rules.all()],
        to_delete=True,
    )
    of_payees(rows, using)


def of_payees(payees: QuerySet[Payee], using: str) -> None:
    """Have no transaction and no rule name these payees any more."""
    _let_go(Transaction, "payee", payees, using)
    _let_go(Rule, "set_payee", payees, using)


def _let_go(model: type[PublishingModel], name: str, referred: QuerySet[Any], using: str) -> None:
    rows = model._base_manager.using(using)
    left = rows.filter(**{f"{name}__in": referred.order_by()}).order_by("pk").values_list("pk", flat=True)
    while keys := list(left[: conf.BULK_ROWS]):
        rows.filter(pk__in=keys).update(**{name: None})
