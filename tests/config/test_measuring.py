"""What the workers of a server measure is told by any of them, and survives the death of each."""

from __future__ import annotations

import os
import signal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.env import BASE_DIR
from config.services.waiting import wait_until
from tests.live import LiveServer
from tests.processes import workers_of

TOKEN = "a-token-of-at-least-thirty-two-characters"
PATIENCE = 20.0
WORKERS = 2


def numbers(server: LiveServer) -> dict[str, float]:
    """Every number, by name and labels."""
    answer = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
    answer.raise_for_status()
    families = text_string_to_metric_families(answer.text)
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in families
        for sample in family.samples
    }


def refuse(server: LiveServer, times: int) -> None:
    """Have clients refused, on whichever worker: a new connection each."""
    for _ in range(times):
        assert httpx.get(f"{server.url}/api/v1/events", trust_env=False).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_any_worker_tells_what_all_of_them_measured_and_the_dead_ones_too() -> None:
    refused = "realtime_refused_total[('code', 'unauthenticated')]"
    with LiveServer(workers=WORKERS, environment={"REALTIME_METRICS_TOKEN": TOKEN}) as server:
        refuse(server, 20)
        assert {numbers(server)[refused] for _ in range(10)} == {20}

        for worker in workers_of(server.pid):
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: _answers(server), PATIENCE, server.log)
        refuse(server, 5)

        assert numbers(server)[refused] == 25
        assert numbers(server)["realtime_connections"] == 0
        places = {name for name in numbers(server) if name.startswith("realtime_follower_position")}
        assert len(places) <= WORKERS
        server.stop()

    assert not list((BASE_DIR / "var" / "metrics").glob(f"*-{server.pid}"))


def _answers(server: LiveServer) -> bool:
    try:
        return len(workers_of(server.pid)) == WORKERS and bool(numbers(server))
    except (httpx.HTTPError, OSError):
        return False
