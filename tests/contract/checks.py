"""What holds of every event that any client is sent, and of all that one client was sent together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from realtime import log
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry
from tests.clients import Client, Frame, StreamClient, is_event

ENVELOPE = {"type", "topic", "seq", "cursor", "id", "timestamp", "data"}
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
EVERYTHING = 100_000


def check_envelopes(events: Sequence[Frame]) -> None:
    """Each event is an envelope of the protocol, and no topic's seqs have a hole."""
    seqs: dict[str, int] = {}
    for event in events:
        assert ENVELOPE <= set(event) <= ENVELOPE | {"ack", "replayed"}, event
        assert event.get("replayed", True) is True
        assert event.get("ack", True) is True
        assert UUID(event["id"]).version == 7
        assert str(UUID(event["id"])) == event["id"]
        assert TIMESTAMP.fullmatch(event["timestamp"])
        assert event["seq"] == seqs.get(event["topic"], event["seq"] - 1) + 1, event
        seqs[event["topic"]] = event["seq"]
    check_cursors(events)
    check_ids(events)


def check_cursors(events: Iterable[Frame]) -> None:
    """The cursors of one connection, or of one client that resumes, always go on."""
    places = [Cursor.parse(event["cursor"]).position for event in events]
    assert places == sorted(set(places))


def check_ids(events: Iterable[Frame]) -> None:
    """No topic brings an event twice; on two topics it is the same to the letter."""
    known: dict[tuple[str, str], None] = {}
    bodies: dict[str, Any] = {}
    for event in events:
        assert (event["topic"], event["id"]) not in known, event
        known[event["topic"], event["id"]] = None
        body = {name: event[name] for name in ("type", "timestamp", "data")}
        assert bodies.setdefault(event["id"], body) == body


def check_lines(client: StreamClient) -> None:
    """Each event of a stream says its type, and where to go on, beside its data."""
    for chunk in client.chunks:
        if chunk.data and is_event(chunk.json()):
            assert (chunk.id, chunk.event) == (chunk.json()["cursor"], chunk.json()["type"])


def logged(topics: Iterable[str], cursor: str) -> list[Entry]:
    """What the log holds of the topics behind a cursor. Reads the database."""
    return log.read(Cursor.parse(cursor).position, topics=topics, limit=EVERYTHING).entries


def newest(topics: Iterable[str]) -> dict[str, int]:
    """Each topic's newest seq. Reads the database."""
    return log.heads(topics)[1]


def check_complete(events: Sequence[Frame], entries: Sequence[Entry]) -> None:
    """These are exactly the rows of the log: in order, each once, with what was published in them."""
    assert [_place(event) for event in events] == [(entry.topic, entry.seq, entry.id) for entry in entries]
    for event, entry in zip(events, entries, strict=True):
        assert event["type"] == entry.type
        assert event["timestamp"] == entry.timestamp
        assert event["data"] == msgspec.json.decode(entry.data)
        assert Cursor.parse(event["cursor"]).position == entry.position


def on(topic: str, events: Iterable[Frame]) -> list[Frame]:
    """The events of one topic."""
    return [event for event in events if event["topic"] == topic]


def no_reset(client: Client) -> None:
    """The client was never told to start over, nor of an error."""
    assert not [frame for frame in client.frames if frame["type"] in ("Reset", "Error")]


def _place(event: Frame) -> tuple[str, int, str]:
    return event["topic"], event["seq"], event["id"]
