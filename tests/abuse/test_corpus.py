"""The fuzzer of ``run.py fuzz``, for a moment: what it found before, and a little around it."""

from __future__ import annotations

import itertools

import pytest

from tests.abuse.fuzz.engine import Broken, Fuzzer, corpus
from tests.abuse.fuzz.targets import TARGETS

MUTATIONS = 400


@pytest.mark.parametrize("name", TARGETS)
def test_what_reads_bytes_of_strangers_keeps_its_promises(name: str) -> None:
    found = corpus(name)
    fuzzer = Fuzzer(name, seed=1)

    fuzzer.replay(found)
    list(itertools.islice(fuzzer.run(), MUTATIONS))

    assert found
    assert fuzzer.tried == len(found) + MUTATIONS


def test_the_fuzzer_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(data: bytes) -> None:
        assert b"\xff" not in data

    monkeypatch.setitem(TARGETS, "frames", (breaks, TARGETS["frames"][1]))
    fuzzer = Fuzzer("frames", seed=1)

    with pytest.raises(Broken, match="frames broke on"):
        list(itertools.islice(fuzzer.run(), 10_000))
