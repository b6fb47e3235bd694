"""``run.py`` makes the environment once per content of the lock, and again after it was cut short.

Against a uv and a pip that only write down what they were asked: the real ones need a network.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from config.env import BASE_DIR

UV = """#!/bin/sh
echo "uv $*" >> {calls}
[ -e {broken} ] && exit 1
[ "$1" = venv ] && mkdir -p {venv}/bin && ln -sf {python} {venv}/bin/python
exit 0
"""


class Machine:
    """A checkout of nothing but locks, on a machine with a uv."""

    def __init__(self, home: Path, run: ModuleType) -> None:
        self.run = run
        self.broken = home / "broken"
        self._calls = home / "calls"
        self._lock = home / "requirements" / run.RUNTIME
        self._lock.parent.mkdir()
        self._lock.write_text("django==5.2")
        (home / "requirements" / run.DEVELOPMENT).write_text("django==5.2\npytest==9")
        program = home / "bin" / "uv"
        program.parent.mkdir()
        program.write_text(UV.format(calls=self._calls, broken=self.broken, venv=run.VENV, python=sys.executable))
        program.chmod(0o755)

    def change_lock(self) -> None:
        """Let the lock name another version."""
        self._lock.write_text("django==5.2.1")

    def calls(self) -> list[str]:
        """What uv was asked since the last look, without paths."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return [" ".join(word for word in line.split() if "/" not in word) for line in lines]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    spec = importlib.util.spec_from_file_location("run", BASE_DIR / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    places = {"ROOT": "", "VENV": ".venv", "TOOLS": ".tools", "PYTHON": ".venv/bin/python"}
    places |= {"STAMP": ".venv/.installed", "UNFINISHED": ".venv/.installing"}
    for name, place in places.items():
        monkeypatch.setattr(run, name, tmp_path / place)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Machine(tmp_path, run)


MADE = "uv venv --quiet --python"
INSTALLED = "uv pip install --quiet --python --require-hashes -r"


def test_the_first_time_makes_the_environment_and_the_second_finds_it(machine: Machine) -> None:
    machine.run.prepare(machine.run.RUNTIME)
    first = machine.calls()
    machine.run.prepare(machine.run.RUNTIME)
    second = machine.calls()

    assert first == [MADE, INSTALLED]
    assert second == []


def test_a_changed_lock_is_installed(machine: Machine) -> None:
    machine.run.prepare(machine.run.RUNTIME)
    machine.calls()

    machine.change_lock()
    machine.run.prepare(machine.run.RUNTIME)

    assert machine.calls() == [INSTALLED]


def test_the_development_lock_serves_the_demo_too(machine: Machine) -> None:
    machine.run.prepare(machine.run.DEVELOPMENT)
    machine.calls()

    machine.run.prepare(machine.run.RUNTIME)

    assert machine.calls() == []


def test_the_demo_does_not_serve_the_tests(machine: Machine) -> None:
    machine.run.prepare(machine.run.RUNTIME)
    machine.calls()

    machine.run.prepare(machine.run.DEVELOPMENT)

    assert machine.calls() == [INSTALLED]


def test_an_installation_that_was_cut_short_is_made_anew(machine: Machine) -> None:
    machine.run.prepare(machine.run.RUNTIME)
    machine.run.UNFINISHED.touch()
    machine.calls()

    machine.run.prepare(machine.run.RUNTIME)

    assert machine.calls() == [MADE, INSTALLED]
    assert not machine.run.UNFINISHED.exists()


def test_without_uv_it_takes_venv_and_pip(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.broken.touch()
    asked: list[tuple[str, ...]] = []

    def pip(*arguments: str) -> bool:
        asked.append(arguments)
        return True

    monkeypatch.setattr(machine.run, "pip", pip)

    machine.run.prepare(machine.run.RUNTIME)

    lock = str(machine.run.ROOT / "requirements" / machine.run.RUNTIME)
    python = str(machine.run.PYTHON)
    assert asked == [("--python", python, "install", "--quiet", "--require-hashes", "-r", lock)]
    assert machine.run.usable(machine.run.PYTHON)


def test_where_nothing_installs_it_says_so_and_tries_again_next_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.broken.touch()
    monkeypatch.setattr(machine.run, "pip", lambda *arguments: False)

    with pytest.raises(machine.run.Failed, match="the packages could not be installed"):
        machine.run.prepare(machine.run.RUNTIME)

    assert machine.run.UNFINISHED.exists()
    assert not machine.run.STAMP.exists()


def test_an_unknown_command_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    code = machine.run.main(["dmeo"])

    assert code == 2
    assert capsys.readouterr().err.startswith("error: no command 'dmeo'; there are demo, ")
    assert machine.calls() == []
