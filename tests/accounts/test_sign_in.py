"""Signing in, going on with a refresh token, signing out, and what is refused afterwards."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts import serializers
from accounts.authentication import is_current, issue
from accounts.models import User
from tests.conftest import PASSWORD

TOKEN, REFRESH, LOGOUT, ME = "/api/v1/auth/token", "/api/v1/auth/refresh", "/api/v1/auth/logout", "/api/v1/me"


def sign_in(username="bob", password=PASSWORD):
    return APIClient().post(TOKEN, {"username": username, "password": password}, format="json")


def refresh(token):
    return APIClient().post(REFRESH, {"refresh": token}, format="json")


def sign_out(token):
    return APIClient().post(LOGOUT, {"refresh": token}, format="json")


def me(access):
    return APIClient().get(ME, headers={"authorization": f"Bearer {access}"})


def test_a_pair_of_tokens_opens_the_users_own_page(bob):
    pair = sign_in().json()

    answer = me(pair["access"])

    assert set(pair) == {"access", "refresh"}
    assert answer.status_code == 200
    assert answer.json() == {
        "id": str(bob.pk),
        "username": "bob",
        "first_name": "",
        "last_name": "",
        "email": "bob@example.org",
        "is_staff": False,
    }


@pytest.mark.parametrize(("username", "password"), [("bob", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_are_refused_alike(bob, username, password):
    answer = sign_in(username, password)

    assert answer.status_code == 401
    assert answer.json() == {"detail": "No active account found with the given credentials"}


def test_too_many_attempts_from_one_address_have_to_wait(bob):
    # Each at another name: one name alone is locked long before.
    codes = [sign_in(f"guessed-{number}", "wrong").status_code for number in range(20)]

    refused = sign_in()

    assert codes == [401] * 20
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 60


def test_a_refresh_token_is_good_once(bob):
    first = sign_in().json()

    second = refresh(first["refresh"])
    again = refresh(first["refresh"])

    assert second.status_code == 200
    assert second.json()["refresh"] != first["refresh"]
    assert me(second.json()["access"]).status_code == 200
    assert again.status_code == 401
    assert refresh(second.json()["refresh"]).status_code == 200


def test_of_two_refreshes_at_the_same_moment_one_is_refused(bob):
    token = issue(bob)

    serializers.spend(RefreshToken(str(token)))

    # The other one had passed the check of the blacklist before the first wrote to it.
    with pytest.raises(serializers.TokenError), transaction.atomic():
        serializers.spend(token)


def test_an_access_token_refreshes_nothing(bob):
    assert refresh(sign_in().json()["access"]).status_code == 401


def test_a_refresh_token_opens_no_page(bob):
    assert me(sign_in().json()["refresh"]).status_code == 401


def test_signing_out_ends_the_access_and_the_refresh_token_on_every_device(bob):
    phone, desk = sign_in().json(), sign_in().json()

    answer = sign_out(phone["refresh"])

    assert answer.status_code == 204
    assert [me(pair["access"]).status_code for pair in (phone, desk)] == [401, 401]
    assert [refresh(pair["refresh"]).status_code for pair in (phone, desk)] == [401, 401]
    assert BlacklistedToken.objects.filter(token__jti=RefreshToken(phone["refresh"], verify=False)["jti"]).exists()


def test_signing_in_again_at_once_works(bob):
    sign_out(sign_in().json()["refresh"])

    pair = sign_in().json()

    assert me(pair["access"]).status_code == 200
    assert refresh(pair["refresh"]).status_code == 200


def test_signing_out_with_a_token_that_is_no_good_changes_nothing(bob):
    pair = sign_in().json()

    answers = [sign_out(token).status_code for token in ("rubbish", pair["access"])]

    assert answers == [401, 401]
    assert me(pair["access"]).status_code == 200


def test_signing_out_on_the_page_ends_tokens_and_the_sessions_of_other_browsers(bob):
    pair, here, there = sign_in().json(), Client(), Client()
    here.force_login(bob)
    there.force_login(bob)

    here.post("/accounts/logout/")

    assert me(pair["access"]).status_code == 401
    assert [browser.get(ME).status_code for browser in (here, there)] == [401, 401]


def test_signing_out_over_rest_ends_the_sessions_of_browsers(bob):
    browser = Client()
    browser.force_login(bob)
    assert browser.get(ME).status_code == 200

    sign_out(sign_in().json()["refresh"])

    assert browser.get(ME).status_code == 401


def test_a_changed_password_ends_every_token(bob):
    pair = sign_in().json()

    bob.set_password("another long enough one")
    bob.save()

    assert me(pair["access"]).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401
    assert BlacklistedToken.objects.count() == 0


def test_tokens_of_a_deactivated_user_stay_dead_when_the_user_is_active_again(bob):
    pair = sign_in().json()

    User.objects.filter(pk=bob.pk).update(is_active=False)
    while_inactive = (
        me(pair["access"]).status_code,
        refresh(pair["refresh"]).status_code,
        sign_in().status_code,
    )
    User.objects.filter(pk=bob.pk).update(is_active=True)

    assert while_inactive == (401, 401, 401)
    assert me(pair["access"]).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401
    assert sign_in().status_code == 200


def test_the_refresh_token_of_a_deleted_user_is_refused(bob):
    pair = sign_in().json()

    bob.delete()

    assert refresh(pair["refresh"]).status_code == 401


def test_an_old_copy_of_the_user_saved_after_a_sign_out_revives_no_token(bob):
    copy = User.objects.get(pk=bob.pk)
    pair = sign_in().json()
    sign_out(pair["refresh"])

    copy.first_name = "Robert"
    copy.save()

    assert me(pair["access"]).status_code == 401
    assert User.objects.get(pk=bob.pk).sign_outs == 1
    assert User.objects.get(pk=bob.pk).first_name == "Robert"


def test_a_partly_loaded_user_can_be_saved(bob):
    copy = User.objects.defer("email", "password").get(pk=bob.pk)

    copy.first_name = "Robert"
    copy.save()

    assert User.objects.get(pk=bob.pk).first_name == "Robert"
    assert User.objects.get(pk=bob.pk).check_password(PASSWORD)


def test_a_token_made_without_a_number_is_good_until_the_first_sign_out(bob):
    made_elsewhere = str(AccessToken.for_user(bob))
    before = me(made_elsewhere).status_code

    sign_out(sign_in().json()["refresh"])

    assert before == 200
    assert me(made_elsewhere).status_code == 401


def test_the_rule_takes_a_session_and_a_ticket_that_a_session_bought(bob):
    ticket = {"session": bob.get_session_auth_hash()}
    before = is_current(bob, None), is_current(bob, ticket)

    sign_out(sign_in().json()["refresh"])
    now = User.objects.get(pk=bob.pk)

    assert before == (True, True)
    assert is_current(now, ticket) is False
    assert is_current(now, {"session": now.get_session_auth_hash()}) is True


def test_a_session_made_under_an_older_secret_key_still_counts_sign_outs(bob, settings):
    older = bob.get_session_auth_hash()

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one that is long enough to be a key of its own"

    assert list(bob.get_session_auth_fallback_hash()) == [older]
    assert bob.get_session_auth_hash() != older
