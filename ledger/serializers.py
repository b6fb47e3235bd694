"""How rows stand in REST answers: the fields for the OpenAPI document, the values by ``payloads``.

Separate from what a request may hold (beside each view): a row looks the same in every answer and in every event,
while each request has fields of its own.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ledger import payloads
from ledger.models import Account, CreditEntry, Notification, RuleRun, Transaction


class DecimalText(serializers.CharField):
    """A decimal number as text, such as ``"1000.00"``."""


class AccountSerializer(serializers.Serializer[Any]):
    """An account, with what is on it. ``number`` is masked but for the owner and who manages the family."""

    id = serializers.UUIDField()
    family_id = serializers.UUIDField()
    owner_id = serializers.UUIDField()
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=Account.Type.choices)
    currency = serializers.CharField()
    number = serializers.CharField()
    is_private = serializers.BooleanField()
    shared_with = serializers.ListField(child=serializers.UUIDField())
    balance = DecimalText()
    available_balance = DecimalText()
    version = serializers.IntegerField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.account_data(instance, full_number=instance.shows_full_number)


class TransactionSerializer(serializers.Serializer[Any]):
    """Money that came to an account (above zero) or left it (below)."""

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    amount = DecimalText()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=Transaction.Status.choices)
    description = serializers.CharField()
    payee_id = serializers.UUIDField(allow_null=True)
    payee_name = serializers.CharField(allow_null=True)
    category = serializers.CharField()
    date = serializers.DateField()
    created_by = serializers.UUIDField(allow_null=True)
    created_by_name = serializers.CharField(allow_null=True)
    transfer_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.transaction_data(instance)


class TransferSerializer(serializers.Serializer[Any]):
    """Money moved between two accounts of a family: two transactions, written together."""

    id = serializers.UUIDField()
    family_id = serializers.UUIDField()
    from_account_id = serializers.UUIDField()
    to_account_id = serializers.UUIDField()
    amount = DecimalText()
    currency = serializers.CharField()
    description = serializers.CharField()
    date = serializers.DateField()
    created_by = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.transfer_data(instance)


class PayeeSerializer(serializers.Serializer[Any]):
    """Someone a family pays, or is paid by."""

    id = serializers.UUIDField()
    family_id = serializers.UUIDField()
    name = serializers.CharField()
    category = serializers.CharField()
    version = serializers.IntegerField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.payee_data(instance)


class SuggestionSerializer(serializers.Serializer[Any]):
    """A payee that a description may mean; the score is at most 100."""

    payee_id = serializers.UUIDField()
    name = serializers.CharField()
    score = serializers.IntegerField()


class SuggestionsSerializer(serializers.Serializer[Any]):
    """Payees for a description, best first."""

    description = serializers.CharField()
    suggestions = SuggestionSerializer(many=True)


class RuleSerializer(serializers.Serializer[Any]):
    """When all of its conditions hold for a transaction, its category and payee are set."""

    id = serializers.UUIDField()
    family_id = serializers.UUIDField()
    name = serializers.CharField()
    priority = serializers.IntegerField()
    is_active = serializers.BooleanField()
    description_contains = serializers.CharField()
    amount_min = DecimalText(allow_null=True)
    amount_max = DecimalText(allow_null=True)
    account_id = serializers.UUIDField(allow_null=True)
    set_category = serializers.CharField()
    set_payee_id = serializers.UUIDField(allow_null=True)
    created_by = serializers.UUIDField(allow_null=True)
    version = serializers.IntegerField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.rule_data(instance)


class RuleRunSerializer(serializers.Serializer[Any]):
    """What one run of a rule did."""

    rule_id = serializers.UUIDField()
    run_id = serializers.UUIDField()
    trigger = serializers.ChoiceField(choices=RuleRun.Trigger.choices)
    matched_count = serializers.IntegerField()
    changed_count = serializers.IntegerField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.rule_run_data(instance)


class CreditSerializer(serializers.Serializer[Any]):
    """How much credit a user has."""

    user_id = serializers.UUIDField()
    balance = DecimalText()
    version = serializers.IntegerField()
    updated_at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.credit_data(instance)


class CreditEntrySerializer(serializers.Serializer[Any]):
    """One change of a user's credit."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    change = DecimalText()
    balance_after = DecimalText()
    reason = serializers.ChoiceField(choices=CreditEntry.Reason.choices)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.credit_entry_data(instance)


class NotificationSerializer(serializers.Serializer[Any]):
    """A notice, for whom it is addressed to."""

    notification_id = serializers.UUIDField()
    level = serializers.ChoiceField(choices=Notification.Level.choices)
    title = serializers.CharField()
    message = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Any) -> payloads.Json:
        return payloads.notification_data(instance)
