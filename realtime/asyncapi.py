"""The wire protocol as an AsyncAPI 3 document, made from the structs that encode and decode it.

Separate, and generated so that what is published cannot differ from what is sent. Apps register here what
their events carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from realtime import resources, topics
from realtime.protocol import commands, envelopes
from realtime.protocol.errors import CLOSE_CODES, KINDS

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_SERVER_FRAMES = (
    envelopes.Connected,
    envelopes.Subscribed,
    envelopes.Unsubscribed,
    envelopes.Response,
    envelopes.Authenticated,
    envelopes.Ping,
    envelopes.Pong,
    envelopes.Reset,
    envelopes.Error,
)
_COMMAND_MESSAGES = {f"{command.__name__}Command" for command in commands.COMMANDS}
_GATEWAY_ONLY = {"SubscribeCommand", "UnsubscribeCommand"}


@dataclass(frozen=True, slots=True)
class EventForm:
    """What one type of event carries, and on which kinds of topics."""

    data: type[msgspec.Struct] | Mapping[str, Any]
    topics: tuple[str, ...]
    description: str
    ephemeral: bool


_events: dict[str, EventForm] = {}


def register_event(
    type_name: str,
    data: type[msgspec.Struct] | Mapping[str, Any],
    topics: Iterable[str],
    *,
    description: str = "",
    ephemeral: bool = False,
) -> None:
    """Publish the form of an event's data: a struct, or a JSON Schema. ``topics`` are names of kinds.

    The form is documentation: nothing checks what is published against it but the host project's tests.
    """
    described = description or ((data.__doc__ or "") if isinstance(data, type) else data.get("description", ""))
    _events[type_name] = EventForm(data, tuple(topics), described.strip(), ephemeral)


def one_of(values: Iterable[str]) -> msgspec.Meta:
    """What annotates a text that is one of ``values``: ``role: Annotated[str, one_of(Role.values)]``."""
    return msgspec.Meta(extra_json_schema={"enum": list(values)})


def event_forms() -> dict[str, EventForm]:
    """Every registered event, by its type: with them tests hold what is sent against what is documented."""
    return dict(sorted(_events.items()))


def document(title: str = "Real-time events") -> Schema:
    """The whole protocol of the sockets and the stream, for this project's events, topics and resources."""
    schemas = _schemas()
    messages = {**_commands(schemas), **_frames(), **_events_as_messages(schemas)}
    channels = _channels()
    made = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": "1", "description": _describe()},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": _operations(channels),
        "components": {"messages": dict(sorted(messages.items())), "schemas": dict(sorted(schemas.items()))},
        "x-close-codes": {str(code): meaning for code, meaning in CLOSE_CODES.items()},
        "x-errors": {
            kind.code: {"http_status": kind.http_status, "close_code": kind.close_code, "retry": kind.retry}
            for kind in KINDS.values()
        },
        "x-resources": {name: _ref(_params_name(name)) for name in resources.forms()},
    }
    return cast("Schema", _on_one_line(made))


def _describe() -> str:
    return (
        "One envelope, one cursor and one set of names on WebSocket, SSE and polling. Clients ignore keys and "
        "types they do not know. With the subprotocol `realtime.v1.msgpack` the messages come in binary frames."
    )


def _schemas() -> dict[str, Schema]:
    """The schema of every struct on the wire, under the name by which the document refers to it."""
    data_structs = [form.data for form in _events.values() if isinstance(form.data, type)]
    structs = [envelopes.Event, envelopes.CloseData, *_SERVER_FRAMES, *data_structs]
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    for name, form in resources.forms().items():
        (own,), parts = msgspec.json.schema_components([form], ref_template=_REFERENCE)
        own_name = own["$ref"].rpartition("/")[2]
        schemas |= {_params_name(name) if part == own_name else part: schema for part, schema in parts.items()}
    return cast("dict[str, Schema]", schemas)


