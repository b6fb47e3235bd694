"""How many connections there may be: of this process, of one address, of one user.

Apart from admission, which decides who somebody is: this decides whether there is room. It costs a look into a
dictionary or two; what other processes have is known already (``counts``).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from realtime.conf import conf
from realtime.counts import Count, Counts
from realtime.metrics import metrics
from realtime.protocol.errors import ProtocolError

ADDRESSES_KEPT = 10_000  # whose text is not taken apart again
HOME = 64  # bits of an IPv6 address that one customer has; the rest is theirs to choose

Seat = tuple[Count, ...]
"""What a connection is counted under, until it gives that back."""


class Seats:
    """The connections of one event loop. Each takes a seat before anything else is done for it."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.taken = 0
        self._kinds = Counter[str]()  # users and addresses that have a seat here

    def take(self, scope: Mapping[str, Any]) -> Seat:
        """Count a connection that nobody has looked at yet. Raises ProtocolError ``too_many_connections``."""
        if self.taken >= conf.MAX_CONNECTIONS:
            raise ProtocolError(
                "too_many_connections", "This server is full: come back later.", limit="MAX_CONNECTIONS"
            )
        client = scope.get("client")
        seat = () if client is None else (self._address(client[0]),)
        self.taken += 1
        return seat

    def give(self, seat: Seat, user_id: str, transport: str) -> Seat:
        """Count it for its user too, once that is known. Raises ProtocolError ``too_many_connections``.

        What was taken stays so when it does: leave it either way.
        """
        user = self._add(f"user:{user_id}", conf.MAX_USER_CONNECTIONS, "MAX_USER_CONNECTIONS")
        if transport != "sse":
            return (*seat, user)
        try:
            return (*seat, user, self._add(f"streams:{user_id}", conf.MAX_USER_STREAMS, "MAX_USER_STREAMS"))
        except ProtocolError:
            self._drop(user)
            raise

    def leave(self, seat: Seat) -> None:
        """Count a connection no more."""
        self.taken -= 1
        for count in seat:
            self._drop(count)

    def beat(self) -> None:
        """Tell the other processes that this one lives, and whoever measures how many there are."""
        self.counts.beat()
        metrics.connections.set(self.taken)
        metrics.connected_users.set(self._kinds["user"])
        metrics.connected_addresses.set(self._kinds["address"])

    def _address(self, host: str) -> Count:
        key = f"address:{network_of(host)}"
        return self._add(key, conf.MAX_ADDRESS_CONNECTIONS, "MAX_ADDRESS_CONNECTIONS")

    def _add(self, key: str, most: int, setting: str) -> Count:
        count = self.counts.of(key)
        if count.here + count.elsewhere >= most:
            raise ProtocolError("too_many_connections", limit=setting)
        self.counts.add(count)
        if count.here == 1:
            self._kinds[_kind(count)] += 1
        return count

    def _drop(self, count: Count) -> None:
        self.counts.take(count)
        if count.here == 0:
            self._kinds[_kind(count)] -= 1


def _kind(count: Count) -> str:
    return count.key.partition(":")[0]


@lru_cache(maxsize=ADDRESSES_KEPT)
def network_of(host: str) -> str:
    """What stands for one client: its address; of an IPv6 address the network, as the rest costs nothing to change."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, as tests have it, or a socket's path
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, HOME), strict=False))
