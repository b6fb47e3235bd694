"""Rules: what they match, and what they set, on new transactions and over history.

New transactions are filled in before they are inserted, so that everyone sees them once, as they shall be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TypeAlias
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.topics import family_topic
from ledger import access, events
from ledger.errors import NotInFamily
from ledger.models import Payee, Rule, RuleRun, Transaction
from ledger.services import balances
from ledger.services.sharing import hold_accounts
from ledger.topics import rules_topic
from realtime.holding import keep
from realtime.prepared import Given, prepared
from realtime.topics import Topic

Hit: TypeAlias = tuple[Rule, Transaction]

BATCH = 500
"""Transactions looked at per query of a run over history."""


@contextmanager
def filling_in(rows: Sequence[Transaction], *, using: str) -> Iterator[None]:
    """Let the rules fill in those of ``rows`` that are about to be inserted, and record what they did once they are.

    What the writer has set is left alone, and so are transfers. Call inside an operation that holds the accounts.
    """
    hits = [hit for row in rows if row._state.adding for hit in _hits(row, using)]
    outcomes = _fill_in(_kept(hits, using))
    yield
    _record(outcomes, using)


def run_history(rule: Rule, user: User, refusal: Callable[[], Exception | None] = lambda: None) -> RuleRun:
    """Run a rule over all the family's transactions that the user may see, and tell the user how it went.

    Asked for by a person, so it sets its category and payee whatever was there. Works in batches, each a transaction
    of its own unless the caller has one open, and each under rights of its own: what the user sees of it is held, and
    asked for again. ``refusal`` says then why the user may not go on; that is raised once what was done before is told.
    Raises DoesNotExist for a rule, or user, that has just been deleted.
    """
    matched = changed = 0
    refused = None
    for batch in _batches(_candidates(rule, user)):
        if hits := [row for row in batch if matches(rule, row)]:
            with transaction.atomic():
                held = _held(hits, user)
                if refused := refusal():
                    break
                rows = [row for row in _candidates(rule, user).filter(held) if matches(rule, row)]
                matched += len(rows)
                changed += _set_all(rule, rows)
    if refused and not matched:
        raise refused
    with transaction.atomic():
        run = _recorded(rule, user, matched, changed)
    if refused:
        raise refused
    return run


def matches(rule: Rule, row: Transaction) -> bool:
    """Whether all conditions of the rule hold. In Python and not in SQL: SQLite ignores case in ASCII only."""
    if rule.account_id is not None and rule.account_id != row.account_id:
        return False
    if rule.description_contains.casefold() not in row.description.casefold():
        return False
    if rule.amount_min is None and rule.amount_max is None:
        return True
    amount = _amount(row)
    if amount is None:
        return False
    return (rule.amount_min is None or rule.amount_min <= amount) and (
        rule.amount_max is None or amount <= rule.amount_max
    )


def check(rule: Rule, using: str) -> None:
    """Raise NotInFamily if a rule just written names an account or payee of another family."""
    if rule.account_id is not None and balances.account(rule.account_id, using).family_id != rule.family_id:
        raise NotInFamily(_("The rule's account belongs to another family."))
    if rule.set_payee_id is not None and balances.find(Payee, rule.set_payee_id, using).family_id != rule.family_id:
        raise NotInFamily(_("The rule's payee belongs to another family."))


def tell(before: Rule | None, after: Rule | None, using: str) -> None:
    """Tell what became of a rule; one that came to be for a private account, or no longer is, changes audience."""
    was, now = (None if rule is None else _topic(rule, using) for rule in (before, after))
    if before is not None and was is not None and was != now:
        events.rule_update(before, "deleted", to=[was])
    if after is not None and now is not None:
        events.rule_update(after, "updated" if was == now else "created", to=[now])


def _topic(rule: Rule, using: str) -> Topic:
    if rule.account_id is None:
        return family_topic(rule.family_id)
    return rules_topic(balances.account(rule.account_id, using))


def _hits(row: Transaction, using: str) -> Iterator[Hit]:
    if row.transfer_id is None and not balances.knows_no_rules(row.account_id):
        account = balances.account(row.account_id, using)
        yield from ((rule, row) for rule in _active(account.family_id, using) if matches(rule, row))


def _kept(hits: Sequence[Hit], using: str) -> list[Hit]:
    """Those of ``hits`` whose rule is not deleted until the transaction ends, and sets no payee that is."""
    if not hits:
        return []
    matched = {rule.pk: rule for rule, row in hits}
    rules = keep(Rule.objects.using(using).filter(pk__in=matched))
    named = {rule.set_payee_id for rule in matched.values() if rule.set_payee_id is not None}
    payees = keep(Payee.objects.using(using).filter(pk__in=named)) if named else set()
    for rule in matched.values():
        if rule.set_payee_id not in payees:
            rule.set_payee = None
    return [hit for hit in hits if hit[0].pk in rules]


def _fill_in(hits: Iterable[Hit]) -> list[tuple[Rule, Transaction, bool]]:
    return [(rule, row, _set_blank(rule, row)) for rule, row in hits]


def _active(family_id: UUID, using: str) -> list[Rule]:
    """The family's rules in their order, asked for once per operation."""

    def ask() -> list[Rule]:
        return sorted(_of_family(using, family_id), key=lambda rule: (rule.priority, rule.pk))

    return balances.once(("rules", family_id), ask)


