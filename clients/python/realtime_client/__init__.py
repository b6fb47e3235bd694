"""Keeps a Python program in step with a realtime server: each event once and in order, whatever becomes of the line."""

from .client import RealtimeClient
from .errors import RealtimeError
from .messages import Event
from .status import State, Status
from .timing import Timing

__all__ = ["Event", "RealtimeClient", "RealtimeError", "State", "Status", "Timing"]
