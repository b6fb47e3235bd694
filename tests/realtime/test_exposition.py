"""Metrics: for Prometheus and staff, of all processes together; and the alerts speak of metrics that there are."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import yaml
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from accounts.models import User
from config.env import BASE_DIR
from realtime import log
from realtime.exposition import exposition
from realtime.models import Outgoing
from tests.clients import access_token

TOKEN = "a-token-of-at-least-thirty-two-characters"
ALERTS = yaml.safe_load((BASE_DIR / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]


def samples(body: bytes) -> dict[str, float]:
    """Each number by its name, those with labels left out."""
    families = text_string_to_metric_families(body.decode())
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def names(body: bytes) -> set[str]:
    return {sample.name for family in text_string_to_metric_families(body.decode()) for sample in family.samples}


@pytest.fixture
def token(settings: Settings) -> str:
    settings.REALTIME = {**settings.REALTIME, "METRICS_TOKEN": TOKEN}
    return TOKEN


def test_the_holder_of_the_token_may_read_them(client: Client, token: str, db: None) -> None:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert samples(answer.content)["realtime_log_readable"] == 1


@pytest.mark.parametrize("given", ["", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"])
def test_nobody_else_may(client: Client, token: str, given: str, db: None) -> None:
    answer = client.get("/metrics", headers={"Authorization": given} if given else {})

    assert answer.status_code == 401
    assert b"realtime_" not in answer.content
    assert token not in answer.content.decode()


def test_without_a_token_in_the_settings_an_empty_one_opens_nothing(client: Client, db: None) -> None:
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_staff_may_by_session_and_by_token_and_others_may_not(client: Client, admin: User, alice: User) -> None:
    by_token = client.get("/metrics", headers={"Authorization": f"Bearer {access_token(admin)}"})
    refused = client.get("/metrics", headers={"Authorization": f"Bearer {access_token(alice)}"})
    client.force_login(admin)
    by_session = client.get("/metrics", headers={"Sec-Fetch-Site": "same-origin"})

    assert (by_token.status_code, by_session.status_code, refused.status_code) == (200, 200, 403)
    assert b"realtime_" not in refused.content


def test_prometheus_gets_the_form_that_it_prefers(client: Client, token: str, db: None) -> None:
    wanted = {"Authorization": f"Bearer {token}", "Accept": "application/openmetrics-text; version=1.0.0"}

    answer = client.get("/metrics", headers=wanted)

    assert answer["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.content.endswith(b"# EOF\n")


@pytest.mark.django_db(transaction=True)
def test_the_log_and_the_outbox_are_shown_as_they_are() -> None:
    before = timezone.now() - timedelta(seconds=90)
    Outgoing.objects.create(event_id="0" * 32, type="Note", topics="global", data="{}", timestamp=before)

    waiting = samples(exposition()[0])
    log.sequence()
    after = samples(exposition()[0])

    assert 90 <= waiting["realtime_outbox_age_seconds"] < 120
    assert after["realtime_outbox_age_seconds"] == 0
    assert after["realtime_log_position"] == waiting["realtime_log_position"] + 1 == log.head().position


def test_a_database_that_does_not_answer_is_told_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError

    monkeypatch.setattr("realtime.log.head", fail)
    found = samples(exposition()[0])

    assert found["realtime_log_readable"] == 0
    assert "realtime_log_position" not in found
    assert "realtime_connections" in found


def test_no_metric_has_a_label_that_a_client_could_fill() -> None:
    labels = {
        label
        for metric in REGISTRY.collect()
        if metric.name.startswith("realtime_")
        for sample in metric.samples
        for label in sample.labels
    }

    assert labels <= {"outcome", "reason", "transport", "code", "limit", "le"}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_speaks_of_metrics_and_labels_that_there_are(rule: dict[str, str], db: None) -> None:
    known = names(exposition()[0]) | {
        f"{metric.name}{suffix}" for metric in REGISTRY.collect() for suffix in ("", "_total", "_bucket")
    }
    named = re.findall(r"\brealtime_[a-z_]+", rule["expr"])

    assert named
    assert set(named) <= known
    for label, values in re.findall(r'\{(\w+)=~"([^"]*)"', rule["expr"]):
        assert label in ("outcome", "code")
        assert all(_is_used(value) for value in values.split("|"))


def _is_used(value: str) -> bool:
    """Whether the code has that value: an outcome, or a close code of the table."""
    sources = [path.read_text() for path in (BASE_DIR / "realtime").rglob("*.py")]
    return any(f'"{value}"' in source or re.search(rf"\b{value}\b", source) for source in sources)


def test_the_alerts_that_matter_are_there() -> None:
    wanted = {"LogUnreadable", "LogDoesNotMove", "FollowerLags", "AnnouncementsFail", "ConnectionsEndInError"}

    assert wanted <= {rule["alert"] for rule in ALERTS}
    assert all({"summary", "description"} <= rule["annotations"].keys() for rule in ALERTS)