@prepared(Rule._meta.get_field("family"))
def _of_family(using: str, family_id: Given) -> QuerySet[Rule]:
    return Rule.objects.using(using).filter(family=family_id, is_active=True).order_by()


def _set_blank(rule: Rule, row: Transaction) -> bool:
    changed = False
    if rule.set_category and not row.category:
        row.category, changed = rule.set_category, True
    if rule.set_payee_id is not None and row.payee_id is None:
        row.payee_id, changed = rule.set_payee_id, True
    return changed


def _would_change(rule: Rule, row: Transaction) -> bool:
    category = bool(rule.set_category) and rule.set_category != row.category
    return category or (rule.set_payee_id is not None and rule.set_payee_id != row.payee_id)


def _set_all(rule: Rule, rows: Sequence[Transaction]) -> int:
    values: dict[str, object] = {}
    if rule.set_category:
        values["category"] = rule.set_category
    if rule.set_payee_id is not None and not keep(Payee.objects.filter(pk=rule.set_payee_id)):
        rule.set_payee = None  # deleted meanwhile: as if it had not been named
    if rule.set_payee_id is not None:
        values["payee_id"] = rule.set_payee_id
    ids = [row.pk for row in rows if _would_change(rule, row)]
    return Transaction.objects.filter(pk__in=ids).update(**values) if ids and values else 0


def _candidates(rule: Rule, user: User) -> QuerySet[Transaction]:
    accounts = access.visible_accounts(user).filter(family=rule.family_id)
    rows = Transaction.objects.filter(account__in=accounts, transfer=None)
    rows = rows if rule.account_id is None else rows.filter(account=rule.account_id)
    return rows.order_by("pk").only("account_id", "description", "amount", "category", "payee_id")


def _held(rows: Sequence[Transaction], user: User) -> Q:
    """Hold the accounts of ``rows`` as far as the user still sees them; the condition is that a row is still there."""
    accounts = {row.account_id for row in rows}
    hold_accounts(user, accounts)
    return Q(pk__in=[row.pk for row in rows], account__in=accounts)


def _recorded(rule: Rule, user: User, matched: int, changed: int) -> RuleRun:
    if not keep(User.objects.filter(pk=user.pk)):
        raise User.DoesNotExist
    if not keep(Rule.objects.filter(pk=rule.pk)):
        raise Rule.DoesNotExist
    run = RuleRun.objects.create(
        rule=rule, user=user, trigger=RuleRun.Trigger.HISTORY, matched_count=matched, changed_count=changed
    )
    events.rule_executed(run, user.pk)
    return run


def _batches(rows: QuerySet[Transaction]) -> Iterator[list[Transaction]]:
    """Pages by key: what is inserted meanwhile neither repeats a row nor skips one."""
    page = list(rows[:BATCH])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:BATCH])


def _record(outcomes: Iterable[tuple[Rule, Transaction, bool]], using: str) -> None:
    """One run per rule and person, however many transactions came at once."""
    counts: dict[tuple[UUID, UUID | None], list[int]] = {}
    for rule, row, changed in outcomes:
        count = counts.setdefault((rule.pk, row.created_by_id), [0, 0])
        count[0] += 1
        count[1] += changed
    for (rule_id, user_id), (matched, changed_count) in counts.items():
        run = RuleRun.objects.using(using).create(
            rule_id=rule_id,
            user_id=user_id,
            trigger=RuleRun.Trigger.NEW,
            matched_count=matched,
            changed_count=changed_count,
        )
        if user_id is not None:
            events.rule_executed(run, user_id)


def _amount(row: Transaction) -> Decimal | None:
    """The amount as a number: unsaved, it may be text, or an expression that only the database can compute."""
    try:
        return Decimal(str(row.amount))
    except InvalidOperation:
        return None
