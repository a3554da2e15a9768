"""Rasters written in blocks, and their overviews."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from affine import Affine

from factory import Notes
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, Interrupted, ResourceError
from hectares.io.outputs import disk_errors
from hectares.io.rasters.cog import RasterForm, block_windows, check_written, copy_to_cog, digest_file, write_plain
from hectares.io.rasters.overviews import halve
from hectares.io.rasters.score_map import is_of, save_scores

SHAPE = (700, 4500)
GRID = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), SHAPE)
CODES = np.random.default_rng(4).integers(0, 4, (1, *SHAPE), dtype=np.uint8)
CODES[:, :300, :300] = 255
FORM = RasterForm("uint8", 255, ("class",), {"A": "b"}, resampling="MODE")


def _blocks(values: np.ndarray, order: int = 1) -> list[tuple[object, np.ndarray]]:
    return [(w, values[:, *w.slices]) for w in block_windows(values.shape[1:])[::order]]


def test_windows_cover_every_pixel_once():
    seen = np.zeros((1100, 9000), int)
    for window in block_windows(seen.shape):
        seen[window.slices] += 1
        assert (window.row % 512, window.col % 4096) == (0, 0)
    assert (seen == 1).all()


def test_the_order_of_blocks_changes_no_pixel_and_no_digest(tmp_path: Path):
    digests = {write_plain(tmp_path / f"{order}.tif", _blocks(CODES, order), GRID, FORM) for order in (1, -1)}
    assert len(digests) == 1
    copy_to_cog(tmp_path / "1.tif", tmp_path / "cog.tif", GRID, FORM)
    assert digest_file(tmp_path / "cog.tif") in digests
    with rasterio.open(tmp_path / "cog.tif") as opened:
        assert np.array_equal(opened.read(), CODES)
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert opened.overviews(1) == [2, 4, 8, 16]


def test_overviews_are_those_made_block_by_block(tmp_path: Path):
    write_plain(tmp_path / "p.tif", _blocks(CODES), GRID, FORM)
    copy_to_cog(tmp_path / "p.tif", tmp_path / "cog.tif", GRID, FORM)
    expected = CODES
    for level in range(4):
        expected = halve(expected, 255, "MODE")
        with rasterio.open(tmp_path / "cog.tif", overview_level=level) as opened:
            assert np.array_equal(opened.read(), expected)


def test_a_changed_pixel_changes_the_digest(tmp_path: Path):
    other = CODES.copy()
    other[0, 699, 4499] ^= 1
    one, two = (write_plain(tmp_path / "p.tif", _blocks(v), GRID, FORM) for v in (CODES, other))
    assert one != two


@pytest.mark.parametrize(
    ("four", "mode", "mean"),
    [
        ([1, 2, 2, 3], 2, 2),
        ([3, 1, 1, 3], 3, 2),  # of equals, the first
        ([255, 255, 7, 255], 7, 7),
        ([255, 255, 255, 255], 255, 255),
        ([255, 255, 4, 6], 4, 5),
        ([9, 255, 255, 255], 9, 9),
        ([1, 2, 3, 4], 1, 3),
        ([5, 1, 2, 1], 1, 2),
    ],
)
def test_of_four_pixels_those_with_data_count(four: list[int], mode: int, mean: int):
    values = np.array(four, np.uint8).reshape(1, 2, 2)
    assert halve(values, 255, "MODE").tolist() == [[[mode]]]
    assert halve(values, 255, "AVERAGE").tolist() == [[[mean]]]


def test_odd_sides_are_rounded_up():
    values = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    values[0, 2, 4] = np.nan
    found = halve(values, np.nan, "AVERAGE")
    assert found.shape == (1, 2, 3)
    assert found[0, 0].tolist() == [3, 5, 6.5]
    assert np.isnan(found[0, 1, 2])


def test_a_wish_to_stop_is_heard_while_the_copy_is_made(tmp_path: Path):
    class Stopper(Notes):
        def raise_if_stopped(self) -> None:
            raise Interrupted("stop")

    write_plain(tmp_path / "p.tif", _blocks(CODES), GRID, FORM)
    with pytest.raises(Interrupted):
        copy_to_cog(tmp_path / "p.tif", tmp_path / "cog.tif", GRID, FORM, Stopper())


# --- Scores -----------------------------------------------------------------------------------------------

LEGEND = Legend.of({0: "a", 1: "b", 2: "c", 3: "d"})


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_scores_keep_their_values_and_say_how_they_were_made(tmp_path: Path, notes: Notes, kind: str):
    values = np.random.default_rng(5).integers(0, 251, (4, *SHAPE)).astype(kind)  # four bands: none of them is alpha
    values[:, 5:9, 7:30] = 255 if kind == "uint8" else np.nan
    target = tmp_path / "s.tif"
    save_scores(target, tmp_path, _blocks(values), GRID, LEGEND, {"version": "1", "x": 2}, dtype=kind, monitor=notes)
    with rasterio.open(target) as opened:
        assert np.array_equal(opened.read(), values, equal_nan=True)
        assert opened.descriptions == LEGEND.names
        assert rasterio.enums.ColorInterp.alpha not in opened.colorinterp
    assert is_of(target, {"version": "1", "x": 2})
    assert not is_of(target, {"version": "1", "x": 3})
    assert not is_of(tmp_path / "none.tif", {})


def test_scores_that_cannot_be_read_back_are_not_put_in_place(
    tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hectares.io.rasters.cog.digest_file", lambda _: "other")
    values = np.zeros((4, *SHAPE), np.uint8)
    with pytest.raises(ArtefactError, match="not what was written"):
        save_scores(tmp_path / "s.tif", tmp_path, _blocks(values), GRID, LEGEND, {}, dtype="uint8", monitor=notes)
    assert not (tmp_path / "s.tif").exists()


def test_what_a_killed_run_left_half_written_is_replaced(tmp_path: Path):
    for name in ("plain.tif", "plain.tif.ovr", "cog.tif"):
        (tmp_path / name).write_bytes(b"II*\0\xff\xff\xff\x7f half of a directory")
    grid = Grid("EPSG:32633", Affine(10, 0, 500000, 0, -10, 5000000), (600, 520))
    codes = np.full((1, 600, 520), 7, np.uint8)
    form = RasterForm("uint8", 255, ("class",), {}, resampling="MODE")
    blocks = [(w, codes[:, *w.slices]) for w in block_windows(grid.shape)]
    written = write_plain(tmp_path / "plain.tif", blocks, grid, form)
    copy_to_cog(tmp_path / "plain.tif", tmp_path / "cog.tif", grid, form)
    assert digest_file(tmp_path / "cog.tif") == written


def test_a_file_cut_short_by_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "cog.tif").write_bytes(b"II*\0")
    with pytest.raises(ArtefactError, match="check the disk"):
        check_written(tmp_path / "cog.tif", "abc")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(ResourceError, match="the disk is full"), disk_errors(tmp_path / "map.tif"):
        check_written(tmp_path / "cog.tif", "abc")
