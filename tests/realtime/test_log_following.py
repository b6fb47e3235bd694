"""Whoever follows the log reads all of it page by page, and is told when it is no longer the log they knew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from realtime import log, pruning
from realtime.log import AnotherHistory
from realtime.models import Event, LogHead, TopicHead
from realtime.protocol.entry import Entry
from tests.realtime.growing import backdate, fill, numbers, prune

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]


def follow(entry: Entry | None = None) -> log.Page:
    """Follow from behind ``entry``, which may be no longer what the log says."""
    place = (entry.position, entry.check) if entry else (0, 0)
    return log.follow(*place, log.head().epoch)


@pytest.mark.parametrize("page", [1, 2, 500])
def test_a_follower_reads_everything_whatever_the_size_of_a_page(page: int) -> None:
    fill(5)
    seen: list[Entry] = []

    with override_settings(REALTIME={"PAGE": page}):
        for _ in range(6):
            seen += follow(seen[-1] if seen else None).entries

    assert numbers(seen) == [1, 2, 3, 4, 5]


def test_at_rest_following_asks_one_question(django_assert_num_queries: Any) -> None:
    fill(3)
    newest, epoch = log.read(2).entries[0], log.head().epoch

    with django_assert_num_queries(1):
        assert log.follow(newest.position, newest.check, epoch).entries == []


def went_back() -> None:
    """Restore what was there when the log had two entries."""
    Event.objects.filter(position__gt=2).delete()
    LogHead.objects.update(position=2, check_bits=log.check_at(2))


def went_back_and_grew() -> None:
    went_back()
    TopicHead.objects.update(seq=2)
    fill(4)


def went_back_and_grew_as_far() -> None:
    went_back()
    TopicHead.objects.update(seq=2)
    fill(1)


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        (log.new_epoch, "epoch"),
        (went_back, "epoch"),
        (went_back_and_grew, "epoch"),
        (went_back_and_grew_as_far, "epoch"),
        (lambda: (fill(3), backdate(5), prune()), "trimmed"),
        (lambda: (fill(3), backdate(4), prune()), "trimmed"),
    ],
    ids=[
        "new epoch",
        "went back",
        "went back and grew",
        "went back and grew as far",
        "pruned past",
        "pruned up to the next",
    ],
)
def test_a_follower_notices_another_history(happened: Callable[[], Any], reason: str) -> None:
    fill(3)
    newest, epoch = log.read(2).entries[0], log.head().epoch
    happened()

    with pytest.raises(AnotherHistory) as noticed:
        log.follow(newest.position, newest.check, epoch)

    assert noticed.value.reason == reason


def test_a_follower_at_the_floor_goes_on() -> None:
    fill(3)
    newest = log.read(2).entries[0]
    backdate(3)
    pruning.prune(timezone.now() - timedelta(days=1))
    fill(2)

    assert numbers(log.follow(newest.position, newest.check, log.head().epoch).entries) == [4, 5]
