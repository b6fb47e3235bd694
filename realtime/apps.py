"""Start of the app: kinds, checks and signal receivers are connected here and nowhere else."""

from __future__ import annotations

import sys

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RealtimeConfig(AppConfig):
    """Events by topic, to whoever may read them."""

    name = "realtime"
    verbose_name = _("Real-time events")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from realtime import access, checks, signals, stats, topics
        from realtime.conf import conf
        from realtime.desk import wire

        del checks, stats, wire  # imported for what they register
        signals.listen()
        topics.register(access.GlobalKind())
        topics.register(access.StaffKind())
        if conf.DAPHNE_WIRE and "daphne.server" in sys.modules:  # to import it would install its reactor
            from realtime.server import daphne

            daphne.install()
