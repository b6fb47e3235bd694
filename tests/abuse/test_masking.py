"""What is secret is sent to nobody who may not see it: at every address there is, to everybody, whatever they send.

The addresses come from the resolver and the fields from the OpenAPI document: a new one is held against this by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts import authentication
from ledger import wire
from ledger.models import Account, Notification, Payee, Rule, Transaction, Transfer
from realtime import resources
from realtime.models import Event, Outgoing
from realtime.protocol.entry import CONTROL_PREFIX
from tests.abuse.endpoints import Endpoint, endpoints
from tests.abuse.village import EVERYBODY, Village, live, settle

pytestmark = pytest.mark.django_db

BY_SESSION = {"sec-fetch-site": "same-origin"}  # what a browser says on its own pages
UNSAFE = ("post", "put", "patch", "delete", "options")
SIGN_OUTS = {"logout", "sign-out"}  # they would end the session that asks
PER_MODEL = 3  # rows whose pages are opened
UNDOCUMENTED = {"schema", "docs"}  # the documents themselves

RESULTS: dict[str, set[str]] = {
    "accounts": set(wire.AccountState.__struct_fields__),
    "account_balance": set(wire.AccountBalanceUpdate.__struct_fields__),
    "transactions": set(wire.TransactionState.__struct_fields__),
    "credit_balance": {"user_id", "balance", "version", "updated_at"},
    "notifications": set(wire.NotificationData.__struct_fields__) - {"action"},
    "payee_suggestions": {"description", "suggestions"},
    "presence": {"family_id", "online"},
}
"""The fields of what each resource answers. One that is not listed here fails."""

FOR_STAFF = {"stats"}
"""Resources that nobody else is answered."""


@pytest.fixture
def village(db: None) -> Village:
    """Everybody, after much has happened."""
    made = settle()
    live(made)
    # Nothing gets its place in a transaction that is still open, and a poll would wait for what concerns rights.
    Outgoing.objects.filter(topics__startswith=CONTROL_PREFIX).delete()
    return made


def browser(village: Village, role: str) -> Client:
    """A signed-in browser that shows errors as a production server does."""
    client = Client(headers=BY_SESSION, raise_request_exception=False)
    client.force_login(village.people[role])
    return client


def requests(endpoint: Endpoint, names: list[str]) -> list[tuple[str, str]]:
    """What to ask of an address: to see everything, and to change the most secret of all with nothing to say."""
    seen = [("get", address) for address in endpoint.addresses(names)]
    changed = [(method, address) for method in UNSAFE for address in endpoint.addresses(names[:1])]
    return seen + [each for each in changed if endpoint.name not in SIGN_OUTS]


def ids(village: Village) -> list[str]:
    """Of everything, the most secret first: what is private, what is one's own, and what is the family's."""
    rows = [Transaction.objects.filter(account=each).first() for each in (village.common, village.private)]
    rows += [model.objects.first() for model in (Payee, Rule, Transfer)]
    rows += list(Notification.objects.all())
    return [*village.ids, *(str(row.pk) for row in rows if row is not None)]


def ask(client: Client, method: str, address: str) -> Any:
    """One request, which changes nothing in the end."""
    body = {} if method in ("get", "options") else {"data": "{}", "content_type": "application/json"}
    with transaction.atomic():
        answer = getattr(client, method)(address, **body)
        transaction.set_rollback(True)
    return answer


def text_of(answer: Any) -> str:
    """All that was sent, headers too."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return f"{answer.headers} {body.decode(errors='replace')}"


@pytest.mark.parametrize("role", EVERYBODY)
def test_no_address_of_the_site_sends_a_secret_to_who_may_not_see_it(village: Village, role: str) -> None:
    client, names = browser(village, role), ids(village)
    leaks, broken, undeclared = [], [], []
    for endpoint in endpoints():
        if endpoint.is_admins:
            continue
        for method, address in requests(endpoint, names):
            answer = ask(client, method, address)
            leaks += [(method, address, secret) for secret in village.leaked(text_of(answer), role)]
            broken += [(method, address, answer.status_code)] if answer.status_code >= 500 else []
            undeclared += [(method, address, name) for name in undeclared_in(endpoint, method, answer)]

    assert leaks == []
    assert broken == []
    assert undeclared == []


@pytest.mark.parametrize("role", EVERYBODY)
def test_no_page_of_the_admin_sends_a_secret_to_who_may_not_see_it(village: Village, role: str) -> None:
    client = browser(village, role)
    leaks, opened = [], set[str]()
    for endpoint in endpoints():
        if endpoint.is_admins and endpoint.name not in ("logout", "jsi18n"):
            for address in endpoint.addresses(keys_for(endpoint)):
                answer = ask(client, "get", address)
                leaks += [(address, secret) for secret in village.leaked(text_of(answer), role)]
                opened |= {endpoint.path} if answer.status_code == 200 else set()

    assert leaks == []
    own = {
        "/admin/",
        "/admin/password_change/",
        "/admin/login/",
        "/admin/password_change/done/",
        "/admin/autocomplete/",
    }
    if role not in ("auditor", "root"):
        assert opened <= own
    else:
        assert "/admin/ledger/account/<object_id>/change/" in opened


