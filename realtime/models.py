"""The tables of the log: what waits for its place, what has one, and who has confirmed it.

``PublishingModel`` is offered here too, since host projects look for it among the models.
"""

from __future__ import annotations

import secrets
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from realtime.protocol.entry import CONTROL_PREFIX
from realtime.publishing import PublishingModel, PublishingQuerySet, Refused

__all__ = [
    "Condition",
    "Event",
    "LogHead",
    "Operations",
    "Outgoing",
    "PublishingModel",
    "PublishingQuerySet",
    "Receipt",
    "Refused",
    "SpentTicket",
    "TopicHead",
]


MAX_ABOUT = 100
MAX_CLIENT = 200
ABOUT = _("The thing it is about, of which only the newest event on a topic wants an acknowledgement.")


def new_epoch_name() -> str:
    """A name for a new history of the log: short, random, lowercase base 36."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(8))


class Outgoing(models.Model):
    """One event that waits for its place in the log. Lives from the business commit to the sequencing."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(_("event id"))
    type = models.CharField(_("type"), max_length=64)
    topics = models.TextField(_("topics"), help_text=_("Topics, separated by spaces."))
    data = models.TextField(_("data"), help_text=_("The event's data as JSON, byte for byte as it will be sent."))
    timestamp = models.DateTimeField(_("committed"))
    ack = models.BooleanField(_("wants an acknowledgement"), default=False)
    expires = models.DateTimeField(_("expires"), null=True)
    about = models.CharField(_("about"), max_length=MAX_ABOUT, default="", db_default="", help_text=ABOUT)

    class Meta:
        verbose_name = _("outgoing event")
        verbose_name_plural = _("outgoing events")
        indexes = [
            models.Index(
                fields=["topics"], condition=models.Q(topics__startswith=CONTROL_PREFIX), name="waiting_about_a_user"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.topics}"


class EventQuerySet(models.QuerySet["Event"]):
    """Entries of the log."""

    def wanting_an_ack(self) -> Self:
        """Those that users may still have to acknowledge: not expired, and the newest about their thing."""
        now, later = timezone.now(), models.Q(about=models.OuterRef("about"), position__gt=models.OuterRef("position"))
        # Said again of the inner rows, since an index goes by it.
        follows = Event.objects.filter(later, topic=models.OuterRef("topic"), about__gt="")
        return self.filter(ack=True, expires__gt=now).exclude(models.Q(models.Exists(follows), about__gt=""))


class Event(models.Model):
    """One thing that happened on one topic, at its place in the log. Written once, never changed."""

    position = models.PositiveBigIntegerField(_("position"), primary_key=True)
    topic = models.CharField(_("topic"), max_length=100)
    seq = models.PositiveBigIntegerField(_("place in the topic"))
    event_id = models.UUIDField(_("event id"))
    type = models.CharField(_("type"), max_length=64)
    data = models.TextField(_("data"))
    timestamp = models.DateTimeField(_("committed"))
    # The database's clock, as the statement that gives places names no more than it must. Null: before there was this.
    sequenced_at = models.DateTimeField(_("given its place"), null=True, db_default=Now())
    ack = models.BooleanField(_("wants an acknowledgement"), default=False)
    expires = models.DateTimeField(_("expires"), null=True)
    about = models.CharField(_("about"), max_length=MAX_ABOUT, default="", db_default="", help_text=ABOUT)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            # Two relays that both believed they held the head: the second must fail.
            models.UniqueConstraint(fields=["topic", "seq"], name="one_event_per_place"),
        ]
        indexes = [
            models.Index(fields=["topic", "position"], name="replay_of_a_topic"),
            models.Index(fields=["timestamp"], name="retention"),
            models.Index(fields=["event_id"], condition=models.Q(ack=True), name="wanting_an_ack"),
            models.Index(fields=["topic", "position"], condition=models.Q(ack=True), name="wanting_an_ack_on_a_topic"),
            models.Index(fields=["about", "position"], condition=models.Q(about__gt=""), name="about_one_thing"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.type} on {self.topic}"


class TopicHead(models.Model):
    """The newest seq of one topic."""

    topic = models.CharField(_("topic"), max_length=100, primary_key=True)
    seq = models.PositiveBigIntegerField(_("place in the topic"))

    class Meta:
        verbose_name = _("topic head")
        verbose_name_plural = _("topic heads")

    def __str__(self) -> str:
        return f"{self.topic}: {self.seq}"


class LogHead(models.Model):
    """The one row that says where the log ends, where it begins, and which history it is.

    ``check`` is 16 bits of the newest entry's id: with it a cursor tells one history from another.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.CharField(_("epoch"), max_length=16, default=new_epoch_name)
    position = models.PositiveBigIntegerField(_("position"), default=0)
    check_bits = models.PositiveIntegerField(_("check bits"), default=0)
    floor = models.PositiveBigIntegerField(
        _("floor"), default=0, help_text=_("Oldest position from which a replay is whole.")
    )

    class Meta:
        verbose_name = _("log head")
        verbose_name_plural = _("log heads")
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="there_is_one_log_head")]

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"


class Condition(models.Model):
    """Something that is wrong with the installation now. It is told by whoever makes the row, and once more at its end.

    ``until`` is a lease: what a process that died had to say ends by itself.
    """

    name = models.CharField(_("name"), max_length=160, primary_key=True)
    kind = models.CharField(_("kind"), max_length=32)
    severity = models.CharField(_("severity"), max_length=8)
    message = models.TextField(_("message"))  # as it was told, in English
    value = models.FloatField(_("value"), null=True)  # when it began; null: before there was this
    process = models.CharField(_("process"), max_length=100, blank=True)
    since = models.DateTimeField(_("since"), auto_now_add=True)
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("condition")
        verbose_name_plural = _("conditions")

    def __str__(self) -> str:
        return self.name


class Operations(models.Model):
    """No table: what the rights to the staff's desk hang on, and its place in the admin."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_operations", _("Can see how the installation is doing and who is connected")),
            ("disconnect", _("Can disconnect a connection or a user")),
        ]
        verbose_name = _("operations")
        verbose_name_plural = _("operations")


class Receipt(models.Model):
    """One user's confirmation of one event, by one of their clients. There is no row before it is given."""

    event_id = models.UUIDField(_("event id"))
    about = models.CharField(_("about"), max_length=MAX_ABOUT, default="", help_text=ABOUT)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    transport = models.CharField(_("transport"), max_length=16)
    client = models.CharField(_("client"), max_length=MAX_CLIENT, default="", help_text=_("What it calls itself."))
    acked_at = models.DateTimeField(_("acknowledged"), auto_now_add=True)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        constraints = [
            models.UniqueConstraint(fields=["event_id", "user", "client"], name="one_receipt_per_client"),
        ]
        indexes = [
            models.Index(fields=["about"], condition=models.Q(about__gt=""), name="receipts_about_one_thing"),
            models.Index(fields=["acked_at"], name="receipts_in_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} by {self.user_id}"


class SpentTicket(models.Model):
    """A ticket that has been used, kept until it would have expired anyway."""

    jti = models.CharField(_("ticket"), max_length=64, primary_key=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("spent ticket")
        verbose_name_plural = _("spent tickets")

    def __str__(self) -> str:
        return self.jti
