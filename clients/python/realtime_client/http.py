"""Requests to the server's HTTP interface: what streams and polls are made of, and how they carry commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from .errors import ABNORMAL, LineEnded, RealtimeError, refusal
from .messages import Message
from .timing import Timing
from .token import Token


class Http:
    """One client for all requests. ``base`` is the address below which ``events``, ``stream`` and the others are."""

    def __init__(self, base: str, token: Token, timing: Timing, *, trust_env: bool = True) -> None:
        self._token = token
        self.client = httpx.AsyncClient(base_url=base, timeout=timing.http, trust_env=trust_env)

    async def headers(self) -> dict[str, str]:
        """The credential. Raises LineEnded when there is none to give."""
        try:
            return await self._token.headers()
        except RealtimeError as error:
            raise LineEnded(error.close_code or ABNORMAL, reason=str(error)) from error

    async def get(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON of the answer. Raises LineEnded."""
        return await self._ask("GET", path, params=params)

    async def command(self, message: Message) -> Message | None:
        """Do what a WebSocket does with a command, and return the server's words. Raises nothing."""
        name, data, reply_to = message["command"], message.get("data") or {}, message.get("id")
        try:
            if name == "Ack":
                await self._ask("POST", "events/ack", json={"message_ids": [data["message_id"]]})
            elif name == "Request":
                answer = await self.get("snapshot", {**data["params"], "resource": data["resource"]})
                return {"type": "Response", "reply_to": reply_to, "data": answer}
            elif name == "Subscribe":
                # Whether the topic is granted; the line itself names it from then on.
                await self.get("events", {"topics": data["topic"], "auto": "0"})
                return {"type": "Subscribed", "reply_to": reply_to, "data": {**data, "replayed": 0}}
        except LineEnded as refused:
            code = getattr(refused, "refused", "unreachable")
            return {"type": "Error", "reply_to": reply_to, "data": {"code": code, "message": str(refused)}}
        return None

    async def aclose(self) -> None:
        """Close its connections."""
        await self.client.aclose()

    async def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            answer = await self.client.request(method, path, headers=await self.headers(), **content)
        except httpx.HTTPError as error:
            raise LineEnded(reason=f"{type(error).__name__}: {error}") from error
        if answer.is_error:
            raise refused_by(answer)
        try:
            body: dict[str, Any] = answer.json() if answer.content else {}
        except ValueError as error:
            raise LineEnded(reason="the answer is no JSON: something on the way gave it") from error
        return body


class Refused(LineEnded):
    """A request that was answered with an error; ``refused`` is its code."""

    refused = "unreachable"


def refused_by(answer: httpx.Response) -> LineEnded:
    """What an answer with an error means, its body read."""
    code = code_in(answer.content)
    end = refusal(code, answer.status_code, seconds_in(answer.headers.get("Retry-After")))
    refused = Refused(end.code, end.retry_after, reason=str(end))
    refused.refused = code or f"http_{answer.status_code}"
    return refused


def code_in(body: bytes) -> str | None:
    """The code that a refusal gives; None where something else than the server answered."""
    try:
        return str(httpx.Response(200, content=body).json()["code"])
    except (KeyError, TypeError, ValueError):
        return None


def seconds_in(retry_after: str | None) -> float | None:
    """What ``Retry-After`` says, a number or a date."""
    if not retry_after:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
