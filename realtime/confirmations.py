"""Who has confirmed what was said of one thing, and who has not yet: for people who look, not for clients.

Apart from the receipts, which decide what is given again to whom; here nothing is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from realtime import log, receipts, topics
from realtime.models import Event, Receipt

MOST_PEOPLE = 10_000  # of an audience, of whom it is asked who has not confirmed


@dataclass(frozen=True, slots=True)
class Confirmations:
    """What became of the newest event about a thing.

    ``event`` is None where it is no longer kept, or never wanted a confirmation. ``confirmed`` are the receipts of this
    event, and ``earlier`` those of what was said before of the same thing. ``missing`` are the people of the audience
    who have not confirmed it; None where the audience cannot be counted.
    """

    event: Event | None
    confirmed: QuerySet[Receipt]
    earlier: QuerySet[Receipt]
    missing: list[Any] | None

    @property
    def is_open(self) -> bool:
        """Whether it is still given again to those who have not confirmed it."""
        until = self.event.expires if self.event else None
        return until is not None and until > timezone.now()


def about(thing: str) -> Confirmations:
    """What is known of the thing that events are ``about``, as publish() was told it."""
    rows = Receipt.objects.using(log.database()).filter(about=thing).select_related("user").order_by("acked_at", "pk")
    newest = Event.objects.using(log.database()).filter(about=thing, about__gt="").order_by("-position").first()
    event = newest if newest is not None and newest.ack else None
    if event is None:
        return Confirmations(None, rows.none(), rows, None)
    return Confirmations(
        event, rows.filter(event_id=event.event_id), rows.exclude(event_id=event.event_id), _missing(event)
    )


def _missing(event: Event) -> list[Any] | None:
    """The people of the event's audience, as it is now and was then, without those who have confirmed it."""
    audience = topics.audience(event.topic)
    if audience is None:
        return None
    people = {str(user.pk): user for user in audience.order_by("pk")[:MOST_PEOPLE]}
    want = receipts.want_of_row(event)
    still = receipts.still_wanted([receipts.Ask(pk, [want]) for pk in people])
    return [user for user, wants in zip(people.values(), still, strict=True) if wants]
