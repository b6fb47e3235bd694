"""One user's ways to snapshots of all that a replica keeps.

Apart from the replica, which asks nobody: what it is given may come over HTTP or on a socket.
"""

from __future__ import annotations

from typing import Any, Self

import httpx

from tests.clients import TIMEOUT, SocketClient, access_token
from tests.contract.replica import Parts
from tests.contract.world import World
from tests.live import LiveServer

RESOURCES = {"accounts": "accounts", "credit": "credit_balance", "notices": "notifications"}
LISTS = {"payees": "payees?limit=200", "rules": "rules?limit=200"}
LIMIT = 500


class Reader:
    """Reads in parts. The cursor is the first part's: what any of them lacks comes after that."""

    def __init__(self, server: LiveServer, world: World, who: str) -> None:
        headers = {"Authorization": f"Bearer {access_token(world.people[who])}"}
        self.http = httpx.AsyncClient(
            base_url=f"{server.url}/api/v1/", headers=headers, timeout=TIMEOUT, trust_env=False
        )
        self.family = str(world.family.pk)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    async def resources(self) -> tuple[Parts, str]:
        """By ``GET /snapshot``, and lists for what is no resource."""
        asked = {name: {"resource": resource} for name, resource in RESOURCES.items()}
        asked["transactions"] = {"resource": "transactions", "family_id": self.family, "limit": str(LIMIT)}
        answers = {name: (await self._get("snapshot", params)).json() for name, params in asked.items()}
        parts = {name: answer["result"] for name, answer in answers.items()} | await self._lists(LISTS)
        return parts, answers["accounts"]["cursor"]

    async def lists(self) -> tuple[Parts, str]:
        """By the list endpoints alone."""
        first = await self._get("accounts?limit=200")
        more = LISTS | {"transactions": f"transactions?family_id={self.family}&limit=200"}
        parts = {"accounts": first.json()["results"]} | await self._lists(more)
        parts["credit"] = (await self._get("credits")).json()
        parts["notices"] = (await self._get("notifications?limit=200")).json()["results"]
        return parts, first.headers["X-Cursor"]

    async def requests(self, client: SocketClient) -> Parts:
        """By ``Request`` on a socket, and lists for what is no resource."""
        params = {"family_id": self.family, "limit": LIMIT}
        asked = [(name, resource, {}) for name, resource in RESOURCES.items()]
        parts: dict[str, Any] = {}
        for name, resource, values in [*asked, ("transactions", "transactions", params)]:
            answer = await client.ask("Request", {"resource": resource, "params": values}, id=name)
            parts[name] = answer["data"]["result"]
        return parts | await self._lists(LISTS)

    async def transactions_of(self, account_id: str) -> list[Any]:
        """Those of one account; none if it is out of sight again."""
        params = {"resource": "transactions", "account_id": account_id, "limit": str(LIMIT)}
        answer = await self.http.get("snapshot", params=params)
        return answer.json()["result"] if answer.status_code == 200 else []

    async def _lists(self, addresses: dict[str, str]) -> dict[str, Any]:
        return {name: (await self._get(address)).json()["results"] for name, address in addresses.items()}

    async def _get(self, address: str, params: dict[str, str] | None = None) -> httpx.Response:
        answer = await self.http.get(address, params=params)
        answer.raise_for_status()
        return answer
