"""Which application gets a connection, and that nothing of the way there is kept."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from django.urls import re_path

from realtime.transports.routing import Routes, by_protocol


class Scope(dict[str, Any]):
    """A scope that can be watched."""


class Taken:
    """An application that notes what it gets."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)


def routed(first: Any, rest: Any) -> Any:
    routes = [re_path(r"^ws/family/(?P<key>[^/]+)/?$", first), re_path(r"", rest)]
    return by_protocol({"websocket": Routes(routes), "http": rest})


@pytest.mark.parametrize("root", ["", "/below"])
async def test_the_first_pattern_that_matches_gets_what_it_takes_from_the_path(root: str) -> None:
    first, rest = Taken(), Taken()
    application = routed(first, rest)

    for path in ("/ws/family/7", "/ws/family/7/", "/ws/family/7/8"):
        await application({"type": "websocket", "path": root + path, "root_path": root}, None, None)
    await application({"type": "http", "path": "/ws/family/7"}, None, None)

    assert [scope["url_route"] for scope in first.scopes] == [{"args": (), "kwargs": {"key": "7"}}] * 2
    assert [scope["path"] for scope in rest.scopes] == [root + "/ws/family/7/8", "/ws/family/7"]


async def test_a_path_without_a_route_is_an_error() -> None:
    with pytest.raises(ValueError, match="no route"):
        await Routes([re_path(r"^a$", Taken())])({"path": "/b"}, None, None)


async def test_the_scope_is_the_application_s_alone_once_it_is_handed_over() -> None:
    alive: list[Any] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        del scope
        gc.collect()
        alive.append(outer())

    scope = Scope(type="websocket", path="/x")
    outer = weakref.ref(scope)
    running = routed(Taken(), look)(scope, None, None)
    del scope
    await running

    assert alive == [None]
