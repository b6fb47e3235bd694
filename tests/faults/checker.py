"""The judge: what of a history is not as it was promised.

Pure, and told nothing by the product but what any client and any reader of its tables sees. What was committed is
asked of three witnesses who do not know each other: the writers, the rows, and the log; then each client is held
against the log.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.faults.history import Chapter, Client, Entry, Heard, History, Log, Right, Row, Write
from tests.faults.rights import Span, spans


class Anomaly(NamedTuple):
    """One thing that is not as it was promised: ``kind`` as the report counts it, whom it befell, and what it was."""

    kind: str
    whom: str
    what: str


def check(history: History) -> list[Anomaly]:
    """Everything that is wrong, in the order in which it was looked for."""
    found = [each for log in history.logs for each in check_log(log)]
    found += check_writes(history)
    found += check_rows(history)
    found += check_rights(history)
    for client in history.clients:
        found += check_client(client, history)
    return found


def check_log(log: Log) -> Iterator[Anomaly]:
    """The log alone: no place is left out or given twice, and the versions of each row come in their order."""
    expected = log.start
    seqs = Counter(dict(log.seqs))
    versions: dict[tuple[str, str, str], int] = {}
    everything = sorted([*log.entries, *log.controls], key=lambda each: each.position)
    for entry in everything:
        expected += 1
        if entry.position != expected:
            yield Anomaly("hole", "log", f"position {expected} is missing before {entry.position}")
            expected = entry.position
        if not isinstance(entry, Entry):
            continue
        seqs[entry.topic] += 1
        if entry.seq != seqs[entry.topic]:
            yield Anomaly("hole", "log", f"{entry.topic} goes on at seq {entry.seq} instead of {seqs[entry.topic]}")
            seqs[entry.topic] = entry.seq
        row = (entry.topic, entry.type, entry.row)
        if entry.version and entry.version <= versions.get(row, 0) and entry.action != "deleted":
            yield Anomaly("reordered", "log", f"{entry} after version {versions[row]} of that row")
        versions[row] = entry.version


def check_writes(history: History) -> Iterator[Anomaly]:
    """What the writers know: all that was committed is told once per topic, and nothing that was undone."""
    told: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for log in history.logs:
        for entry in log.entries:
            if entry.mark:
                told[entry.mark, entry.action].append(entry)
    for write in history.writes:
        yield from _write(write, told.pop((write.mark, write.action), []))
    for entries in told.values():
        yield Anomaly("phantom", "log", f"{entries[0]} was written by nobody")
    for log in history.logs:
        yield from _causality(log, history.writes)


def _write(write: Write, told: list[Entry]) -> Iterator[Anomaly]:
    if write.outcome == "undone":
        yield from (Anomaly("phantom", "log", f"{entry} was undone") for entry in told)
        return
    if write.outcome == "unknown" and not told:
        return  # the rows say whether it was
    count = Counter(entry.topic for entry in told)
    for topic in count.keys() | set(write.topics):
        if topic not in write.topics:
            yield Anomaly("leaked", "log", f"{write} is told on {topic} too")
        elif count[topic] != 1:
            kind = "doubled" if count[topic] else "lost"
            yield Anomaly(kind, "log", f"{write} is told {count[topic]} times on {topic}")


def _causality(log: Log, writes: Iterable[Write]) -> Iterator[Anomaly]:
    """What began after a commit comes after it."""
    times = {(write.mark, write.action): write for write in writes if write.outcome == "committed"}
    earliest: Write | None = None  # to end, of those that come later
    for entry in sorted(log.entries, reverse=True):
        write = times.get((entry.mark, entry.action))
        if write is None:
            continue
        if earliest is not None and earliest.ended < write.began:
            yield Anomaly("reordered", "log", f"{earliest} was committed before {write} began, and comes after it")
        if earliest is None or write.ended < earliest.ended:
            earliest = write


def check_rows(history: History) -> Iterator[Anomaly]:
    """What the ledger holds in the end: exactly the rows that the last log leaves, as it left them."""
    left: dict[tuple[str, str], Entry] = {}
    for entry in history.logs[-1].entries:
        if entry.type == "TransactionUpdate":
            left[entry.topic, entry.row] = entry
    rows = {(topic, row.id): row for row in history.rows for topic in row.topics}
    for key, row in rows.items():
        last = left.get(key)
        if last is None:
            yield Anomaly("lost", "log", f"{row} is told nowhere on {key[0]}")
        else:
            yield from _row(row, last)
    for key, entry in left.items():
        if key not in rows and entry.action != "deleted":
            yield Anomaly("phantom", "log", f"{entry} tells of a row that is not there")


def _row(row: Row, last: Entry) -> Iterator[Anomaly]:
    if last.action == "deleted":
        yield Anomaly("phantom", "log", f"{last} tells the end of a row that is there")
    elif last.version > row.version:
        yield Anomaly("phantom", "log", f"{last} tells what {row} never was")
    elif last.version < row.version:
        yield Anomaly("lost", "log", f"{row} is told as of version {last.version}")


def check_rights(history: History) -> Iterator[Anomaly]:
    """Each right that was given or taken is in the log, as often as that was done."""
    logged: Counter[tuple[str, str, bool]] = Counter()
    for log in history.logs:
        for control in log.controls:
            logged.update((control.user, topic, True) for topic in control.gained)
            logged.update((control.user, topic, False) for topic in control.lost)
    done = Counter((each.user, each.topic, each.gained) for each in history.rights if each.outcome == "committed")
    maybe = Counter((each.user, each.topic, each.gained) for each in history.rights if each.outcome == "unknown")
    for key in done.keys() | logged.keys():
        if not done[key] <= logged[key] <= done[key] + maybe[key]:
            what = f"{key}: done {done[key]} times, perhaps {maybe[key]} more, and logged {logged[key]} times"
            yield Anomaly("lost" if logged[key] < done[key] else "phantom", "log", what)


def check_client(client: Client, history: History) -> Iterator[Anomaly]:
    """One client: what came, in which order, what did not, what should not have, and how its connections ended."""
    if len(client.chapters) > len(history.logs):
        yield Anomaly("reset", client.name, f"started over {len(client.chapters) - 1} times: {client.resets}")
        return
    for log, chapter in zip(history.logs, client.chapters, strict=False):
        yield from _chapter(client, log, chapter)
    yield from _leaks(client, history)
    for at, reason in client.resets:
        if reason not in history.explained_resets or at < history.struck:
            yield Anomaly("reset", client.name, reason)
    for end in client.ends:
        lasted = history.struck <= end.at and end.of <= history.healed
        if end.how not in history.explained_ends or not lasted:
            when = "while it lasted" if lasted else "before or after"
            yield Anomaly("close", client.name, f"{end.transport}: {end.how}, {when}")
    for error in client.errors:
        yield Anomaly("error", client.name, error)


def _chapter(client: Client, log: Log, chapter: Chapter) -> Iterator[Anomaly]:
    entries = {(entry.topic, entry.seq): entry for entry in log.entries}
    theirs: dict[str, list[Heard]] = defaultdict(list)
    place = chapter.start
    for heard in chapter.heard:
        entry = entries.get((heard.topic, heard.seq))
        if entry is None or _differs(entry, heard):
            yield Anomaly("phantom", client.name, f"{heard} is not what the log holds: {entry}")
            continue
        theirs[heard.topic].append(heard)
        if heard.position is not None:
            if heard.position < place:
                yield Anomaly("reordered", client.name, f"{heard} came behind position {place}")
            place = max(place, heard.position)
    for topic in client.topics | theirs.keys():
        mine = spans(log, client.user, topic) if topic in client.topics else []
        of_topic = [entry for entry in log.entries if entry.topic == topic and entry.position > chapter.start]
        told = [entry for entry in of_topic if entry.seq > chapter.snapshots.get(topic, 0)]
        yield from _order(client.name, of_topic, theirs[topic], mine)
        yield from _whole(client.name, told, theirs[topic], mine, is_whole=log.is_whole)


def _differs(entry: Entry, heard: Heard) -> bool:
    return (entry.id, entry.mark, entry.action) != (heard.id, heard.mark, heard.action)


def _order(name: str, entries: list[Entry], heard: list[Heard], mine: list[Span]) -> Iterator[Anomaly]:
    """What came on one topic: each once, in order, and nothing that was not theirs."""
    count = Counter(each.seq for each in heard)
    yield from (Anomaly("doubled", name, f"{seq} of its topic came {n} times") for seq, n in count.items() if n > 1)
    newest = 0
    for each in heard:
        if each.seq < newest and count[each.seq] == 1:
            yield Anomaly("reordered", name, f"{each} came after seq {newest}")
        newest = max(newest, each.seq)
    for entry in entries:
        if count[entry.seq] and not any(span.holds(entry) for span in mine):
            yield Anomaly("leaked", name, f"{entry} while the topic was not theirs")


def _whole(
    name: str, entries: list[Entry], heard: list[Heard], mine: list[Span], *, is_whole: bool
) -> Iterator[Anomaly]:
    """What did not come on one topic: nothing of what is theirs to this day, and nothing amid what came before that.

    Who was away when a topic was lost has to do without its end.
    """
    came = {each.seq for each in heard}
    for span in mine:
        due = [entry for entry in entries if span.holds(entry)]
        if not (span.is_open and is_whole):
            newest = max((entry.position for entry in due if entry.seq in came), default=0)
            due = [entry for entry in due if entry.position < newest]
        yield from (Anomaly("lost", name, f"{entry} never came") for entry in due if entry.seq not in came)


def _leaks(client: Client, history: History) -> Iterator[Anomaly]:
    """By the clock, whatever the log says: nothing written after a right was gone, before it was there again."""
    writes = {(write.mark, write.action): write for write in history.writes}
    rights: dict[str, list[Right]] = defaultdict(list)
    for right in history.rights:
        if right.user == client.user:
            rights[right.topic].append(right)
    for chapter in client.chapters:
        for heard in chapter.heard:
            write = writes.get((heard.mark, heard.action))
            if write and _was_gone(rights[heard.topic], write):
                yield Anomaly("leaked", client.name, f"{heard}, written when the right to it was gone")


def _was_gone(rights: list[Right], write: Write) -> bool:
    """Whether the last change of a right before a write surely took it away, and nothing can have given it back."""
    before = [right for right in rights if right.began < write.ended and right.outcome != "undone"]
    if not before:
        return False
    last = max(before, key=lambda right: right.ended)
    return not last.gained and last.outcome == "committed" and last.ended < write.began


def tally(anomalies: Iterable[Anomaly]) -> dict[str, int]:
    """How many there are of each kind."""
    return dict(Counter(each.kind for each in anomalies))
