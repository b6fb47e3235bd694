"""The WebSocket consumers: the gateway to any number of topics, and one consumer per channel type.

They have no channel of their own: all consumers of a process share the layer through its follower.
"""

from __future__ import annotations

from typing import ClassVar

from realtime import topics
from realtime.protocol.errors import ProtocolError
from realtime.resume import Wanted
from realtime.transports.consumer import RealtimeConsumer
from realtime.transports.query import wanted_in


class GatewayConsumer(RealtimeConsumer):
    """``/ws``: any number of topics over one connection."""

    def wanted(self) -> Wanted:
        return wanted_in(self.query)


class TopicConsumer(RealtimeConsumer):
    """One topic of a kind, named in the URL, from the start. Subclasses say which kind."""

    __slots__ = ()

    kind: ClassVar[str]
    may_subscribe: ClassVar[bool] = False

    def wanted(self) -> Wanted:
        key = self.scope.get("url_route", {}).get("kwargs", {}).get("key", "")
        try:
            return Wanted(frozenset([topics.topic(self.kind, key)]), automatic=False)
        except topics.InvalidTopic as error:
            raise ProtocolError("forbidden") from error


class GlobalConsumer(TopicConsumer):
    """``/ws/global``: system notices."""

    kind = "global"


class StaffConsumer(TopicConsumer):
    """``/ws/staff``: alerts and operations figures."""

    kind = "staff"


class NowhereConsumer(RealtimeConsumer):
    """Any other address: refused like a topic that may not be read."""

    def wanted(self) -> Wanted:
        raise ProtocolError("forbidden")
