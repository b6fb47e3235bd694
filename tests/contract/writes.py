"""Every way of writing to the ledger, and what each must tell on the topic of the account, and on the family's.

A path is a generator: it writes, yields what must be told for that, and goes on when asked. Apart from the tests, which
follow the paths on each transport, whoever else writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import F
from django.test import Client as Browser

from accounts.models import User
from ledger.models import Account, Payee, Rule, Transaction
from ledger.services import transfers
from tests.clients import TIMEOUT, access_token
from tests.contract.world import World, money
from tests.forms import fields_of

CHANGELIST = "/admin/ledger/transaction/"

Told = tuple[str, str, str]
"""Type of an event, its action (of a balance: none), and an amount or a name that it carries."""
Steps = Iterator[list[Told]]


@dataclass(frozen=True)
class Hands:
    """The people of a world at work, on the admin's pages and over REST."""

    world: World
    url: str
    who: User | None = None

    def admin(self) -> Browser:
        """A signed-in browser on the admin, whose pages this process serves itself."""
        browser = Browser()
        browser.force_login(self.world.admin)
        return browser

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the server, of alice if nobody else, which must succeed."""
        headers = {"Authorization": f"Bearer {access_token(self.who or self.world.alice)}"}
        answer = httpx.request(
            method, f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=TIMEOUT, trust_env=False
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


Path = Callable[[World, Hands], Steps]


def created(amount: str) -> Told:
    return "TransactionUpdate", "created", amount


def updated(amount: str) -> Told:
    return "TransactionUpdate", "updated", amount


def deleted(amount: str) -> Told:
    return "TransactionUpdate", "deleted", amount


def balance(amount: str) -> Told:
    return "AccountBalanceUpdate", "", amount


def told(event: dict[str, Any]) -> Told:
    """What an event of the wire says, in the same words."""
    data = event["data"]
    if event["type"] == "AccountBalanceUpdate":
        return balance(data["balance"])
    row = data.get("data", {})
    return event["type"], data["action"], row["amount"] if event["type"] == "TransactionUpdate" else row["name"]


def by_saving(world: World, hands: Hands) -> Steps:
    row = Transaction.objects.create(account=world.account, amount=money("-10"))
    yield [created("-10.00"), balance("-10.00")]
    row.amount = money("-12.50")
    row.save()
    yield [updated("-12.50"), balance("-12.50")]
    row.delete()
    yield [deleted("-12.50"), balance("0.00")]


def by_saving_expressions(world: World, hands: Hands) -> Steps:
    row = Transaction.objects.create(account=world.account, amount=money("-10"))
    yield [created("-10.00"), balance("-10.00")]
    row.amount = F("amount") - 2
    row.save()
    yield [updated("-12.00"), balance("-12.00")]
    Transaction.objects.filter(pk=row.pk).update(amount=F("amount") * 2)
    yield [updated("-24.00"), balance("-24.00")]


def in_bulk(world: World, hands: Hands) -> Steps:
    amounts = ["-1", "-2", "-3"]
    rows = Transaction.objects.bulk_create(Transaction(account=world.account, amount=money(each)) for each in amounts)
    yield [created("-1.00"), created("-2.00"), created("-3.00"), balance("-6.00")]
    for row in rows:
        row.amount *= 2
    Transaction.objects.bulk_update(rows, ["amount"])
    yield [updated("-2.00"), updated("-4.00"), updated("-6.00"), balance("-12.00")]
    Transaction.objects.filter(pk__in=[row.pk for row in rows[:2]]).delete()
    yield [deleted("-4.00"), deleted("-2.00"), balance("-6.00")]  # Django deletes the last first


def by_querysets(world: World, hands: Hands) -> Steps:
    for amount in ("-1", "-2"):
        Transaction.objects.create(account=world.account, amount=money(amount))
    yield [created("-1.00"), balance("-1.00"), created("-2.00"), balance("-3.00")]
    rows = Transaction.objects.filter(account=world.account)
    rows.update(status="pending")
    yield [updated("-1.00"), updated("-2.00"), balance("0.00")]
    rows.update(description="nothing that moves money")
    yield [updated("-1.00"), updated("-2.00")]
    rows.delete()
    # Pending money was not on the balance, only not available: that comes back.
    yield [deleted("-2.00"), deleted("-1.00"), balance("0.00")]


def over_rest(world: World, hands: Hands) -> Steps:
    body = {"account_id": str(world.account.pk), "amount": "-10.00", "description": "Tea"}
    row = hands.rest("POST", "transactions", body)
    yield [created("-10.00"), balance("-10.00")]
    hands.rest("PATCH", f"transactions/{row['id']}", {"amount": "-12.50"})
    yield [updated("-12.50"), balance("-12.50")]
    hands.rest("DELETE", f"transactions/{row['id']}")
    yield [deleted("-12.50"), balance("0.00")]


def on_forms_of_the_admin(world: World, hands: Hands) -> Steps:
    browser = hands.admin()
    fields = {"account": str(world.account.pk), "amount": "-10", "status": "posted", "date": "2026-01-02"}
    _posted(browser, f"{CHANGELIST}add/", fields)
    yield [created("-10.00"), balance("-10.00")]
    row = Transaction.objects.get(account=world.account)
    page = f"{CHANGELIST}{row.pk}/change/"
    _posted(browser, page, _shown(browser, page) | {"amount": "-12.5"})
    yield [updated("-12.50"), balance("-12.50")]
    _posted(browser, f"{CHANGELIST}{row.pk}/delete/", {"post": "yes"})
    yield [deleted("-12.50"), balance("0.00")]


def on_the_list_of_the_admin(world: World, hands: Hands) -> Steps:
    browser = hands.admin()
    mark = f"list {world.account.pk}"
    for amount in ("-1", "-2"):
        Transaction.objects.create(account=world.account, amount=money(amount), description=mark)
    yield [created("-1.00"), balance("-1.00"), created("-2.00"), balance("-3.00")]
    older, newer = Transaction.objects.filter(account=world.account).order_by("pk")
    listed = f"{CHANGELIST}?q={mark}"
    amounts = {"form-0-amount": "-20", "form-1-amount": "-10"}
    _posted(browser, listed, _shown(browser, listed) | amounts | {"_save": "Save"})
    # Both rows are one transaction: nobody is shown the balance in between.
    yield [updated("-20.00"), balance("-30.00"), updated("-10.00")]
    chosen = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [str(older.pk), str(newer.pk)], "post": "yes"}
    _posted(browser, listed, chosen)
    yield [deleted("-20.00"), deleted("-10.00"), balance("0.00")]


def by_transfers(world: World, hands: Hands) -> Steps:
    transfer = transfers.create(world.alice, world.account, world.private, money("30"))
    yield [created("-30.00"), balance("-30.00")]
    transfers.change(transfer, amount=money("40"))
    yield [updated("-40.00"), balance("-40.00")]
    transfer.delete()
    yield [deleted("-40.00"), balance("0.00")]


def by_moving(world: World, hands: Hands) -> Steps:
    row = Transaction.objects.create(account=world.account, amount=money("-10"))
    yield [created("-10.00"), balance("-10.00")]
    row.account = world.private
    row.save()
    yield [deleted("-10.00"), balance("0.00")]
    Transaction.objects.filter(pk=row.pk).update(account=world.account)
    yield [created("-10.00"), balance("-10.00")]


TRANSACTION_PATHS: list[Path] = [
    by_saving,
    by_saving_expressions,
    in_bulk,
    by_querysets,
    over_rest,
    on_forms_of_the_admin,
    on_the_list_of_the_admin,
    by_transfers,
    by_moving,
]


def payees_and_what_names_them(world: World, hands: Hands) -> Steps:
    payee = Payee.objects.create(family=world.family, name="Tea House")
    yield [("PayeeUpdate", "created", "Tea House")]
    Transaction.objects.create(account=world.account, amount=money("-3"), payee=payee)
    yield [created("-3.00"), balance("-3.00")]
    payee.delete()
    yield [updated("-3.00"), ("PayeeUpdate", "deleted", "Tea House")]


def accounts_and_all_on_them(world: World, hands: Hands) -> Steps:
    account = Account.objects.create(family=world.family, owner=world.alice, name="Old", currency="EUR")
    yield [("AccountUpdate", "created", "Old")]
    Transaction.objects.bulk_create(Transaction(account=account, amount=money(each)) for each in ("-1", "-2"))
    yield [created("-1.00"), created("-2.00"), balance("-3.00")]
    hands.rest("PATCH", f"accounts/{account.pk}", {"name": "Older"})
    yield [("AccountUpdate", "updated", "Older")]
    Account.objects.filter(pk=account.pk).delete()
    yield [deleted("-2.00"), deleted("-1.00"), ("AccountUpdate", "deleted", "Older")]


def rules_and_what_they_fill_in(world: World, hands: Hands) -> Steps:
    rule = Rule.objects.create(family=world.family, name="Tea", description_contains="tea", set_category="drinks")
    yield [("RuleUpdate", "created", "Tea")]
    Transaction.objects.create(account=world.account, amount=money("-3"), description="Green tea")
    yield [created("-3.00"), balance("-3.00")]
    Rule.objects.filter(pk=rule.pk).update(name="Teas", set_category="hot drinks")
    yield [("RuleUpdate", "updated", "Teas")]
    rule.delete()
    yield [("RuleUpdate", "deleted", "Teas")]


FAMILY_PATHS: list[Path] = [payees_and_what_names_them, accounts_and_all_on_them, rules_and_what_they_fill_in]


def _shown(browser: Browser, address: str) -> dict[str, str]:
    """The fields of a page's form, as they stand there."""
    return fields_of(browser.get(address).content.decode())


def _posted(browser: Browser, address: str, fields: dict[str, Any]) -> None:
    """Send a form; a page of the admin that took it goes elsewhere, and one that did not comes back with 200."""
    answer = browser.post(address, fields)
    assert answer.status_code == 302, answer.content.decode()
