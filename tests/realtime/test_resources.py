"""What clients may ask for: by name, with typed params, in the words of whoever owns the rows."""

from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import Meta, Struct

from realtime import resources
from realtime.protocol.errors import ProtocolError
from realtime.resources import InvalidParams, NotFound, answer, resource

ID = "0192f000-0000-7000-8000-000000000001"


class Params(Struct, forbid_unknown_fields=True):
    account_id: UUID
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_registered", {})

    @resource("echo", Params)
    def echo(user: Any, params: Params) -> Any:
        return [user, params]


def refused(name: str, params: dict[str, Any], **options: bool) -> tuple[str, str]:
    with pytest.raises(ProtocolError) as caught:
        answer("alice", name, params, **options)
    return caught.value.code, caught.value.message


def test_a_resource_is_given_its_user_and_typed_params() -> None:
    assert answer("alice", "echo", {"account_id": ID, "limit": 7}) == ["alice", Params(UUID(ID), 7)]


def test_a_query_string_may_write_numbers_as_text() -> None:
    assert answer("alice", "echo", {"account_id": ID, "limit": "7"}, as_text=True) == ["alice", Params(UUID(ID), 7)]
    assert refused("echo", {"account_id": ID, "limit": "7"}) == ("invalid_data", "params.limit: expected int, got str.")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "params: object missing required field account_id."),
        ({"account_id": 5}, "params.account_id: expected uuid, got int."),
        ({"account_id": ID, "limit": 0}, "params.limit: expected int >= 1."),
        ({"account_id": ID, "acount": 1}, "params: object contains unknown field acount."),
    ],
)
def test_params_that_do_not_fit_are_refused_by_the_name_of_the_field(params: dict[str, Any], message: str) -> None:
    assert refused("echo", params) == ("invalid_data", message)


def test_an_unknown_resource_is_told_which_there_are() -> None:
    assert refused("Echo", {}) == ("unknown_resource", "There is no such resource. There are: echo.")


def test_unknown_and_forbidden_things_answer_alike() -> None:
    @resource("nothing", Params)
    def nothing(user: Any, params: Params) -> Any:
        raise NotFound

    assert refused("nothing", {"account_id": ID}) == ("not_found", "There is nothing here that you may see.")


def test_a_resource_may_refuse_params_that_make_no_sense_together() -> None:
    @resource("senseless", Params)
    def senseless(user: Any, params: Params) -> Any:
        raise InvalidParams("Give one or the other.")

    assert refused("senseless", {"account_id": ID}) == ("invalid_data", "Give one or the other.")


def test_params_that_would_swallow_misspelt_fields_are_not_registered() -> None:
    class Lax(Struct):
        limit: int = 50

    with pytest.raises(TypeError, match="forbid_unknown_fields"):
        resource("lax", Lax)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="'echo' is registered already"):

        @resource("echo", Params)
        def other(user: Any, params: Params) -> Any:
            return None
