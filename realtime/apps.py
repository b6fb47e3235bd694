"""Start of the app: kinds, checks and signal receivers are connected here and nowhere else."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RealtimeConfig(AppConfig):
    """Events by topic, to whoever may read them."""

    name = "realtime"
    verbose_name = _("Real-time events")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from realtime import access, checks, signals, stats, topics

        del checks, stats  # imported for what they register
        signals.listen()
        topics.register(access.GlobalKind())
        topics.register(access.StaffKind())
