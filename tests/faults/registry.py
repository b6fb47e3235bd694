"""Every fault there is, in the order in which they are tried."""

from tests.faults import of_clients, of_networks, of_postgres, of_redis, of_servers
from tests.faults.scenario import SCENARIOS

__all__ = ["SCENARIOS", "of_clients", "of_networks", "of_postgres", "of_redis", "of_servers"]
