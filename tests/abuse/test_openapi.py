"""Requests made from the OpenAPI document, right and wrong ones: what the real server answers stands there too."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from ledger.models import Payee, Rule, Transaction
from tests.clients import access_token
from tests.contract.world import World, make_world, money
from tests.live import LiveServer

EXAMPLES = 6  # of each operation, in each mode
WORDS = ("Traceback", 'File "', "SELECT ", "psycopg", "IntegrityError", "django.")
EVERYWHERE = {"405", "406", "415"}  # what HTTP itself refuses


@pytest.fixture(scope="module")
def world(db: None) -> World:
    """A family with something of everything."""
    made = make_world()
    row = Transaction.objects.create(account=made.account, amount=money("-1"))
    payee = Payee.objects.create(family=made.family, name="Bakery")
    Rule.objects.create(family=made.family, name="Bread", set_payee=payee, created_by=made.alice)
    assert row.pk
    return made


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_nothing_is_answered_that_is_not_documented(server: LiveServer, world: World, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {access_token(world.alice)}"}
    document = schemathesis.openapi.from_url(f"{server.url}/api/v1/schema?format=json", headers=headers)
    ids = [str(row.pk) for row in (world.account, world.private, world.foreign, world.family, world.alice, world.bob)]
    ids += [str(row.pk) for model in (Transaction, Payee, Rule) for row in model.objects.order_by("-pk")[:1]]
    wrong: dict[tuple[str, str, str], str] = {}

    def check(operation: Any) -> None:
        documented = {*operation.definition.raw["responses"], *EVERYWHERE}

        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None, deadline=None)
        @given(case=operation.as_strategy(generation_mode=mode), id=st.sampled_from(ids), is_known=st.booleans())
        def send(case: Any, id: str, is_known: bool) -> None:
            if is_known:
                name_things(case, id)
            answer = case.call(headers=headers)
            if str(answer.status_code) not in documented or any(word in answer.text for word in WORDS):
                wrong[case.method, operation.path, str(answer.status_code)] = answer.text[:300]

        send()

    for operation in document.get_all_operations():
        check(operation.ok())

    assert wrong == {}


def name_things(case: Any, id: str) -> None:
    """Put an id that exists wherever there is to be one: made-up ones lead nowhere."""
    for part in (case.body, case.path_parameters):
        if isinstance(part, dict):
            part.update({key: id for key in part if key == "id" or key.endswith("_id")})
