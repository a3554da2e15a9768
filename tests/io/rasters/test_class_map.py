"""Class maps on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rio_cogeo
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from factory import UTM, WriteRaster
from hectares.core.grid import Grid
from hectares.core.legend import LandClass, Legend
from hectares.core.window import Window
from hectares.errors import ArtefactError, LegendError, ResourceError
from hectares.io.rasters.class_map import _regroup, open_class_map, save_class_map, write_class_map

GRID = Grid("EPSG:32633", UTM, (5, 7))
INDICES = np.array([[0, 1, 2, 2, 1, 0, 0], [255, 0, 0, 1, 1, 2, 2]] * 2 + [[1, 1, 255, 255, 0, 2, 0]], np.uint8)
PROVENANCE = {"version": "0.1.0", "scene": "north.tif", "trained_on": [[0, 0, 4, 4]]}


def _save(target: Path, legend: Legend, indices: np.ndarray = INDICES, grid: Grid = GRID, **options: object) -> Path:
    work = target.parent / ".work"
    work.mkdir(exist_ok=True)
    strips = (legend.decode(indices[r : r + 3]) for r in range(0, grid.shape[0], 3))
    save_class_map(target, work, strips, grid, legend, PROVENANCE, **({"overwrite": False} | options))
    return target


@pytest.fixture
def saved(tmp_path: Path, legend: Legend) -> Path:
    """Give the file of a small class map."""
    return _save(tmp_path / "map.tif", legend)


def test_indices_come_back_as_saved(saved: Path):
    with open_class_map(saved) as opened:
        found = opened.read(opened.grid.window)
        assert np.array_equal(found, INDICES)
        assert found.dtype == np.uint8
        assert opened.grid == GRID


def test_legend_and_provenance_come_back(saved: Path, legend: Legend):
    with open_class_map(saved) as opened:
        assert opened.legend == legend
        assert opened.provenance == PROVENANCE


def test_the_file_holds_codes_colors_nodata_and_a_description(saved: Path):
    with rasterio.open(saved) as dataset:
        codes = dataset.read(1)
        assert codes[0].tolist() == [20, 10, 35, 35, 10, 20, 20]
        assert codes[1, 0] == 255
        assert (dataset.nodata, dataset.dtypes, dataset.descriptions) == (255, ("uint8",), ("class",))
        colors = dataset.colormap(1)
        assert colors[10] == (0, 120, 10, 255)
        assert "20 water" in dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"]


def test_a_map_is_a_valid_cog_even_with_overviews(tmp_path: Path, legend: Legend):
    side = 1100
    indices = np.arange(side * side, dtype=np.uint32).reshape(side, side) // 37 % 3
    indices = np.where(np.arange(side) % 5 == 0, 255, indices).astype(np.uint8)
    path = _save(tmp_path / "map.tif", legend, indices, Grid("EPSG:32633", UTM, (side, side)))
    valid, errors, warnings = rio_cogeo.cog_validate(path)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path) as dataset:
        factors = dataset.overviews(1)
        assert factors
        for factor in factors:
            small = dataset.read(1, out_shape=(side // factor, side // factor))
            assert set(np.unique(small)) <= {20, 10, 35, 255}
    with open_class_map(path) as opened:
        assert np.array_equal(opened.read(opened.grid.window), indices)


def test_a_second_run_gives_the_same_bytes(tmp_path: Path, legend: Legend):
    one, two = (_save(tmp_path / name / "map.tif", legend) for name in map(_folder(tmp_path), "ab"))
    assert one.read_bytes() == two.read_bytes()
    assert one.with_suffix(".qml").read_bytes() == two.with_suffix(".qml").read_bytes()


def _folder(parent: Path) -> object:
    def make(name: str) -> str:
        (parent / name).mkdir()
        return name

    return make


@pytest.mark.parametrize(
    "grid",
    [
        Grid("EPSG:32633", UTM @ Affine.rotation(30), (5, 7)),
        Grid("EPSG:32633", Affine(10, 0, 500_120, 0, 20, 5_000_370), (5, 7)),
        Grid("EPSG:4326", Affine(0.001, 0, 10.03, 0, -0.001, 60.02), (5, 7)),
        Grid("EPSG:2263", UTM, (5, 7)),
        Grid(None, Affine.identity(), (5, 7)),
    ],
)
def test_every_kind_of_grid_is_kept(tmp_path: Path, legend: Legend, grid: Grid):
    with open_class_map(_save(tmp_path / "map.tif", legend, grid=grid)) as opened:
        assert opened.grid.crs == grid.crs
        assert opened.grid.transform.almost_equals(grid.transform, 1e-9)
        assert np.array_equal(opened.read(grid.window), INDICES)


def test_an_old_map_is_kept_without_overwrite(saved: Path, legend: Legend):
    before = saved.read_bytes()
    with pytest.raises(ArtefactError, match="exists already"):
        _save(saved, legend)
    assert saved.read_bytes() == before


def test_an_old_map_is_kept_when_the_strips_fail(saved: Path, legend: Legend):
    before = saved.read_bytes()

    def strips() -> object:
        yield legend.decode(INDICES[:3])
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        save_class_map(saved, saved.parent / ".work", strips(), GRID, legend, PROVENANCE, overwrite=True)
    assert saved.read_bytes() == before


def test_what_cannot_be_read_back_is_not_put_in_place(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hectares.io.rasters.cog.digest_file", lambda _: "other")
    with pytest.raises(ArtefactError, match="not what was written"):
        _save(tmp_path / "map.tif", legend)
    assert not (tmp_path / "map.tif").exists()


def test_a_full_disk_is_a_resource_error(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch):
    def copy(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rasterio.shutil, "copy", copy)
    with pytest.raises(ResourceError, match="the disk is full"):
        _save(tmp_path / "map.tif", legend)
    assert not (tmp_path / "map.tif").exists()


def test_side_files_of_the_old_map_go_away(saved: Path, legend: Legend):
    stale = saved.with_name("map.tif.aux.xml")
    stale.write_text("<PAMDataset/>")
    overviews = saved.with_name("map.tif.ovr")
    overviews.touch()
    _save(saved, legend, overwrite=True)
    assert "ClassName" in stale.read_text()
    assert not overviews.exists()


def test_the_style_names_the_classes(tmp_path: Path):
    legend = Legend((LandClass(3, "<b>&", (1, 2, 3)), LandClass(4, "Straße", (4, 5, 6))))
    path = _save(tmp_path / "map.tif", legend, np.zeros((5, 7), np.uint8))
    text = path.with_suffix(".qml").read_text(encoding="utf-8")
    assert 'value="3" label="&lt;b&gt;&amp;" color="#010203"' in text
    assert "Straße" in text


# --- Maps of others ---------------------------------------------------------------------------------------


def test_codes_of_a_foreign_map_become_classes(write_raster: WriteRaster):
    codes = np.array([[7, 0, 200], [7, 7, 0]], np.uint8)
    with open_class_map(write_raster("a.tif", codes)) as opened:
        assert opened.legend.names == ("class 0", "class 7", "class 200")
        assert opened.read(opened.grid.window).tolist() == [[1, 0, 2], [1, 1, 0]]
        assert opened.provenance == {}


def test_nodata_of_a_foreign_map_is_no_class(write_raster: WriteRaster):
    codes = np.array([[7, 0, 200], [7, -9999, 0]], np.int16)
    with open_class_map(write_raster("a.tif", codes, nodata=-9999)) as opened:
        assert opened.legend.names == ("class 0", "class 7", "class 200")
        assert opened.read(opened.grid.window).tolist() == [[1, 0, 2], [1, 255, 0]]


def test_255_without_a_tag_is_nodata(write_raster: WriteRaster):
    with open_class_map(write_raster("a.tif", np.array([[7, 255]], np.uint8))) as opened:
        assert opened.legend.names == ("class 7",)
        assert opened.read(opened.grid.window).tolist() == [[0, 255]]


def test_a_palette_does_not_hide_the_codes_of_a_foreign_map(write_raster: WriteRaster):
    path = write_raster("a.tif", np.array([[7, 1]], np.uint8), palette={1: (9, 9, 9), 7: (1, 1, 1)})
    with open_class_map(path) as opened:
        assert opened.legend.names == ("class 1", "class 7")


def test_a_given_legend_counts_more_than_the_codes(write_raster: WriteRaster, legend: Legend):
    with open_class_map(write_raster("a.tif", np.array([[10, 0]], np.uint8)), legend=legend) as opened:
        assert opened.read(opened.grid.window).tolist() == [[1, 255]]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([[300, 1]], np.uint16), r"has the codes 300;.*raster calculator"),
        (np.array([[-1, 1]], np.int16), r"has the codes -1;.*-a_nodata"),
        (np.array([[0.5, 1]], np.float32), "of float32; expected a class map"),
        (np.zeros((3, 2, 2), np.uint8), r"has 3 band\(s\)"),
    ],
)
def test_what_is_no_class_map_is_refused(write_raster: WriteRaster, codes: np.ndarray, message: str):
    with pytest.raises(LegendError, match=message):
        open_class_map(write_raster("a.tif", codes))


def test_a_map_of_nothing_is_refused(write_raster: WriteRaster):
    with pytest.raises(LegendError, match="has no class: every pixel is nodata"):
        open_class_map(write_raster("a.tif", np.zeros((3, 4), np.uint8), nodata=0))


def test_windows_cover_the_map_once_and_do_not_grow_with_it(tmp_path: Path):
    indices = np.zeros((700, 5000), np.uint8)
    path = tmp_path / "wide.tif"
    legend = Legend.of({1: "only"}).for_maps()
    write_class_map(path, indices, Grid(None, Affine.identity(), indices.shape), legend, {}, overwrite=False)
    with open_class_map(path) as opened:
        assert opened.windows() == [
            Window(0, 0, 512, 4096),
            Window(0, 4096, 512, 904),
            Window(512, 0, 188, 4096),
            Window(512, 4096, 188, 904),
        ]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 12))
def test_strips_of_any_height_are_regrouped(heights: list[int], rows: int):
    whole = np.arange(sum(heights) * 3, dtype=np.int64).reshape(-1, 3) % 251
    ends = np.cumsum(heights)
    strips = [whole[end - height : end].astype(np.uint8) for end, height in zip(ends, heights, strict=True)]
    regrouped = list(_regroup(strips, rows))
    assert np.array_equal(np.concatenate(regrouped), whole)
    assert all(len(strip) == rows for strip in regrouped[:-1])
    assert 0 < len(regrouped[-1]) <= rows
