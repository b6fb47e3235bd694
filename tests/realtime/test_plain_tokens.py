"""A token that is plainly good is read as the library reads it; of every other, nothing is said."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework_simplejwt import state
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from realtime import tickets
from realtime.plain_tokens import payload_of

NUMBERS = st.integers(-5, 5) | st.sampled_from([2**31, 2**40, 10**30])
TIMES = st.builds(lambda number: int(time.time()) + 100 * number, NUMBERS)
ODD = st.sampled_from([None, True, "", "x", 1.5, float("inf"), [], {}]) | TIMES
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "token_type": st.sampled_from(["access", "refresh", 1, None]),
        "exp": TIMES | ODD,
        "iat": TIMES | ODD,
        "nbf": TIMES | ODD,
        "jti": st.sampled_from(["", "x"]) | ODD,
        "sub": ODD,
        "aud": ODD,
        "iss": ODD,
        "user_id": ODD,
    },
)


def plain(**changed: Any) -> dict[str, Any]:
    """The claims of an access token, with changes; ... leaves one out."""
    claims = {**AccessToken().payload, "user_id": "7", **changed}
    return {name: value for name, value in claims.items() if value is not ...}


def signed(claims: Mapping[str, Any], key: Any = None, **options: Any) -> str:
    return jwt.encode(dict(claims), key or state.token_backend.signing_key, algorithm="HS256", **options)


def by_the_library(raw: str) -> dict[str, Any] | None:
    try:
        return dict(AccessToken(raw.encode()).payload)  # type: ignore[arg-type]  # it takes bytes
    except (TokenError, ValueError):
        return None


def test_a_good_token_is_read_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = signed(plain())
    monkeypatch.setattr(jwt, "decode", None)

    assert payload_of(raw, AccessToken) == jwt.api_jwt.PyJWT().decode(raw, options={"verify_signature": False})


@given(CLAIMS)
def test_whatever_is_said_of_a_token_the_library_says_too(claims: dict[str, Any]) -> None:
    try:
        raw = signed({**plain(), **claims})
    except TypeError:  # no token can be made that says so
        return

    found = payload_of(raw, AccessToken)

    assert found is None or found == by_the_library(raw)


@given(st.data())
def test_a_token_with_anything_changed_in_it_is_not_plainly_good(data: st.DataObject) -> None:
    raw = signed(plain())
    place = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.sampled_from("Aa0_-.=+/ \n\x00é").filter(lambda other: other != raw[place]))
    form = data.draw(
        st.sampled_from([raw[:place] + other + raw[place + 1 :], raw[:place], raw[:place] + raw[place + 1 :]])
    )

    assert payload_of(form, AccessToken) is None


@pytest.mark.parametrize("raw", ["", ".", "..", "...", "a.b.c", "é.é.é", "\ud800"])
def test_what_is_no_token_is_not_plainly_good(raw: str) -> None:
    assert payload_of(raw, AccessToken) is None


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": int(time.time()) - 1}, id="over"),
        pytest.param({"exp": ...}, id="without an end"),
        pytest.param({"exp": 2**40}, id="an end that is no date"),
        pytest.param({"iat": int(time.time()) + 10_000}, id="not yet made"),
        pytest.param({"jti": ...}, id="without a name"),
        pytest.param({"token_type": "refresh"}, id="of another type"),
        pytest.param({"aud": "x"}, id="for an audience"),
        pytest.param({"nbf": 0}, id="with a beginning"),
    ],
)
def test_an_unusual_token_is_left_to_the_library(claims: dict[str, Any]) -> None:
    assert payload_of(signed(plain(**claims)), AccessToken) is None


def test_a_token_of_another_key_or_head_is_left_to_the_library() -> None:
    assert payload_of(signed(plain(), "another key that is long enough for it"), AccessToken) is None
    assert payload_of(signed(plain(), headers={"kid": "1"}), AccessToken) is None
    unsigned = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, plain())]
    assert payload_of(".".join([*(urlsafe_b64encode(part).decode() for part in unsigned), ""]), AccessToken) is None


def test_a_kind_whose_rules_are_its_own_is_left_to_the_library() -> None:
    class Strict(AccessToken):
        def verify(self) -> None:
            raise TokenError("never")

    raw = signed(plain())

    assert payload_of(raw, Strict) is None
    assert payload_of(str(RefreshToken()), AccessToken) is None
    assert payload_of(str(tickets.Ticket()), AccessToken) is None


@pytest.mark.parametrize(("name", "value"), [("audience", "x"), ("issuer", "x"), ("leeway", timedelta(seconds=1))])
def test_settings_that_ask_for_more_are_the_librarys(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = type(state.token_backend)("HS256", state.token_backend.signing_key, **{name: value})
    monkeypatch.setattr(state, "token_backend", backend)

    assert payload_of(signed(plain()), AccessToken) is None


def test_other_names_of_claims_are_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = type(state.token_backend)("HS256", state.token_backend.signing_key)
    monkeypatch.setattr(state, "token_backend", backend)
    monkeypatch.setattr(api_settings, "JTI_CLAIM", "name")

    assert payload_of(signed(plain(name="x")), AccessToken) is None


def test_every_kind_of_token_here_has_the_librarys_rules() -> None:
    """Else none would be read without it."""
    assert [payload_of(signed(plain()), kind) is not None for kind in api_settings.AUTH_TOKEN_CLASSES] == [True]
    assert issubclass(AccessToken, Token)
