"""What lists can be narrowed by, under the names that the rows themselves have in JSON.

Separate from the views because filters are declared, not written, and the OpenAPI description is made from them.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters

from ledger.models import Account, CreditEntry, Notification, Payee, Rule, Transaction, Transfer

LONGEST_TEXT = 200


def _id(field_name: str) -> filters.UUIDFilter:
    return filters.UUIDFilter(field_name=field_name)


def _text(field_name: str, lookup_expr: str = "exact") -> filters.CharFilter:
    return filters.CharFilter(field_name=field_name, lookup_expr=lookup_expr, max_length=LONGEST_TEXT)


def _amount(field_name: str, lookup_expr: str) -> filters.NumberFilter:
    # Bounded like the column: a number it cannot hold would fail in the database instead of here.
    return filters.NumberFilter(field_name=field_name, lookup_expr=lookup_expr, max_digits=19, decimal_places=4)


class AccountFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /accounts``."""

    family_id = _id("family_id")
    owner_id = _id("owner_id")
    type = filters.ChoiceFilter(choices=Account.Type.choices)
    currency = _text("currency")
    is_private = filters.BooleanFilter()

    class Meta:
        model = Account
        fields: list[str] = []


class TransactionFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /transactions``."""

    family_id = _id("account__family_id")
    account_id = _id("account_id")
    status = filters.ChoiceFilter(choices=Transaction.Status.choices)
    payee_id = _id("payee_id")
    transfer_id = _id("transfer_id")
    category = _text("category")
    date_from = filters.DateFilter(field_name="date", lookup_expr="gte")
    date_to = filters.DateFilter(field_name="date", lookup_expr="lte")
    amount_min = _amount("amount", "gte")
    amount_max = _amount("amount", "lte")
    search = filters.CharFilter(method="named", max_length=LONGEST_TEXT)

    class Meta:
        model = Transaction
        fields: list[str] = []

    def named(self, rows: QuerySet[Transaction], name: str, text: str) -> QuerySet[Transaction]:
        """Those that hold the text where a reader sees words: the description, the payee, the category."""
        places = ("description", "payee__name", "category")
        return rows.filter(reduce(or_, (Q(**{f"{place}__icontains": text}) for place in places)))


class TransferFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /transfers``."""

    family_id = _id("family_id")
    from_account_id = _id("from_account_id")
    to_account_id = _id("to_account_id")
    date_from = filters.DateFilter(field_name="date", lookup_expr="gte")
    date_to = filters.DateFilter(field_name="date", lookup_expr="lte")
    amount_min = _amount("amount", "gte")
    amount_max = _amount("amount", "lte")
    search = _text("description", "icontains")

    class Meta:
        model = Transfer
        fields: list[str] = []


class PayeeFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /payees``."""

    family_id = _id("family_id")
    category = _text("category")
    search = _text("name", "icontains")

    class Meta:
        model = Payee
        fields: list[str] = []


class RuleFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /rules``."""

    family_id = _id("family_id")
    account_id = _id("account_id")
    is_active = filters.BooleanFilter()

    class Meta:
        model = Rule
        fields: list[str] = []


class CreditEntryFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /credits/entries``."""

    reason = filters.ChoiceFilter(choices=CreditEntry.Reason.choices)

    class Meta:
        model = CreditEntry
        fields: list[str] = []


class NotificationFilter(filters.FilterSet):  # type: ignore[misc]
    """``GET /notifications``."""

    family_id = _id("family_id")
    level = filters.ChoiceFilter(choices=Notification.Level.choices)

    class Meta:
        model = Notification
        fields: list[str] = []