def _commands(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """A message per command; adds to ``schemas`` what each one's ``data`` must hold."""
    messages = {}
    for command in commands.COMMANDS:
        name = command.__name__
        data_name = f"{name}CommandData"
        schemas[data_name] = _without_envelope(command)
        envelope = {
            "type": "object",
            "properties": {"command": {"const": name}, "data": _ref(data_name), "id": _id()},
            "required": ["command", "data"] if schemas[data_name]["required"] else ["command"],
        }
        messages[f"{name}Command"] = _message(name, command.__doc__, envelope)
    return messages


def _without_envelope(command: type[msgspec.Struct]) -> Schema:
    """The schema of a command's ``data``: its struct less the name and the id, which stand around it."""
    _, parts = msgspec.json.schema_components([command], ref_template=_REFERENCE)
    schema = parts[command.__name__]
    properties = {key: value for key, value in schema["properties"].items() if key not in ("type", "reply_to")}
    required = [key for key in schema["required"] if key in properties]
    return {"type": "object", "properties": properties, "required": required}


def _id() -> Schema:
    most = commands.MAX_ID_NUMBER
    return {
        "description": "Comes back as reply_to.",
        "anyOf": [
            {"type": "string", "maxLength": commands.MAX_ID_LENGTH},
            {"type": "integer", "minimum": -most, "maximum": most},
        ],
    }


def _frames() -> dict[str, Schema]:
    frames = {f.__name__: _message(f.__name__, f.__doc__, _ref(f.__name__)) for f in _SERVER_FRAMES}
    frames["Close"] = _message("Close", envelopes.CloseData.__doc__, _ref("CloseData"))
    return frames


def _events_as_messages(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """A message per registered event; adds to ``schemas`` the data forms that are given as schemas."""
    messages = {}
    for name, form in event_forms().items():
        if isinstance(form.data, type):
            data = _ref(form.data.__name__)
        else:
            schemas[f"{name}Data"] = dict(form.data)
            data = _ref(f"{name}Data")
        payload = {"allOf": [_ref("Event"), {"properties": {"type": {"const": name}, "data": data}}]}
        messages[name] = {
            **_message(name, form.description, payload),
            "x-topics": list(form.topics),
            "x-ephemeral": form.ephemeral,
        }
    return messages


def _message(name: str, summary: str | None, payload: Schema) -> Schema:
    return {"name": name, "summary": " ".join((summary or name).split()), "payload": payload}


def _channels() -> dict[str, Schema]:
    said = sorted(_COMMAND_MESSAGES)
    frames = [frame.__name__ for frame in _SERVER_FRAMES]
    streamed = ["Connected", "Subscribed", "Unsubscribed", "Reset", "Close"]
    channels = {
        "gateway": _channel("/ws", "Any number of topics over one WebSocket.", [*said, *frames, *_events]),
        "stream": _channel("/api/v1/stream", "The same as server-sent events.", [*streamed, *_events]),
    }
    said_on_one = [name for name in said if name not in _GATEWAY_ONLY]
    for kind in topics.kinds():
        told = [name for name, form in _events.items() if kind.name in form.topics]
        address = f"/ws/{kind.name}/{{key}}" if kind.keyed else f"/ws/{kind.name}"
        channels[kind.name] = _channel(address, "One topic.", [*said_on_one, *frames, *told])
    return channels


def _channel(address: str, summary: str, messages: Iterable[str]) -> Schema:
    channel: Schema = {
        "address": address,
        "summary": summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in sorted(messages)},
    }
    if "{key}" in address:
        channel["parameters"] = {"key": {"description": "UUID of the thing that the topic is about."}}
    return channel


def _operations(channels: Mapping[str, Schema]) -> dict[str, Schema]:
    """What the server receives and sends on each channel, in the words of AsyncAPI: seen from the server."""
    operations = {}
    for name, channel in channels.items():
        received = [message for message in channel["messages"] if message in _COMMAND_MESSAGES]
        sent = [message for message in channel["messages"] if message not in _COMMAND_MESSAGES]
        if received:
            operations[f"{name}.receive"] = _operation("receive", name, received)
        operations[f"{name}.send"] = _operation("send", name, sent)
    return operations


def _operation(action: str, channel: str, messages: Iterable[str]) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"} for message in messages],
    }


def _ref(name: str) -> Schema:
    return {"$ref": _REFERENCE.format(name=name)}


def _params_name(resource: str) -> str:
    return "".join(part.capitalize() for part in resource.split("_")) + "Params"


def _on_one_line(value: Any) -> Any:
    """The document with each description's line breaks, which are its docstring's, made spaces."""
    if isinstance(value, dict):
        return {
            key: " ".join(inner.split()) if key == "description" and isinstance(inner, str) else _on_one_line(inner)
            for key, inner in value.items()
        }
    return [_on_one_line(inner) for inner in value] if isinstance(value, list) else value
