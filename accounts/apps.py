"""Start of the app: kinds of topics and signal receivers are connected here and nowhere else."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """People, families, memberships."""

    name = "accounts"
    verbose_name = _("Accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import access, resources, schema, signals, wire
        from realtime import topics

        del resources, schema, signals, wire  # imported for what they register
        topics.register(access.FamilyKind())
        topics.register(access.UserKind())
