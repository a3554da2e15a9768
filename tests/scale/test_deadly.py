"""Deaths that were watched are counted by batch; few batches may be given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from hectares.errors import ResourceError
from hectares.io.journal import Journal, given_up_in, process_name
from hectares.scale.deadly import DeathWatch, most_left_out

HOW = "were killed by signal 9"


def _die(target: Path, batch: int, owner: str, of: int = 300) -> None:
    """Begin a batch, and do no more."""
    journal = Journal(target, {"made": "so"}, overwrite=False, owner=owner)
    journal.begin(batch, {"windows": [[10 * batch, 0, 10, 7]], "of": of})


def test_a_batch_that_ends_three_watched_processes_is_given_up(tmp_path: Path):
    target = tmp_path / "m.tif"
    watch = DeathWatch([target])
    for n in range(3):
        assert given_up_in(tmp_path / ".hectares-m.tif") == {}
        _die(target, 2, f"host:{n}")
        _die(target, 3 + n, f"host:{n}")  # read ahead
        assert watch.blame(f"host:{n}".__eq__, HOW)
    found = Journal(target, {"made": "so"}, overwrite=False).given_up()
    assert list(found) == [2]
    assert found[2]["windows"] == [[20, 0, 10, 7]]
    assert found[2]["how"] == "3 processes that computed it were killed by signal 9"
    assert watch.total == 6


def test_deaths_that_nobody_watched_do_not_count(tmp_path: Path):
    target = tmp_path / "m.tif"
    for n in range(5):
        _die(target, 2, f"host:{n}")
    watch = DeathWatch([target])
    assert not watch.blame(lambda _: True, HOW)
    _die(target, 2, "another:7")
    assert not watch.blame("host:7".__eq__, HOW)
    assert watch.total == 0


def test_each_command_tries_again_what_an_earlier_one_gave_up(tmp_path: Path):
    target = tmp_path / "m.tif"
    watch = DeathWatch([target])
    for n in range(3):
        _die(target, 2, f"host:{n}")
    watch.blame(lambda _: True, HOW)
    assert list(given_up_in(tmp_path / ".hectares-m.tif")) == [2]
    DeathWatch([target])
    assert given_up_in(tmp_path / ".hectares-m.tif") == {}


@pytest.mark.parametrize(("of", "most"), [(300, 3), (24, 2), (2, 1), (1, 0)])
def test_more_than_a_few_batches_are_no_fault_of_a_place(tmp_path: Path, of: int, most: int):
    target = tmp_path / "m.tif"
    watch = DeathWatch([target])
    for batch in range(most):
        for n in range(3):
            _die(target, batch, f"host:{batch}-{n}", of)
    watch.blame(lambda _: True, HOW)
    for n in range(3):
        _die(target, most, f"host:{n}", of)
    with pytest.raises(ResourceError, match=rf"3 times at rows {10 * most} to .*\(batch {most}\).*--tile-px"):
        watch.blame(lambda _: True, HOW)
    assert given_up_in(tmp_path / ".hectares-m.tif") == {}
    assert min(most_left_out(of), of - 1) == most


def test_the_worst_place_is_named_when_all_are_gone(tmp_path: Path):
    watch = DeathWatch([tmp_path / "m.tif"])
    watch.refuse_worst(HOW)
    for n in range(2):
        _die(tmp_path / "m.tif", 4, f"tcp://{n}")
    watch.blame(lambda _: True, "were ended or lost")
    with pytest.raises(ResourceError, match=r"were ended or lost 2 times at rows 40 to 50, cols 0 to 7 .*\(batch 4\)"):
        watch.refuse_worst("were ended or lost")


def test_a_process_is_named_by_machine_and_number():
    machine, number = process_name(12).rsplit(":", 1)
    assert machine
    assert number == "12"
