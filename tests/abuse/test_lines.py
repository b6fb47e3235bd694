"""What people write stays what it is: text in an event, one line in a log, no markup on a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from config.env import BASE_DIR
from ledger.models import Account, Payee, Transaction
from ledger.services import notices
from tests.clients import TIMEOUT, Client, access_token
from tests.contract.checks import check_complete, logged, on
from tests.contract.world import World, drained, money, work
from tests.live import LiveServer

HOSTILE = [
    "\ndata: {}\n\nevent: Close\ndata: {}\n\n",
    "\r\rid: 0-0-0\r\n\r\ndata: x",
    "\u2028data: x\u2029\x85",
    "id: x\nretry: 1",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% debug %}${7*7}",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202etxt.exe",
    "<!--<script>",
    "&lt;b&gt; & \\u003c",
]

SINKS = re.compile(
    r"\.(?:innerHTML|outerHTML|srcdoc)\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function\(|"
    r"createContextualFragment|DOMParser|setHTMLUnsafe|javascript:"
)
"""The ways by which a script turns text into markup or code."""


async def test_whatever_is_written_arrives_as_it_was_on_every_transport(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    await drained()
    async with transport(
        server.url, access_token(world.alice), cursor=world.start, topics=[world.account_topic]
    ) as one:
        for text in HOSTILE:
            await work(Transaction.objects.create, account=world.account, amount=money("-1"), description=text)
        await drained()
        entries = await work(logged, [world.account_topic], world.start)
        await one.events(len(entries))

    check_complete(one.received, entries)
    told = on(world.account_topic, one.received)
    said = [event["data"]["data"]["description"] for event in told if event["type"] == "TransactionUpdate"]
    assert said == HOSTILE


async def test_the_lines_of_a_stream_are_its_own(server: LiveServer, world: World) -> None:
    """Byte by byte, as any reader of streams would cut them: at LF, CR and both."""
    for text in HOSTILE:
        await work(Transaction.objects.create, account=world.account, amount=money("-1"), description=text)
    await work(notices.send, HOSTILE[0], HOSTILE[1], user=world.alice)
    await drained()
    headers, lines = {"Authorization": f"Bearer {access_token(world.alice)}"}, []
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http,
        http.stream("GET", "/api/v1/stream", params={"cursor": world.start}, headers=headers) as answer,
    ):
        raw = b""
        async for piece in answer.aiter_raw():
            raw += piece
            if raw.count(b"Notification") >= 2:
                break
        lines = re.split(rb"\r\n|\n|\r", raw)

    fields = {line.partition(b":")[0] for line in lines if line}
    assert fields == {b"retry", b"id", b"event", b"data"}
    for line in lines:
        if line.startswith(b"data:"):
            json.loads(line[5:])
        if line.startswith(b"event:"):
            assert line[7:].isalpha()


def test_no_script_of_ours_turns_text_into_markup() -> None:
    scripts = [path for app in ("realtime", "ledger") for path in (BASE_DIR / app / "static").rglob("*.js")]
    ours = [path for path in scripts if "vendor" not in path.parts]

    assert len(ours) > 10
    assert [_where(path) for path in ours if SINKS.search(path.read_text())] == []


def test_no_template_of_ours_lets_text_be_markup() -> None:
    templates = [path for path in BASE_DIR.rglob("templates/**/*.html") if not _is_foreign(path)]

    assert len(templates) > 5
    unsafe = re.compile(r"\|\s*safe\b|autoescape off|\|\s*safeseq|mark_safe")
    assert [_where(path) for path in templates if unsafe.search(path.read_text())] == []
    sources = [path for app in ("ledger", "accounts", "realtime") for path in (BASE_DIR / app).rglob("*.py")]
    assert [_where(path) for path in sources if re.search(r"\bmark_safe\(|SafeString\(", path.read_text())] == []


@pytest.mark.django_db
def test_pages_and_admin_show_markup_as_text(client, admin, alice, family, settings) -> None:
    """What the browser is sent holds nothing of it but escaped: in the page, in its data, in the admin's lists."""
    account = Account.objects.create(family=family, owner=alice, name=HOSTILE[4], currency="EUR")
    Payee.objects.create(family=family, name=HOSTILE[5])
    for text in HOSTILE:
        Transaction.objects.create(account=account, amount=money("-1"), description=text, created_by=alice)
    family.name = HOSTILE[6]
    family.save()
    admins = ["transaction", "account", "payee", "notification"]
    pages = {alice: ["/"], admin: ["/debug", *(f"/admin/ledger/{name}/" for name in admins), "/admin/accounts/family/"]}
    notices.send(HOSTILE[4], HOSTILE[5])

    for user, addresses in pages.items():
        client.force_login(user)
        for address in addresses:
            answer = client.get(address)
            text = answer.content.decode()
            assert answer.status_code == 200, address
            for tag in ("<script>alert", "<img src=x", "<svg/onload", "<!--<script"):
                assert tag not in text, (address, tag)


async def test_nothing_that_a_stranger_sends_begins_a_line_of_the_log(server: LiveServer, world: World) -> None:
    """Addresses, headers and forms with a line of their own in them, at a server that logs each request."""
    line = "\n2026-01-01 00:00:00,000 CRITICAL ledger: forged\x1b[31m"
    encoded = "%0A2026-01-01%20CRITICAL%20ledger:%20forged%1B%5B31m"
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        http.headers["Authorization"] = f"Bearer {access_token(world.alice)}"
        for path in ("", "api/v1/", "api/v1/accounts/", "admin/", "ws/family/", "api/v1/stream/"):
            await http.get(f"/{path}{encoded}?cursor={encoded}&topics={encoded}")
        await http.post("/api/v1/auth/token", json={"username": line, "password": line})
        await http.post("/accounts/login/", data={"username": line, "password": line})
        await http.get("/api/v1/accounts", headers={"Referer": encoded, "X-Forwarded-For": encoded})
    text = server.log()

    assert "forged" in text  # else nothing was tried
    assert "\x1b" not in text
    assert [each for each in text.splitlines() if "forged" in each and each.startswith("2026-01-01")] == []


def _where(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


def _is_foreign(path: Path) -> bool:
    return bool({".venv", ".nox", ".tools", "var", "node_modules", ".git"} & set(path.parts))
