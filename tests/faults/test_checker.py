"""The checker sees what it is there for: each way in which a history can be wrong, in a history that is else right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.checker import Anomaly, check, tally
from tests.faults.history import Chapter, Client, Control, End, Entry, Heard, History, Log, Right, Row, Write

FAMILY, ACCOUNT, OTHER = "family:1", "account:1", "family:2"
COUNT = 6


def entry(position: int, topic: str, seq: int, number: int, *, action: str = "created", version: int = 1) -> Entry:
    return Entry(
        position,
        topic,
        seq,
        f"id-{number}-{action}",
        "TransactionUpdate",
        f"row-{number}",
        action,
        version,
        f"m{number}",
    )


def heard(told: Entry, *, at: float = 0.0) -> Heard:
    return Heard(at, told.topic, told.seq, told.id, told.position, told.mark, told.action)


def writes() -> list[Write]:
    """One after another, each beginning after the one before has ended."""
    return [Write(f"m{n}", "created", (FAMILY, ACCOUNT), n * 10.0, n * 10.0 + 5, "committed") for n in range(COUNT)]


def entries() -> list[Entry]:
    """Both topics of each write, side by side, from position 1."""
    topics = (FAMILY, ACCOUNT)
    return [entry(2 * n + place + 1, topic, n + 1, n) for n in range(COUNT) for place, topic in enumerate(topics)]


def history(**changes: object) -> History:
    """alice hears both topics, bob one; carol is of another family and hears nothing."""
    log = Log(start=0, entries=entries(), readers={"alice": frozenset({FAMILY, ACCOUNT}), "bob": frozenset({FAMILY})})
    clients = [
        Client("alice-1", "alice", frozenset({FAMILY, ACCOUNT}), [Chapter(0, [heard(each) for each in entries()])]),
        Client("bob-1", "bob", frozenset({FAMILY}), [Chapter(0, [heard(e) for e in entries() if e.topic == FAMILY])]),
        Client("carol-1", "carol", frozenset({OTHER}), [Chapter(0)]),
    ]
    rows = [Row(f"row-{n}", 1, f"m{n}", (FAMILY, ACCOUNT)) for n in range(COUNT)]
    made = History(logs=[log], writes=writes(), clients=clients, rows=rows, struck=0.0, healed=100.0)
    return replace(made, **changes)


def kinds(judged: History) -> set[str]:
    return set(tally(check(judged)))


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert check(history()) == []


def of_bob(change: Callable[[list[Heard]], object]) -> History:
    """A history in which something befell what bob heard."""
    wrong = history()
    change(wrong.clients[1].chapters[0].heard)
    return wrong


def swap(came: list[Heard]) -> None:
    came[2], came[3] = came[3], came[2]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda came: came.pop(2), "lost"),
        (lambda came: came.pop(), "lost"),
        (lambda came: came.clear(), "lost"),
        (lambda came: came.insert(3, came[2]), "doubled"),
        (lambda came: came.append(came[0]), "doubled"),
        (swap, "reordered"),
        (lambda came: came.append(Heard(0.0, FAMILY, COUNT + 1, "id-never", 99, "never")), "phantom"),
        (lambda came: came.__setitem__(2, came[2]._replace(mark="m5")), "phantom"),
        (lambda came: came.__setitem__(2, came[2]._replace(id="id-of-another")), "phantom"),
        (lambda came: came.__setitem__(2, came[2]._replace(action="deleted")), "phantom"),
        (lambda came: came.insert(1, heard(entries()[1])), "leaked"),
    ],
)
def test_each_thing_that_can_befall_a_client_is_seen(change: Callable[[list[Heard]], object], kind: str) -> None:
    assert kind in kinds(of_bob(change))


def test_what_came_once_out_of_order_is_not_called_doubled() -> None:
    assert kinds(of_bob(swap)) == {"reordered"}


def test_an_event_of_one_topic_that_overtakes_one_of_another_is_seen() -> None:
    wrong = history()
    came = wrong.clients[0].chapters[0].heard
    came[2], came[3] = came[3], came[2]

    assert check(wrong) == [Anomaly("reordered", "alice-1", f"{came[3]} came behind position 4")]


def test_nothing_of_a_foreign_topic_may_come() -> None:
    wrong = history()
    wrong.clients[2].chapters[0].heard.append(heard(entries()[0]))

    assert kinds(wrong) == {"leaked"}


def log_of(told: list[Entry], **changes: object) -> History:
    """A history whose log is another one; nobody listens."""
    right = history()
    return replace(right, logs=[replace(right.logs[0], entries=told, **changes)], clients=[])


def renumbered(told: list[Entry]) -> list[Entry]:
    """The same, with places that have no holes."""
    seqs: dict[str, int] = {}
    result = []
    for position, each in enumerate(told, 1):
        seqs[each.topic] = seqs.get(each.topic, 0) + 1
        result.append(each._replace(position=position, seq=seqs[each.topic]))
    return result


def test_a_log_with_a_hole_is_seen() -> None:
    assert {"hole", "lost"} == kinds(log_of(entries()[:4] + entries()[5:]))


def test_a_committed_write_that_never_got_into_the_log_is_seen() -> None:
    assert kinds(log_of(renumbered(entries()[:4] + entries()[6:]))) == {"lost"}


def test_a_write_that_is_told_to_half_of_its_audience_is_seen() -> None:
    assert kinds(log_of(renumbered(entries()[:5] + entries()[6:]))) == {"lost"}


def test_a_write_that_is_told_twice_is_seen() -> None:
    assert "doubled" in kinds(log_of(renumbered([*entries()[:2], *entries()])))


def test_a_write_on_a_topic_that_is_not_its_own_is_seen() -> None:
    assert "leaked" in kinds(log_of([*entries(), entry(2 * COUNT + 1, OTHER, 1, 2)]))


def test_what_was_undone_and_told_is_seen() -> None:
    right = history()
    undone = [write._replace(outcome="undone") if write.mark == "m2" else write for write in right.writes]

    assert kinds(replace(right, writes=undone)) == {"phantom"}


def test_what_nobody_wrote_is_seen() -> None:
    right = history()

    assert kinds(replace(right, writes=right.writes[:-1])) == {"phantom"}


def test_a_write_whose_fate_is_unknown_may_be_told_and_may_not() -> None:
    unknown = [write._replace(outcome="unknown") if write.mark == "m5" else write for write in writes()]
    neither = log_of(entries()[:-2])

    assert check(replace(history(), writes=unknown)) == []
    assert check(replace(neither, writes=unknown, rows=neither.rows[:-1])) == []


def test_a_write_whose_fate_is_unknown_is_told_if_the_row_is_there_and_not_if_it_is_not() -> None:
    unknown = [write._replace(outcome="unknown") for write in writes()]

    assert kinds(replace(log_of(entries()[:-2]), writes=unknown)) == {"lost"}
    assert kinds(replace(history(), writes=unknown, rows=history().rows[:-1])) == {"phantom"}


def test_what_began_after_a_commit_and_comes_before_it_is_seen() -> None:
    told = entries()
    swapped = renumbered([*told[:4], *told[6:8], *told[4:6], *told[8:]])

    assert kinds(log_of(swapped)) == {"reordered"}


def test_what_overlapped_may_come_in_either_order() -> None:
    told = entries()
    swapped = renumbered([*told[:4], *told[6:8], *told[4:6], *told[8:]])
    overlapping = [write._replace(ended=write.ended + 10) for write in writes()]

    assert check(replace(log_of(swapped), writes=overlapping)) == []


def changed(*versions: int, action: str = "updated") -> History:
    """A history in which row 0 then has these versions; in the end it is as of the newest."""
    told = entries()
    done = writes()
    for place, version in enumerate(versions):
        mark = f"v{version}"
        for topic in (FAMILY, ACCOUNT):
            each = entry(len(told) + 1, topic, COUNT + place + 1, 0, action=action, version=version)
            told.append(each._replace(mark=mark))
        done.append(Write(mark, action, (FAMILY, ACCOUNT), 1000.0, 2000.0, "committed"))
    made = log_of(told)
    rows = [row._replace(version=max(versions)) if row.id == "row-0" else row for row in made.rows]
    return replace(made, writes=done, rows=rows)


def test_the_versions_of_a_row_come_in_their_order() -> None:
    assert check(changed(2, 3)) == []
    assert "reordered" in kinds(changed(3, 2))


def test_a_change_that_is_not_told_is_seen_by_the_row() -> None:
    silent = changed(2)
    rows = [row._replace(version=3) if row.id == "row-0" else row for row in silent.rows]

    assert kinds(replace(silent, rows=rows)) == {"lost"}


def test_a_row_that_is_told_to_be_gone_and_is_there_is_seen() -> None:
    assert kinds(changed(1, action="deleted")) == {"phantom"}


LEFT, JOINED = 5, 9
"""Positions of control entries: between the two, bob is no member."""


def with_rights(heard_positions: set[int], *, logged: bool = True) -> History:
    """bob leaves after write 1 and comes back after write 3, and heard what is at these positions."""
    told = entries()
    moved = [
        each._replace(position=each.position + (each.position >= LEFT) + (each.position >= JOINED - 1)) for each in told
    ]
    controls = [Control(LEFT, "bob", (), (FAMILY,)), Control(JOINED, "bob", (FAMILY,), ())]
    rights = [
        Right("bob", FAMILY, False, 16.0, 17.0, "committed"),
        Right("bob", FAMILY, True, 36.0, 37.0, "committed"),
    ]
    made = log_of(moved, controls=controls if logged else [])
    of_bob = [heard(each) for each in moved if each.topic == FAMILY and each.position in heard_positions]
    return replace(made, rights=rights, clients=[Client("bob-1", "bob", frozenset({FAMILY}), [Chapter(0, of_bob)])])


def test_who_left_and_came_back_hears_what_was_said_before_and_after() -> None:
    assert check(with_rights({1, 3, 11, 13})) == []


def test_who_was_away_when_a_topic_was_lost_does_without_its_end() -> None:
    assert check(with_rights({1, 11, 13})) == []


def test_a_hole_in_what_was_lost_later_is_seen() -> None:
    assert kinds(with_rights({3, 11, 13})) == {"lost"}


def test_what_was_said_while_one_was_no_member_is_a_leak() -> None:
    assert kinds(with_rights({1, 3, 6, 8, 11, 13})) == {"leaked"}


def test_what_is_missing_after_a_joining_is_lost() -> None:
    assert kinds(with_rights({1, 3, 13})) == {"lost"}


def test_what_is_new_to_a_client_may_come_as_a_snapshot() -> None:
    fetched = with_rights({1, 3, 13})
    fetched.clients[0].chapters[0].snapshots[FAMILY] = 5

    assert check(fetched) == []


def test_a_right_that_was_taken_and_is_not_in_the_log_is_seen_in_the_log_and_by_the_clock() -> None:
    unsaid = with_rights({1, 3, 6, 8, 11, 13}, logged=False)
    found = check(unsaid)

    assert {each.kind for each in found if each.whom == "bob-1"} == {"leaked"}
    assert "lost" in {each.kind for each in found if each.whom == "log"}


def test_a_row_that_was_deleted_when_the_right_was_gone_is_no_leak_of_its_beginning() -> None:
    honest = with_rights({1, 3, 11, 13})
    deleted = entry(15, ACCOUNT, COUNT + 1, 0, action="deleted")
    honest.logs[0].entries.append(deleted)
    honest.writes.append(Write("m0", "deleted", (ACCOUNT,), 18.0, 19.0, "unknown"))

    assert [each for each in check(honest) if each.kind == "leaked"] == []


def test_an_end_that_the_fault_explains_is_none_of_ours_and_any_other_is() -> None:
    ended = history(explained_ends=frozenset({"1012"}), struck=10.0, healed=20.0)
    ends = ended.clients[0].ends

    ends.append(End(15.0, "websocket", "1012", 14.0))
    assert check(ended) == []
    ends[:] = [
        End(15.0, "websocket", "1011", 14.0),
        End(5.0, "websocket", "1012", 4.0),
        End(25.0, "websocket", "1012", 19.0),
    ]
    assert tally(check(ended)) == {"close": 3}


def test_a_silence_that_began_while_the_fault_lasted_may_be_noticed_later() -> None:
    ended = history(explained_ends=frozenset({"silent"}), struck=10.0, healed=20.0)
    ends = ended.clients[0].ends

    ends.append(End(60.0, "websocket", "silent", 15.0))
    assert check(ended) == []
    ends[:] = [End(70.0, "websocket", "silent", 25.0), End(9.0, "websocket", "silent", 1.0)]
    assert tally(check(ended)) == {"close": 2}


def test_an_error_on_the_wire_is_seen() -> None:
    wrong = history()
    wrong.clients[0].errors.append("internal")

    assert kinds(wrong) == {"error"}


def test_a_reset_without_another_history_is_seen() -> None:
    wrong = history()
    wrong.clients[1].resets.append((50.0, "trimmed"))
    wrong.clients[1].chapters.append(Chapter(99))

    assert kinds(wrong) == {"reset"}


def test_a_restored_log_is_another_chapter() -> None:
    right = history(explained_resets=frozenset({"epoch"}))
    old = replace(right.logs[0], is_whole=False)
    lost_with_it = right.clients[1].chapters[0]
    lost_with_it.heard.pop()
    again = Log(start=4, entries=[entry(5, FAMILY, 3, 9)], readers=old.readers, seqs={FAMILY: 2, ACCOUNT: 2})
    for client, chapter in zip(right.clients, ([heard(again.entries[0])], [heard(again.entries[0])], []), strict=True):
        client.chapters.append(Chapter(4, chapter))
        client.resets.append((60.0, "epoch"))
    written = [*writes(), Write("m9", "created", (FAMILY,), 70.0, 75.0, "committed")]

    restored = replace(right, logs=[old, again], writes=written, rows=[Row("row-9", 1, "m9", (FAMILY,))])

    assert check(restored) == []
    right.clients[0].chapters[1].heard.clear()
    assert kinds(restored) == {"lost"}
