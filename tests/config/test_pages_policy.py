"""What every page tells the browser: load from here, run no script that stands in the page, be framed by nobody."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Family, User

pytestmark = pytest.mark.django_db

PAGES = [
    "/",
    "/credits",
    "/debug",
    "/accounts/login/",
    "/admin/",
    "/admin/ledger/transaction/",
    "/api/v1/docs",
    "/nowhere",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_but_the_projects_own_files(path: str, client: Client, admin: User, family: Family) -> None:
    client.force_login(admin)

    answer = client.get(path)

    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "http" not in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_holds_no_script_and_no_style_of_its_own(path: str, client: Client, admin: User, family: Family) -> None:
    client.force_login(admin)

    text = client.get(path, follow=True).content.decode().lower()

    scripts = [tag.partition(">")[0] for tag in text.split("<script")[1:]]
    assert all("src=" in tag or "application/json" in tag for tag in scripts)
    assert "<style" not in text
    assert " onclick=" not in text
