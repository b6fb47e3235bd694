"""A form in the admin that was open while somebody else changed its row: it writes nothing and says why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Family, Membership, User
from ledger.models import Account, AccountShare, Notification, Payee, Rule, Transaction, Transfer
from ledger.services import transfers
from tests.forms import fields_of
from tests.ledger.conftest import Told, assert_the_law_holds, on_it
from tests.realtime.concurrently import answered_after

LIST = "/admin/ledger/transaction/"
STALE = "Somebody else has changed this since the page was opened"


@pytest.fixture
def staff(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def page(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def opened(staff: Client, row: Model) -> dict[str, str]:
    """The form of a row as its page shows it now, saved by its button."""
    return {**fields_of(staff.get(page(row)).content.decode()), "_save": "Save"}


def is_refused(answer: Any) -> bool:
    return answer.status_code == 200 and STALE in answer.content.decode()


def test_an_amount_that_somebody_else_corrected_is_not_put_back(
    staff: Client, account: Account, told: Callable[..., list[Told]]
) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread")
    form = opened(staff, row)
    Transaction.objects.filter(pk=row.pk).update(amount=Decimal(7))
    told()

    answer = staff.post(page(row), form | {"description": "Rolls"})

    assert is_refused(answer)
    assert 'value="Rolls"' in answer.content.decode()
    row.refresh_from_db()
    assert (row.amount, row.description, row.version) == (Decimal(7), "Bread", 2)
    assert (on_it(account), told(), LogEntry.objects.count()) == (("7.00", "7.00"), [], 0)


def test_a_form_that_is_opened_anew_is_saved(staff: Client, account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread")
    Transaction.objects.filter(pk=row.pk).update(amount=Decimal(7))

    answer = staff.post(page(row), opened(staff, row) | {"description": "Rolls"})

    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.amount, row.description) == (Decimal(7), "Rolls")


def test_a_form_that_does_not_say_what_it_showed_is_refused(staff: Client, account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread")
    form = opened(staff, row)

    del form["shown_version"]
    answer = staff.post(page(row), form | {"description": "Rolls"})

    assert is_refused(answer)
    assert Transaction.objects.get().description == "Bread"


@pytest.fixture
def rows(family: Family, alice: User, bob: User, account: Account, savings: Account, payee: Payee) -> list[Model]:
    """One of each model with a form, and of whom the pages are that a member of staff may change."""
    AccountShare.objects.create(account=account, user=bob)
    return [
        Transaction.objects.create(account=account, amount=1),
        transfers.create(alice, account, savings, Decimal(5)),
        Account.objects.get(pk=account.pk),
        payee,
        Rule.objects.create(family=family, name="Bread", set_category="food"),
        Notification.objects.create(title="Hello", user=bob),
        Family.objects.get(pk=family.pk),
        User.objects.get(pk=bob.pk),
    ]


def change(row: Model) -> None:
    """Somebody else changes the row, in whatever way."""
    if isinstance(row, Transfer):
        transfers.change(row, amount=Decimal(9))
    else:
        name = "title" if isinstance(row, Notification) else "first_name" if isinstance(row, User) else "name"
        field = "category" if isinstance(row, Transaction) else name
        type(row)._default_manager.filter(pk=row.pk).update(**{field: "Theirs"})


def test_each_form_is_saved_as_it_was_opened_and_refused_once_its_row_has_changed(
    staff: Client, rows: list[Model]
) -> None:
    for row in rows:
        assert staff.post(page(row), opened(staff, row)).status_code == 302, row
        form = opened(staff, row)
        change(row)
        before = type(row)._default_manager.filter(pk=row.pk).values().get()

        answer = staff.post(page(row), form)

        assert is_refused(answer), row
        assert type(row)._default_manager.filter(pk=row.pk).values().get() == before
    assert_the_law_holds()


def test_an_account_that_was_shared_meanwhile_stays_so(staff: Client, account: Account, bob: User) -> None:
    form = opened(staff, account)
    AccountShare.objects.create(account=account, user=bob)

    answer = staff.post(page(account), form | {"name": "Ours"})

    assert is_refused(answer)
    assert Account.objects.get(pk=account.pk).name == "Everyday"
    assert AccountShare.objects.get().user == bob


def test_a_role_that_somebody_else_took_away_is_not_given_back_by_a_familys_page(
    staff: Client, family: Family, bob: User
) -> None:
    form = opened(staff, family)
    Membership.objects.filter(family=family, user=bob).update(role="viewer")

    answer = staff.post(page(family), form | {"name": "Renamed"})

    assert is_refused(answer)
    assert Membership.objects.get(family=family, user=bob).role == "viewer"
    assert Family.objects.get(pk=family.pk).name != "Renamed"


def listed(staff: Client) -> dict[str, str]:
    """What a browser would send of the list of transactions, edited in place."""
    shown = fields_of(staff.get(LIST).content.decode())
    return {name: value for name, value in shown.items() if "form-" in name} | {"_save": "Save"}


def test_a_cell_of_a_list_that_both_changed_is_refused(staff: Client, account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread")
    form = listed(staff)
    Transaction.objects.filter(pk=row.pk).update(amount=Decimal(7))

    answer = staff.post(LIST, form | {"form-0-amount": "2", "form-0-description": "Rolls"})

    assert is_refused(answer)
    row.refresh_from_db()
    assert (row.amount, row.description) == (Decimal(7), "Bread")


def test_what_both_entered_alike_in_a_list_is_no_quarrel(staff: Client, account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread")
    form = listed(staff)
    Transaction.objects.filter(pk=row.pk).update(amount=Decimal(7))

    answer = staff.post(LIST, form | {"form-0-amount": "7.00", "form-0-description": "Rolls"})

    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.amount, row.description) == (Decimal(7), "Rolls")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_writers")
def test_a_form_that_is_overtaken_while_it_is_saved_is_refused_too(staff: Client, rows: list[Model]) -> None:
    for row in rows:
        # A transfer of which nothing was changed is not written at all.
        form = opened(staff, row) | ({"description": "Ours"} if isinstance(row, Transfer) else {})
        answer = answered_after(lambda row=row: change(row), lambda row=row, form=form: staff.post(page(row), form))

        assert is_refused(answer), row
    assert_the_law_holds()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_writers")
def test_a_member_whose_role_is_taken_away_while_their_familys_page_is_saved_does_not_get_it_back(
    staff: Client, family: Family, bob: User
) -> None:
    form = opened(staff, family)
    (place,) = (name.removesuffix("user") for name, value in form.items() if value == str(bob.pk))

    answer = answered_after(
        lambda: Membership.objects.filter(family=family, user=bob).update(role="viewer"),
        lambda: staff.post(page(family), form | {f"{place}role": "admin"}),
    )

    assert is_refused(answer)
    assert Membership.objects.get(family=family, user=bob).role == "viewer"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_writers")
def test_a_cell_that_is_changed_while_the_list_is_saved_is_refused(staff: Client, account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread")
    form = listed(staff)

    answer = answered_after(
        lambda: Transaction.objects.filter(pk=row.pk).update(amount=Decimal(7)),
        lambda: staff.post(LIST, form | {"form-0-amount": "2"}),
    )

    assert is_refused(answer)
    assert Transaction.objects.get(pk=row.pk).amount == Decimal(7)
