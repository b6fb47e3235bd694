"""The topics of this app.

Separate from ``access`` so that who only wants to write to a topic need not load who may read it.
"""

from __future__ import annotations

from uuid import UUID

from accounts.topics import family_topic
from ledger.models.accounts import Account
from realtime.topics import Topic, topic


def account_topic(account_id: UUID | str) -> Topic:
    """``account:<id>``: one account, for those who may see it."""
    return topic("account", account_id)


def audience(account: Account) -> list[Topic]:
    """Everyone who may see the account: nothing of a private one is ever put on the family's topic."""
    own = account_topic(account.pk)
    return [own] if account.is_private else [family_topic(account.family_id), own]


def rules_topic(account: Account) -> Topic:
    """Where the rules for one account are told: to the family, unless the account is private."""
    return account_topic(account.pk) if account.is_private else family_topic(account.family_id)
