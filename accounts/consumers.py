"""The sockets of this app's topics, one consumer per kind."""

from __future__ import annotations

from realtime.transports.websocket import TopicConsumer


class FamilyConsumer(TopicConsumer):
    """``/ws/family/<uuid>``: what changes for one family."""

    kind = "family"


class UserConsumer(TopicConsumer):
    """``/ws/user/<uuid>``: what is one user's own."""

    kind = "user"
