"""The commands that wait for a reply, and who waits for it; they outlive the line they were sent on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import RealtimeError
from .messages import Message

MOST_OPEN = 25
"""How many of one command may wait; all of them together stay below the burst a server accepts after a reconnect."""


@dataclass(frozen=True, slots=True)
class _Question:
    message: Message
    answer: asyncio.Future[dict[str, Any]]


class Questions:
    """Those that are open, by the id that comes back as ``reply_to``."""

    def __init__(self) -> None:
        self._open: dict[str, _Question] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def open(self, command: str, data: Message) -> tuple[Message, asyncio.Future[dict[str, Any]]]:
        """Return the command to send and what will be its answer. Raises RealtimeError for too many."""
        if sum(question.message["command"] == command for question in self._open.values()) >= MOST_OPEN:
            raise RealtimeError("too_many_requests", f"{MOST_OPEN} of {command} are open: wait for one of them")
        self._last += 1
        message: Message = {"command": command, "data": data, "id": str(self._last)}
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[message["id"]] = _Question(message, answer)
        return message, answer

    def close(self, message: Message) -> None:
        """Nobody waits for this one any more."""
        self._open.pop(message["id"], None)

    def settle(self, reply: Message) -> bool:
        """Give a reply to whoever waits for it; return whether somebody did."""
        question = self._open.pop(str(reply.get("reply_to")), None)
        if question is None or question.answer.done():
            return False
        data = reply.get("data") or {}
        if reply["type"] == "Error":
            question.answer.set_exception(RealtimeError(data.get("code", "internal"), data.get("message", "")))
        else:
            question.answer.set_result(data)
        return True

    @property
    def unanswered(self) -> list[Message]:
        """What a new line is to be asked again."""
        return [question.message for question in self._open.values()]

    def reject(self, code: str, unwanted: Callable[[Message], bool] = lambda message: True) -> None:
        """Reject what is unwanted."""
        for key, question in list(self._open.items()):
            if unwanted(question.message):
                del self._open[key]
                if not question.answer.done():
                    question.answer.set_exception(RealtimeError(code))