def test_who_may_only_look_cannot_ask_for_an_account_by_its_number(village: Village) -> None:
    client = browser(village, "auditor")

    for lookup in ("number", "number__startswith", "number__contains"):
        assert client.get("/admin/ledger/account/", {lookup: village.common.number[:4]}).status_code == 400


def test_each_resource_answers_its_declared_fields_and_no_secret(village: Village) -> None:
    assert set(resources.forms()) == set(RESULTS) | FOR_STAFF
    for role in EVERYBODY:
        client = browser(village, role)
        for name, form in resources.forms().items():
            for params in fillings(form.__struct_fields__, village):
                answer = client.get("/api/v1/snapshot", {"resource": name, **params})
                assert village.leaked(text_of(answer), role) == [], (role, name, params)
                if name in FOR_STAFF:
                    assert (answer.status_code == 200) == village.people[role].is_staff, (role, name)
                elif answer.status_code == 200:
                    result = answer.json()["result"]
                    rows = result if isinstance(result, list) else [result]
                    assert {field for row in rows for field in row} <= RESULTS[name], name


def test_the_log_as_it_is_stored_holds_no_number_in_full(village: Village) -> None:
    stored = [*Outgoing.objects.values_list("data", flat=True), *Event.objects.values_list("data", flat=True)]

    assert len(stored) > 20
    numbers = Account.objects.exclude(number="").values_list("number", flat=True)
    assert [number for number in numbers if number in "".join(stored)] == []


def test_the_full_number_is_sent_to_those_who_may_see_it(village: Village) -> None:
    """Else the tests above would hold of a product that shows nothing to anybody."""
    seen = {role for role in EVERYBODY if village.common.number in shown_to(village, role)}

    assert seen == {"owner", "admin"}
    page = browser(village, "root").get(f"/admin/ledger/account/{village.common.pk}/change/")
    assert village.common.number in text_of(page)


def shown_to(village: Village, role: str) -> str:
    token = authentication.issue(village.people[role]).access_token
    return text_of(Client().get("/api/v1/accounts", headers={"Authorization": f"Bearer {token}"}))


def keys_for(endpoint: Endpoint) -> list[str]:
    """Keys of rows of the model that an admin page is of."""
    found = re.match(r"/admin/(\w+)/(\w+)/", endpoint.path)
    if found is None or not endpoint.takes_ids:
        return ["x"]
    try:
        model = apps.get_model(found[1], found[2])
    except LookupError:
        return ["x"]
    return [str(key) for key in model._base_manager.order_by("pk").values_list("pk", flat=True)[:PER_MODEL]] or ["x"]


def fillings(names: Iterable[str], village: Village) -> Iterator[dict[str, str]]:
    """Every way to fill in the params of a resource with what there is."""
    if "account_id" in names:
        for account in (village.common, village.members, village.private):
            yield {"account_id": str(account.pk)}
    if "family_id" in names:
        yield {"family_id": str(village.family.pk), **({"description": "corner"} if "description" in names else {})}
    if not {"account_id", "family_id"} & set(names):
        yield {}


# What the OpenAPI document declares


@cache
def document() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def undeclared_in(endpoint: Endpoint, method: str, answer: Any) -> list[str]:
    """The fields of a good answer of the API that the document does not name, or that it does not name it at all."""
    is_data = answer.headers.get("Content-Type", "").startswith("application/json") and 200 <= answer.status_code < 300
    if not endpoint.path.startswith("/api/") or endpoint.name in UNDOCUMENTED or method == "options" or not is_data:
        return []
    paths = {re.sub(r"\{[^}]+\}", "{}", path): operations for path, operations in document()["paths"].items()}
    operation = paths.get(re.sub(r"<[^>]+>", "{}", endpoint.path), {}).get(method)
    if operation is None:
        return ["the operation itself"]
    media = operation["responses"].get(str(answer.status_code), {}).get("content", {}).get("application/json")
    return ["the status itself"] if media is None else list(_beyond(json.loads(answer.content), media["schema"], "$"))


def _beyond(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    schema = _resolved(schema)
    if isinstance(value, list):
        for each in value:
            yield from _beyond(each, schema.get("items", {}), f"{at}[]")
    if isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name not in schema["properties"]:
                yield f"{at}.{name}"
            else:
                yield from _beyond(inner, schema["properties"][name], f"{at}.{name}")


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema or len(schema.get("allOf", ())) == 1:
        schema = schema["allOf"][0] if "allOf" in schema else _component(schema["$ref"])
    return schema


def _component(reference: str) -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"][reference.rpartition("/")[2]]
    return found
