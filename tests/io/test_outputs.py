"""The door for writing: complete or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hectares.errors import ArtefactError, ResourceError
from hectares.io import outputs
from hectares.io.outputs import check_target, exclusive, replace_folder, restore, staged_file, staged_folder

Tree = Callable[[Path], dict[str, bytes]]


class SimulatedKillError(BaseException):
    """Stands for a kill: nothing may handle it."""


# --- Files ------------------------------------------------------------------------------------------------


def test_a_file_appears_under_its_final_name(tmp_path: Path, tree_of: Tree):
    with staged_file(tmp_path / "deep" / "a.txt", overwrite=False) as work:
        work.write_text("new")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert tree_of(tmp_path) == {"deep/a.txt": b"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SimulatedKillError])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, tree_of: Tree, error: type[BaseException]
):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error), staged_file(tmp_path / "a.txt", overwrite=True) as work:  # noqa: PT012
        work.write_text("half")
        assert (tmp_path / "a.txt").read_text() == "old"
        raise error
    assert tree_of(tmp_path) == {"a.txt": b"old"}


def test_an_existing_file_is_kept_without_overwrite(tmp_path: Path):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(ArtefactError, match=r"a\.txt: exists already; give --overwrite"),
        staged_file(tmp_path / "a.txt", overwrite=False),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "a.txt").read_text() == "old"


def test_an_existing_file_is_replaced_with_overwrite(tmp_path: Path):
    (tmp_path / "a.txt").write_text("old")
    with staged_file(tmp_path / "a.txt", overwrite=True) as work:
        work.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_file_does_not_replace_a_folder(tmp_path: Path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ArtefactError, match="is a folder"), staged_file(tmp_path / "a", overwrite=True):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("way", ["same", "dots", "hard link", "symlink"])
def test_an_input_is_never_the_target(tmp_path: Path, way: str):
    source, target = tmp_path / "scene.tif", tmp_path / "out.tif"
    source.write_text("pixels")
    if way == "same":
        target = source
    elif way == "dots":
        target = tmp_path / "." / "x" / ".." / "scene.tif"
        (tmp_path / "x").mkdir()
    elif way == "hard link":
        target.hardlink_to(source)
    else:
        target.symlink_to(source)
    with (
        pytest.raises(ArtefactError, match="is an input of this command"),
        staged_file(target, overwrite=True, inputs=[source]),
    ):
        pytest.fail("the block must not run")
    assert source.read_text() == "pixels"


def test_the_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "far" / "a.txt")
    with staged_file(tmp_path / "link.txt", overwrite=True) as work:
        assert work.parent == tmp_path / "far"
        work.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "far" / "a.txt").read_text() == "new"


def test_a_block_that_writes_nothing_is_noticed(tmp_path: Path):
    with pytest.raises(FileNotFoundError), staged_file(tmp_path / "a.txt", overwrite=False):
        pass
    assert not (tmp_path / "a.txt").exists()


# --- Folders ----------------------------------------------------------------------------------------------


def test_a_folder_appears_whole(tmp_path: Path, tree_of: Tree):
    with staged_folder(tmp_path / "run", overwrite=False) as work:
        (work / "sub").mkdir()
        (work / "sub" / "a").write_text("1")
        assert not (tmp_path / "run").exists()
    assert tree_of(tmp_path) == {"run/sub/a": b"1"}


def _old_folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").write_text("1")
    return tmp_path / "run"


def test_a_folder_is_replaced_whole(tmp_path: Path, tree_of: Tree):
    with staged_folder(_old_folder(tmp_path), overwrite=True) as work:
        (work / "new").write_text("2")
    assert tree_of(tmp_path) == {"run/new": b"2"}


def test_a_failing_block_leaves_the_old_folder(tmp_path: Path, tree_of: Tree):
    with pytest.raises(ValueError, match="stop"), staged_folder(_old_folder(tmp_path), overwrite=True) as work:  # noqa: PT012
        (work / "new").write_text("2")
        raise ValueError("stop")
    assert tree_of(tmp_path) == {"run/old": b"1"}
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_existing_folder_is_kept_without_overwrite(tmp_path: Path):
    with pytest.raises(ArtefactError, match="exists already"), staged_folder(_old_folder(tmp_path), overwrite=False):
        pytest.fail("the block must not run")


def test_an_empty_folder_made_by_hand_is_in_nobodys_way(tmp_path: Path, tree_of: Tree):
    (tmp_path / "run").mkdir()
    with staged_folder(tmp_path / "run", overwrite=False) as work:
        (work / "a").write_text("1")
    assert tree_of(tmp_path) == {"run/a": b"1"}


def test_what_an_earlier_run_left_is_not_mixed_in(tmp_path: Path, tree_of: Tree):
    leftover = outputs.work_path(tmp_path / "run")
    leftover.mkdir()
    (leftover / "stale").write_text("0")
    with staged_folder(tmp_path / "run", overwrite=False) as work:
        (work / "a").write_text("1")
    assert tree_of(tmp_path) == {"run/a": b"1"}


def test_a_folder_does_not_replace_a_file(tmp_path: Path):
    (tmp_path / "run").write_text("precious")
    with pytest.raises(ArtefactError, match="is a file"), staged_folder(tmp_path / "run", overwrite=True):
        pytest.fail("the block must not run")
    assert (tmp_path / "run").read_text() == "precious"


def test_a_folder_that_holds_an_input_is_not_replaced(tmp_path: Path):
    source = _old_folder(tmp_path) / "old"
    with (
        pytest.raises(ArtefactError, match="holds old, an input"),
        staged_folder(tmp_path / "run", overwrite=True, inputs=[source]),
    ):
        pytest.fail("the block must not run")


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path: Path):
    with (
        pytest.raises(ArtefactError, match=r"has no chips\.json"),
        staged_folder(_old_folder(tmp_path), overwrite=True, ours="chips.json"),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "run" / "old").exists()


def test_the_old_folder_comes_back_after_a_kill_between_the_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = _old_folder(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    real = Path.rename

    def rename(self: Path, to: Path) -> Path:
        if self == work:
            raise SimulatedKillError
        return real(self, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(SimulatedKillError):
            replace_folder(work, target)
    assert not target.exists()
    restore(target)
    assert (target / "old").read_text() == "1"


def test_the_old_folder_goes_after_a_kill_before_it_was_removed(tmp_path: Path, tree_of: Tree):
    target = _old_folder(tmp_path)
    aside = tmp_path / ".hectares-old-run"
    aside.mkdir()
    (aside / "older").write_text("0")
    restore(target)
    assert tree_of(tmp_path) == {"run/old": b"1"}


# --- Disks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_resource_error(tmp_path: Path, tree_of: Tree, number: int):
    with (
        pytest.raises(ResourceError, match=r"a\.txt: the disk is full .* free some space"),
        staged_file(tmp_path / "a.txt", overwrite=False),
    ):
        raise OSError(number, os.strerror(number))
    assert tree_of(tmp_path) == {}


def test_a_disk_that_is_full_only_when_flushed_leaves_the_old_file(
    tmp_path: Path, tree_of: Tree, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.txt").write_text("old")

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ResourceError), staged_file(tmp_path / "a.txt", overwrite=True) as work:
        work.write_text("new")
    assert tree_of(tmp_path) == {"a.txt": b"old"}


def test_a_full_disk_while_a_folder_is_filled(tmp_path: Path, tree_of: Tree):
    with pytest.raises(ResourceError), staged_folder(_old_folder(tmp_path), overwrite=True) as work:  # noqa: PT012
        (work / "new").write_text("2")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert tree_of(tmp_path) == {"run/old": b"1"}


def test_an_error_without_a_number_where_nothing_is_left_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outputs.shutil, "disk_usage", lambda _: outputs.shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(ResourceError), staged_file(tmp_path / "a.txt", overwrite=False):
        raise OSError("TIFFAppendToStrip:Write error at scanline 0")


def test_a_full_disk_is_one_in_the_words_of_sqlite_too(tmp_path: Path):
    with pytest.raises(ResourceError, match="the disk is full"), staged_file(tmp_path / "a.gpkg", overwrite=False):
        raise RuntimeError("sqlite3_exec() failed: database or disk is full")
    with pytest.raises(ResourceError, match="the disk is full"), staged_file(tmp_path / "a.gpkg", overwrite=False):
        raise ArtefactError("a.gpkg: cannot be written") from RuntimeError("database or disk is full")


def test_other_errors_pass_through(tmp_path: Path):
    with pytest.raises(OSError, match="odd"), staged_file(tmp_path / "a.txt", overwrite=False):
        raise OSError("odd")


def test_an_input_that_cannot_be_read_is_not_blamed_on_the_target(tmp_path: Path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "in" / "locked.tif"))
    with pytest.raises(PermissionError, match=r"locked\.tif"), staged_folder(tmp_path / "out", overwrite=False):
        raise error


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot be written"):
        check_target(tmp_path / "file" / "a.txt", overwrite=False)


@pytest.mark.skipif(os.name == "nt", reason="names are counted in characters there")
@pytest.mark.parametrize("name", ["b" * 246 + ".tif", "ü" * 123 + ".tif"])
def test_a_name_as_long_as_the_system_allows_is_written(tmp_path: Path, tree_of: Tree, name: str):
    with staged_file(tmp_path / name, overwrite=False) as work:
        assert work.suffix == ".tif"
        work.write_text("whole")
    assert tree_of(tmp_path) == {name: b"whole"}


def test_the_check_leaves_nothing_behind(tmp_path: Path, tree_of: Tree):
    check_target(tmp_path / "a.txt", overwrite=False)
    assert tree_of(tmp_path) == {}


def test_a_target_is_held_by_one_run_at_a_time(tmp_path: Path):
    from hectares.io.outputs import exclusive

    with exclusive(tmp_path / "map.tif"):
        with pytest.raises(ArtefactError, match="another run is writing it"), exclusive(tmp_path / "map.tif"):
            pass
        with exclusive(tmp_path / "other.tif"):
            pass
    with exclusive(tmp_path / "map.tif"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_its_holder_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fcntl = pytest.importorskip("fcntl")
    lock, locked = tmp_path / ".hectares-lock-map.tif", fcntl.flock
    tries = []

    def late(file: object, how: int) -> None:
        tries.append(how)
        if len(tries) == 1:
            lock.unlink()  # an earlier holder ends between our opening and our locking
        locked(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with exclusive(tmp_path / "map.tif"):
        assert len(tries) == 2
        with pytest.raises(ArtefactError, match="another run is writing it"), exclusive(tmp_path / "map.tif"):
            pass
    assert not lock.exists()
