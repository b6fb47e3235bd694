"""Of what one transaction publishes under one key, each topic is told the last word, and that alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.models import Outgoing
from realtime.outbox import (
    OutsideTransaction,
    publish,
    told,
)
from realtime.relay import relay
from tests.realtime.growing import A, B, C
from tests.realtime.saying import RollBack, waiting

pytestmark = pytest.mark.django_db


def still_new(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**later, "action": "created"} if earlier.get("action") == "created" else later


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["", "k"])
def test_a_commit_wakes_the_relay_once_and_a_roll_back_never(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    woken: list[int] = []
    monkeypatch.setattr(relay, "wake", lambda: woken.append(Outgoing.objects.count()))

    with transaction.atomic():
        with suppress(RollBack), transaction.atomic():
            publish("Note", {"n": 1}, to=[A], key=key)
            raise RollBack
        publish("Note", {"n": 2}, to=[A], key=key)
        publish("Note", {"n": 3}, to=[B], key=key)
    with suppress(RollBack), transaction.atomic():
        publish("Note", {"n": 4}, to=[A], key=key)
        raise RollBack

    assert woken == [2]


def test_without_a_key_every_event_stays() -> None:
    publish("Note", {"n": 1}, to=[A])
    publish("Note", {"n": 1}, to=[A])

    assert waiting() == [("A", {"n": 1}), ("A", {"n": 1})]


def test_a_later_event_with_the_same_key_takes_the_place_of_the_earlier_one() -> None:
    publish("Note", {"n": 1}, to=[A, B], key="k")
    publish("Note", {"n": 2}, to=[A])
    publish("Other", {"n": 3}, to=[B, A], key="k", ack=True)

    assert waiting() == [("AB", {"n": 3}), ("A", {"n": 2})]
    assert list(Outgoing.objects.order_by("pk").values_list("type", "ack")) == [("Other", True), ("Note", False)]


def test_another_key_takes_no_place() -> None:
    publish("Note", {"n": 1}, to=[A], key="k")
    publish("Note", {"n": 2}, to=[A], key="l")

    assert waiting() == [("A", {"n": 1}), ("A", {"n": 2})]


@pytest.mark.django_db(transaction=True)
def test_a_key_means_nothing_in_another_transaction(sleeping_relay: None) -> None:
    for number in (1, 2):
        with transaction.atomic():
            publish("Note", {"n": number}, to=[A], key="k")

    assert waiting() == [("A", {"n": 1}), ("A", {"n": 2})]


def test_what_was_made_and_changed_is_told_as_made() -> None:
    publish("Note", {"action": "created", "n": 1}, to=[A], key="k", merge=still_new)
    publish("Note", {"action": "updated", "n": 2}, to=[A], key="k", merge=still_new)
    publish("Note", {"action": "updated", "n": 3}, to=[A], key="k", merge=still_new)

    assert waiting() == [("A", {"action": "created", "n": 3})]


def test_events_of_different_types_are_not_merged() -> None:
    publish("Note", {"action": "created"}, to=[A], key="k", merge=still_new)
    publish("Other", {"action": "updated"}, to=[A], key="k", merge=still_new)

    assert waiting() == [("A", {"action": "updated"})]


def test_a_later_event_for_some_leaves_the_others_with_the_earlier_one() -> None:
    publish("Note", {"n": 1}, to=[A, B], key="k")
    publish("Note", {"n": 2}, to=[B], key="k")
    publish("Note", {"n": 3}, to=[B, C], key="k")

    assert waiting() == [("A", {"n": 1}), ("BC", {"n": 3})]


def test_a_later_event_for_more_is_one_event_for_all() -> None:
    publish("Note", {"n": 1}, to=[A], key="k")
    publish("Note", {"n": 2}, to=[B], key="k")
    publish("Note", {"n": 3}, to=[A, B, C], key="k")

    assert waiting() == [("ABC", {"n": 3})]


def test_each_topic_is_told_what_the_whole_transaction_means_to_it() -> None:
    publish("Note", {"action": "created", "n": 1}, to=[A, B], key="k", merge=still_new)
    publish("Note", {"action": "updated", "n": 2}, to=[B, C], key="k", merge=still_new)

    assert sorted(waiting()) == [
        ("A", {"action": "created", "n": 1}),
        ("B", {"action": "created", "n": 2}),
        ("C", {"action": "updated", "n": 2}),
    ]


def test_a_rolled_back_savepoint_gives_the_place_back() -> None:
    publish("Note", {"n": 1}, to=[A, B], key="k")
    with suppress(RollBack), transaction.atomic():
        publish("Note", {"n": 2}, to=[A, B], key="k")
        publish("Note", {"n": 3}, to=[A], key="k")
        raise RollBack

    assert waiting() == [("AB", {"n": 1})]

    publish("Note", {"n": 4}, to=[A, B], key="k")

    assert waiting() == [("AB", {"n": 4})]


def test_what_was_first_published_in_a_rolled_back_savepoint_has_no_place_to_take() -> None:
    publish("Note", {"n": 0}, to=[A])
    with suppress(RollBack), transaction.atomic():
        publish("Note", {"n": 1}, to=[A], key="k")
        raise RollBack
    publish("Note", {"n": 2}, to=[B])  # on SQLite it gets the number of the row that is gone
    publish("Note", {"n": 3}, to=[A], key="k")

    assert waiting() == [("A", {"n": 0}), ("B", {"n": 2}), ("A", {"n": 3})]


def test_a_transaction_knows_which_topics_it_has_told_by_key() -> None:
    publish("Note", {"n": 1}, to=[A, B], key="k")
    publish("Note", {"n": 2}, to=[C])

    assert (told(A), told(B), told(C)) == (True, True, False)  # the last has no key: it is no state


def test_what_a_savepoint_took_with_it_was_not_told() -> None:
    with suppress(RollBack), transaction.atomic():
        publish("Note", {"n": 1}, to=[A], key="k")
        raise RollBack
    publish("Note", {"n": 2}, to=[B], key="l")  # on SQLite it gets the number of the row that is gone

    assert (told(A), told(B)) == (False, True)


@pytest.mark.django_db(transaction=True)
def test_what_was_committed_before_was_not_told_by_this_transaction(sleeping_relay: None) -> None:
    with transaction.atomic():
        publish("Note", {"n": 1}, to=[A], key="k")

    with transaction.atomic():
        assert not told(A)
    with pytest.raises(OutsideTransaction):
        told(A)


SAYINGS = st.tuples(st.sampled_from("kl"), st.sets(st.sampled_from([A, B, C]), min_size=1).map(sorted))
SCRIPTS = st.recursive(
    st.lists(SAYINGS, max_size=4),
    lambda inner: st.lists(st.one_of(SAYINGS, st.tuples(st.booleans(), inner)), max_size=5),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(SCRIPTS)
def test_per_key_and_topic_there_is_one_event_and_it_is_the_last_not_rolled_back(db: None, script: list[Any]) -> None:
    Outgoing.objects.all().delete()
    count = iter(range(1000))
    said: dict[tuple[str, str], int] = {}

    def say(lines: list[Any], said: dict[tuple[str, str], int]) -> None:
        for first, second in lines:
            if isinstance(first, str):
                number = next(count)
                publish("Note", {"n": number}, to=second, key=first)
                said |= {(first, name): number for name in second}
                continue
            inner = dict(said)
            with suppress(RollBack), transaction.atomic():
                say(second, inner)
                if not first:
                    raise RollBack
                said |= inner

    with transaction.atomic():
        say(script, said)

    told = [(name, json.loads(row.data)["n"]) for row in Outgoing.objects.all() for name in row.topics.split(" ")]
    assert sorted(told) == sorted((name, number) for (_, name), number in said.items())
