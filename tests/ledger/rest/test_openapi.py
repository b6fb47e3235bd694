"""The OpenAPI document: valid, without a warning, committed as it is, and true of the answers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from ledger import payloads, serializers
from ledger.services.credits import balance_of, change
from ledger.services.rules import run_history

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
COMMAND = "python manage.py spectacular --file docs/openapi.yaml"


@pytest.fixture(scope="module")
def document():
    reset_generator_stats()
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_document_is_valid_and_made_without_a_warning(document):
    validate_schema(document)

    assert not GENERATOR_STATS


def test_the_committed_document_is_current(document):
    assert OpenApiYamlRenderer().render(document, renderer_context={}).decode() == COMMITTED.read_text(), COMMAND


def test_every_post_that_makes_something_takes_a_key(document):
    makes = {path: each["post"] for path, each in document["paths"].items() if "post" in each}

    keyed = {
        path.removeprefix("/api/v1/")
        for path, operation in makes.items()
        if "Idempotency-Key" in [each["name"] for each in operation.get("parameters", ())]
    }

    assert keyed == {"accounts", "transactions", "transfers", "payees", "rules", "credits", "notifications"}


def test_every_answer_has_the_fields_that_the_document_names(
    alice, bob, account, transfer, payee, rule, notice, document
):
    entry = change(bob, Decimal("5.00"), "reward")
    rows = {
        "Account": payloads.account_data(account),
        "Transaction": payloads.transaction_data(transfer.transactions.first()),
        "Transfer": payloads.transfer_data(transfer),
        "Payee": payloads.payee_data(payee),
        "Rule": payloads.rule_data(rule),
        "RuleRun": payloads.rule_run_data(run_history(rule, bob)),
        "Credit": payloads.credit_data(balance_of(bob)),
        "CreditEntry": payloads.credit_entry_data(entry),
        "Notification": payloads.notification_data(notice),
    }

    assert {f"{name}Serializer" for name in rows} | {
        "DecimalText",
        "SuggestionSerializer",
        "SuggestionsSerializer",
    } == {name for name, each in vars(serializers).items() if getattr(each, "__module__", "") == serializers.__name__}
    for name, row in rows.items():
        assert list(document["components"]["schemas"][name]["properties"]) == list(row), name
