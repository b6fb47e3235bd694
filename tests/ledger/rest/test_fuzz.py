"""Requests made up from the OpenAPI document, right and wrong ones: none is an error of ours."""

from __future__ import annotations

import re

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from accounts import authentication
from ledger.api.throttles import ScopedThrottle

pytestmark = pytest.mark.once

OURS = re.compile(r"/(accounts|transactions|transfers|payees|rules|notifications|credits)")


@pytest.fixture
def unhurried(monkeypatch):
    """No limit of requests."""
    monkeypatch.setattr(ScopedThrottle, "THROTTLE_RATES", {"ledger_read": None, "ledger_write": None})


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_is_an_error_of_ours(
    committed, unhurried, alice, account, savings, private, payee, rule, transfer, notice, mode
):
    headers = {"Authorization": f"Bearer {authentication.issue(alice).access_token}"}
    document = schemathesis.openapi.from_wsgi("/api/v1/schema?format=json", get_wsgi_application(), headers=headers)
    ids = [str(row.pk) for row in (account, savings, private, payee, rule, transfer, notice, account.family, alice)]
    broken = []

    for operation in (each.ok() for each in document.get_all_operations()):
        if not OURS.search(operation.path):
            continue

        @settings(max_examples=5, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode), id=st.sampled_from(ids), is_known=st.booleans())
        def send(case, id, is_known):
            if is_known:
                name_things(case, id)
            answer = case.call(headers=headers)
            if answer.status_code >= 500:
                broken.append((case.method, case.path, case.body, answer.text[-500:]))

        send()

    assert broken == []


def name_things(case, id):
    """Put an id that exists wherever there is to be one: made-up ones lead nowhere."""
    for part in (case.body, case.path_parameters):
        if isinstance(part, dict):
            part.update({key: id for key in part if key == "id" or key.endswith("_id")})
