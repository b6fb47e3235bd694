"""What befalls Redis. It explains nothing: Redis is a matter of latency, and no client may notice."""

from __future__ import annotations

from tests.faults.rig import Rig
from tests.faults.scenario import fault


def kill_clients(rig: Rig) -> None:
    """End every connection to Redis but one's own."""
    with rig.redis.client() as client:
        for kind in ("pubsub", "normal"):
            client.client_kill_filter(_type=kind, skipme=True)


def limit_memory(rig: Rig, limit: int) -> None:
    """Give Redis so many bytes; 0: as many as it likes."""
    with rig.redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", limit)


fault(
    "redis-killed",
    "Redis is killed, and comes back empty.",
    strike=lambda rig: rig.redis.kill(),
    heal=lambda rig: rig.redis.start(),
    is_quick=True,
)
fault(
    "redis-flushed",
    "Everything in Redis is deleted, again and again.",
    strike=lambda rig: rig.redis.flush(),
    every=1.0,
)
fault(
    "redis-frozen",
    "Redis stands still for half a minute: connections stay open, and nothing answers.",
    strike=lambda rig: rig.redis.freeze(),
    heal=lambda rig: rig.redis.thaw(),
    seconds=30,
)
fault(
    "redis-swallowed",
    "A firewall swallows what goes to Redis and what comes from it.",
    strike=lambda rig: rig.black_hole_redis(),
    heal=lambda rig: rig.reach_redis(),
    seconds=15,
)
fault(
    "redis-refused",
    "A firewall answers what goes to Redis by a reset.",
    strike=lambda rig: rig.reset_redis(),
    heal=lambda rig: rig.reach_redis(),
)
fault(
    "redis-clients-killed",
    "Every connection to Redis is ended, every two seconds.",
    strike=kill_clients,
    every=2.0,
    seconds=12,
)
fault(
    "redis-out-of-memory",
    "Redis has no memory left, and evicts nothing.",
    strike=lambda rig: limit_memory(rig, 1),
    heal=lambda rig: limit_memory(rig, 0),
)
