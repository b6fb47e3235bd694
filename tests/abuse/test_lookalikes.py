"""What only looks like a topic that one may read is none, at every door; so it is with addresses and cursors."""

from __future__ import annotations

import json

import httpx
import pytest

from realtime.protocol.cursor import Cursor, InvalidCursor
from tests.clients import TIMEOUT, access_token
from tests.contract.doors import DOORS, Door, consumer, knock
from tests.contract.world import World, make_world
from tests.live import LiveServer

BY_NAME = [door for door in DOORS if door is not consumer]
"""The doors at which a topic is named; an address is taken apart before it is one."""


@pytest.fixture(scope="module")
def world(db: None) -> World:
    """One for all: nothing of it changes here."""
    return make_world()


def lookalikes(topic: str) -> list[str]:
    """Texts that a reader, a database or a careless parser might take for the topic."""
    kind, _, key = topic.partition(":")
    return [
        topic.upper(),
        f"{kind.upper()}:{key}",
        f"{kind.title()}:{key}",
        f"{kind}:{key.upper()}",
        f"{kind}:{key.replace('-', '')}",
        f"{kind}:{{{key}}}",
        f"{kind}:urn:uuid:{key}",
        *(
            f"{topic}{end}"
            for end in ("\n", "\r\n", "\r", "\x00", " ", "\t", "//", ":", ".", "\u200b", "\u00a0", "%0a")
        ),
        *(f"{start}{topic}" for start in (" ", "\n", "\ufeff", "/", ":", "\u202e")),
        f"{kind} :{key}",
        f"{kind}: {key}",
        f"{kind}::{key}",
        f"{kind}%3A{key}",
        f"{kind}%253A{key}",
        f"{kind}\uff1a{key}",
        f"{kind}\u2236{key}",
        topic.replace("a", "\u0430"),
        topic.replace("i", "\u0131") if "i" in topic else f"{topic}\u0131",
        topic.replace("-", "\u2010"),
        topic.translate({ord(digit): ord("\uff10") + int(digit) for digit in "0123456789"}),
        f"{topic}:{key}",
        f"{topic};{topic}",
        f"{topic}' OR '1'='1",
        f"{kind}:*",
        f"control:{key}",
    ]


@pytest.mark.parametrize("door", BY_NAME, ids=lambda door: door.__name__)
async def test_what_looks_like_a_topic_of_ones_own_is_refused_as_what_is_not_there(
    server: LiveServer, world: World, door: Door
) -> None:
    token = access_token(world.alice)
    texts = [text for topic in (world.family_topic, world.user_topic("alice")) for text in lookalikes(topic)]
    # In a query a space at the end, or an empty name, may be no part of what is named.
    wishes = [world.user_topic("bob"), *(text for text in texts if text not in (world.family_topic, ""))]

    answers = await knock(door, server.url, [(token, topic) for topic in wishes])

    strange = {wish: answer for wish, answer in zip(wishes, answers, strict=True) if answer != answers[0]}
    assert strange == {}
    assert answers[0].status == 403
    assert (await knock(door, server.url, [(token, world.family_topic)]))[0].topics == (world.family_topic,)


@pytest.mark.parametrize("end", ["%0a", "%0d%0a", "%00", "%20", "%e2%80%a8", "//", "/x", "%2f%2e%2e%2fglobal", ";x"])
@pytest.mark.parametrize("path", ["/api/v1/stream", "/api/v1/events", "/api/credits/sse", "/api/v1/me"])
async def test_an_address_with_something_behind_it_is_another_address(
    server: LiveServer, world: World, path: str, end: str
) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {access_token(world.alice)}"}
        answer = await http.get(f"{path}{end}", headers=headers)

    assert answer.status_code == 404


def test_a_cursor_has_one_spelling() -> None:
    good = Cursor("abc", 12, 0x1A2B).encode()
    lookalikes = [
        f"{good}\n",
        f" {good}",
        good.upper(),
        good.replace("12", "012"),
        good.replace("12", "+12"),
        good.replace("12", "1_2"),
        good.replace("12", "１２"),
        good.replace("-", "\u2010"),
        f"{good}0",
        json.dumps(good),
    ]

    assert Cursor.parse(good).encode() == good
    for text in lookalikes:
        with pytest.raises(InvalidCursor):
            Cursor.parse(text)
