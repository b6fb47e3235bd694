"""People of every standing, what is theirs, and who may see which of it: canaries, each a text found nowhere else.

Apart from the tests because two of them, over HTTP and over the transports, hold everybody against the same list.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission

from accounts.models import Family, Membership, User
from ledger.models import Account, AccountShare, Payee, Rule, Transaction
from ledger.services import credits as credit
from ledger.services import notices, rules, transfers

EVERYBODY = ("owner", "admin", "member", "viewer", "guest", "outsider", "clerk", "auditor", "root")
"""By role: of the family; a guest of one account; of another family; staff who may nothing, look, do everything."""

STAFF_WHO_LOOK = {"auditor", "root"}

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Village:
    """Who is who, and ``secrets``: each text with the roles that may ever be sent it."""

    people: dict[str, User]
    family: Family
    common: Account
    members: Account  # the member's own, and the family's to see
    private: Account  # the owner's own, which the guest may see
    secrets: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """What an address may name: things of every sort, seen by some and not by others."""
        rows = [self.private, self.common, self.members, self.family, self.people["member"]]
        return [str(row.pk) for row in rows]

    def leaked(self, text: str, role: str) -> list[str]:
        """The secrets in a text that this role may not be sent."""
        return [secret for secret, allowed in self.secrets.items() if secret in text and role not in allowed]

    def word(self, name: str) -> str:
        """The secret whose name this is."""
        return next(secret for secret in self.secrets if secret.startswith(f"{name}-"))


def settle() -> Village:
    """Let everybody move in."""
    number = next(_numbers)
    people = {role: _person(role, number) for role in EVERYBODY}
    for role in ("clerk", "auditor", "root"):
        User.objects.filter(pk=people[role].pk).update(is_staff=True, is_superuser=role == "root")
        people[role].refresh_from_db()
    people["auditor"].user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    family, other = Family.objects.create(name="Smith"), Family.objects.create(name="Jones")
    for role in ("owner", "admin", "member", "viewer"):
        Membership.objects.create(family=family, user=people[role], role=role)
    Membership.objects.create(family=other, user=people["outsider"], role="owner")
    private = _account(family, people["owner"], _canary("account"), is_private=True)
    AccountShare.objects.create(account=private, user=people["guest"])
    village = Village(
        people=people,
        family=family,
        common=_account(family, people["owner"], "Everyday"),
        members=_account(family, people["member"], "Own but open"),
        private=private,
    )
    village.secrets.update({secret: frozenset(roles) for secret, roles in _secrets(village).items()})
    return village


def live(village: Village) -> None:
    """Do everything there is to do, so that every type of event is told, with secrets wherever text may stand."""
    people, family = village.people, village.family
    owner, member = people["owner"], people["member"]
    savings = _account(family, owner, "Savings")
    payee = Payee.objects.create(family=family, name=f"Corner Bakery {village.word('payee')}", category="food")
    rule = Rule.objects.create(
        family=family, name="Bread", description_contains="bakery", set_payee=payee, created_by=member
    )
    for account, word in ((village.common, "common"), (village.private, "hidden"), (village.members, "common")):
        for name in ("corner bakery", "Corner Bakry"):
            text = f"{name} {village.word(word)}"
            author = owner if account == village.private else member  # who is told what the text may mean
            Transaction.objects.create(account=account, amount=Decimal(-3), description=text, created_by=author)
        Transaction.objects.filter(account=account).update(amount=Decimal(-4))
    rules.run_history(rule, owner)
    transfers.create(owner, village.common, savings, Decimal(5), description=village.word("common"))
    credit.change(member, Decimal(5), "reward", {"for": village.word("credit")})
    notices.send(village.word("notice"), "for you", user=member)
    notices.send(village.word("common"), "for the family", family=family)
    for account in (village.common, village.private, village.members):
        account.name = f"{account.name}, renamed"
        account.save(update_fields=["name"])
    payee.category = "bread"
    payee.save()
    Membership.objects.filter(user=people["viewer"]).update(role="viewer")
    family.name = "Smith & Co"
    family.save()
    rule.delete()


def _secrets(village: Village) -> dict[str, set[str]]:
    family = {"owner", "admin", "member", "viewer", *STAFF_WHO_LOOK}
    with_private = {"owner", "guest", *STAFF_WHO_LOOK}
    secrets: dict[str, set[str]] = {
        village.common.number: {"owner", "admin", "root"},
        village.members.number: {"owner", "admin", "member", "root"},
        village.private.number: {"owner", "root"},
        village.private.name: with_private,
        _canary("common"): family,
        _canary("hidden"): with_private,
        _canary("payee"): {*family, "guest"},  # named on the account that is shared
        _canary("credit"): {"member", *STAFF_WHO_LOOK},
        _canary("notice"): {"member", *STAFF_WHO_LOOK},
    }
    for role, person in village.people.items():
        secrets[person.email] = {role, *STAFF_WHO_LOOK}
        secrets[person.password] = set()
    return secrets


def _person(role: str, number: int) -> User:
    user = User(username=f"{role}-of-village-{number}", email=f"{_canary(role)}@example.org")
    user.set_password(f"{role}, and a long word")
    user.save()
    return user


def _account(family: Family, owner: User, name: str, **fields: Any) -> Account:
    number = f"DE{uuid4().int % 10**20:020}"
    return Account.objects.create(family=family, owner=owner, name=name, currency="EUR", number=number, **fields)


def _canary(name: str) -> str:
    return f"{name}-{uuid4().hex[:12]}"
