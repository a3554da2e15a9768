"""Worker processes are watched, started again, and not left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from factory import Notes
from hectares.errors import Interrupted
from hectares.scale.workers import run_workers


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _unknown(process: int, how: str) -> bool:
    """Know nothing of what a process was at."""
    assert process > 0
    assert how == "were killed by signal 9"
    return False


def test_workers_that_end_well_are_all_waited_for(tmp_path: Path, notes: Notes):
    commands = [_python(f"open({str(tmp_path / name)!r}, 'w')") for name in "ab"]
    assert run_workers(commands, lambda: None, _unknown, notes)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_worker_that_is_killed_is_started_again(tmp_path: Path, notes: Notes):
    mark = tmp_path / "mark"
    code = f"import os, pathlib; p = pathlib.Path({str(mark)!r}); first = not p.exists(); p.touch(); "
    code += "os.kill(os.getpid(), 9) if first else None"
    assert run_workers([_python(code)], lambda: None, _unknown, notes)
    assert [(p.where, p.severity) for p in notes.problems] == [("worker 1", "note")]


def test_a_worker_that_is_killed_each_time_is_given_up(notes: Notes):
    assert not run_workers([_python("import os; os.kill(os.getpid(), 9)")], lambda: None, _unknown, notes)
    assert "by this process" in notes.problems[-1].remedy
    assert len(notes.problems) == 3


def test_a_worker_that_is_killed_at_places_that_are_known_goes_on(tmp_path: Path, notes: Notes):
    count = tmp_path / "count"
    count.write_text("0")
    code = f"import os, pathlib; p = pathlib.Path({str(count)!r}); n = int(p.read_text()); p.write_text(str(n + 1)); "
    code += "os.kill(os.getpid(), 9) if n < 5 else None"
    assert run_workers([_python(code)], lambda: None, lambda *_: True, notes)
    assert count.read_text() == "6"


def test_an_error_of_one_stops_the_others(notes: Notes):
    started = time.monotonic()
    assert not run_workers([_python("import time; time.sleep(60)"), _python("exit(4)")], lambda: None, _unknown, notes)
    assert time.monotonic() - started < 30
    assert [(p.where, p.what) for p in notes.problems] == [("worker 2", "ended with exit code 4")]


def test_no_process_is_left_when_the_user_stops(tmp_path: Path):
    class Stopper(Notes):
        def raise_if_stopped(self) -> None:
            if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
                raise Interrupted("stop")

    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(Interrupted):
        run_workers([_python(code)], lambda: None, _unknown, Stopper())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
