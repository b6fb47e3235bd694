"""Start of the app: kinds of topics, receivers and resources are connected here and nowhere else."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LedgerConfig(AppConfig):
    """Accounts, transactions, payees, rules, credits."""

    name = "ledger"
    verbose_name = _("Ledger")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.access import register_things
        from ledger import access, resources, signals, wire
        from ledger.services import letting_go, sharing
        from realtime import topics

        del resources, signals, wire  # imported for what they register
        topics.register(access.AccountKind())
        register_things(sharing.topics_through, sharing.hold_of, sharing.look_at, letting_go.of_users)
