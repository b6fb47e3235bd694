"""The socket of this app's topic."""

from __future__ import annotations

from realtime.transports.websocket import TopicConsumer


class AccountConsumer(TopicConsumer):
    """``/ws/account/<uuid>``: balance and transactions of one account."""

    kind = "account"
