"""What is old goes from the log, but for what somebody still waits for.

Apart from the log, which only grows: this alone takes away from it, under the same lock of its head.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from realtime.conf import conf
from realtime.log import database, locked_head
from realtime.models import Event, LogHead
from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED


def prune(before: datetime) -> int:
    """Drop events older than ``before`` and return how many went. Acknowledged delivery keeps its own until expiry.

    The floor rises in a commit of its own before anything goes, so a replay under way sees it and resets.
    """
    using = database()
    old = (
        Event.objects.using(using).filter(timestamp__lt=before).order_by("-position").values_list("position", flat=True)
    )
    with transaction.atomic(using=using, durable=True):
        now = locked_head(using)
        # Times come from many clocks: only what lies below every younger entry goes.
        young = Event.objects.using(using).filter(timestamp__gte=before).order_by("position")
        first_young = young.values_list("position", flat=True).first()
        floor = min(first_young - 1 if first_young else now.position, old.first() or 0)
        if floor <= now.floor:
            return 0
        LogHead.objects.using(using).filter(pk=1).update(floor=floor)
    return _delete_below(floor, using)


def _delete_below(floor: int, using: str) -> int:
    # The entry at the floor itself stays: cursors that stand there are checked against it.
    below, wanting = Event.objects.using(using).filter(position__lt=floor), Event.objects.using(using).wanting_an_ack()
    gone = below.exclude(position__in=wanting.filter(position__lt=floor).values("position"))
    oldest = wanting.order_by("position").values_list("position", flat=True).first()
    if oldest is not None:
        # What is given again is given to whom had joined before it: that must be known for as long.
        gone = gone.exclude(topic__startswith=CONTROL_PREFIX, type=RIGHTS_CHANGED, position__gt=oldest)
    count = 0
    while keys := list(gone.order_by("position").values_list("position", flat=True)[: conf.PRUNE_BATCH]):
        count += Event.objects.using(using).filter(position__in=keys).delete()[0]
    return count
