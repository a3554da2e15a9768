"""The DSTL layout."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.core.bands import BandPlan
from hectares.core.grid import Grid
from hectares.errors import CatalogError, ConfigError, LegendError
from hectares.formats.dstl import measure_shifts
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog, ImageFile, WktLabel, catalog_json, read_catalog
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.scenes import open_scene
from hectares.monitor import QUIET
from layouts.dstl import EXTENT, IDS, POND, ROAD, UNLABELLED, VEHICLE, default_cells, write_dstl, write_wkt

LAYOUT = find_format("dstl")
DATA = Path(__file__).parents[2] / "../shared/data/vegas-wv3/dstl_style"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_dstl(tmp_path / "dstl")


def _read(source: Path, monitor: object = QUIET, **options: object) -> Catalog:
    return LAYOUT.read(source, SourceConfig(**options), monitor)


def _indices(catalog: Catalog, scene: int = 0) -> np.ndarray:
    found = catalog.scenes[scene]
    with open_raster(found.image) as image:
        return open_label(found.label, catalog.legend, catalog.rules, image.grid).read(image.grid.window)


def _planes(catalog: Catalog) -> np.ndarray:
    scene = catalog.scenes[0]
    with open_raster(scene.image) as image:
        return open_label(scene.label, catalog.legend, catalog.rules, image.grid).read_planes(image.grid.window)


def test_only_labelled_images_are_scenes(source: Path, notes: Notes):
    catalog = _read(source, notes)
    assert [(s.id, s.group, s.split, s.gsd_m) for s in catalog.scenes] == [
        ("6010_1_2", "6010", None, 0.31),
        ("6100_2_2", "6100", None, 0.31),
    ]
    (image,) = catalog.scenes[0].images
    assert (image.path, image.bands, image.depth) == (
        source / "three_band/6010_1_2.tif",
        ("red", "green", "blue"),
        11,
    )
    assert catalog.scenes[0].label == WktLabel(source / "train_wkt_v4.csv", "6010_1_2", EXTENT)
    assert notes.problems == []


@pytest.mark.parametrize("place", ["", "below", "three_band", "sixteen_band", "train_wkt_v4.csv"])
def test_the_source_may_be_a_folder_above_or_below_or_the_table(tmp_path: Path, place: str):
    root = write_dstl(tmp_path / "down" / "data")
    catalog = _read(root.parent if place == "below" else root / place)
    assert [s.id for s in catalog.scenes] == list(IDS)


def test_folders_in_folders_of_their_own_name_are_found(source: Path):
    (source / "three_band").rename(source / "inner")
    (source / "three_band").mkdir()
    (source / "inner").rename(source / "three_band/three_band")
    shutil.move(source / "train_wkt_v4.csv", source / "wkt")
    (source / "train_wkt_v4.csv").mkdir()
    shutil.move(source / "wkt", source / "train_wkt_v4.csv/train_wkt_v4.csv")
    assert [s.image.parent.parent.name for s in _read(source).scenes] == ["three_band", "three_band"]


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"is no DSTL data; expected train_wkt_v4\.csv, grid_sizes\.csv"):
        _read(tmp_path)
    with pytest.raises(CatalogError, match="there is no such folder"):
        _read(tmp_path / "none")


# --- Images -----------------------------------------------------------------------------------------------


def test_images_of_all_kinds_make_one_scene_with_distinct_bands(source: Path):
    scene = _read(source, images="RGB+M+P+A").scenes[0]
    assert [f.path.name for f in scene.images] == ["6010_1_2.tif", "6010_1_2_M.tif", "6010_1_2_P.tif", "6010_1_2_A.tif"]
    assert scene.images[1].bands == ("coastal", "m_blue", "m_green", "yellow", "m_red", "red_edge", "nir1", "nir2")
    assert [f.depth for f in scene.images] == [11, 11, 11, 14]
    bands = [b for f in scene.images for b in f.bands]
    assert len(set(bands)) == len(bands) == 20


@pytest.mark.parametrize(("images", "gsd_m"), [("M", 1.24), ("a+m", 7.5), ("P+A", 0.31)])
def test_the_first_image_gives_the_grid(source: Path, images: str, gsd_m: float):
    scene = _read(source, images=images).scenes[0]
    assert scene.image.stem == f"6010_1_2_{images[0].upper()}"
    assert scene.gsd_m == gsd_m


def test_bands_of_the_multispectral_image_alone_have_plain_names(source: Path):
    (image,) = _read(source, images="M").scenes[0].images
    assert image.bands == ("coastal", "blue", "green", "yellow", "red", "red_edge", "nir1", "nir2")


def test_the_same_images_twice_are_refused(source: Path):
    with pytest.raises(ConfigError, match="names the same images twice"):
        _read(source, images="RGB+rgb")


def test_endings_may_be_written_in_capitals(source: Path):
    (source / "three_band/6010_1_2.tif").rename(source / "three_band/6010_1_2.TIF")
    assert _read(source).scenes[0].image.name == "6010_1_2.TIF"


def test_everything_that_labelled_images_lack_is_listed_at_once(source: Path, notes: Notes):
    write_wkt(source / "train_wkt_v4.csv", dict.fromkeys((*IDS, "6070_9_9"), default_cells()))
    (source / "sixteen_band/6010_1_2_M.tif").unlink()
    with pytest.raises(CatalogError) as error:
        _read(source, images="RGB+M")
    assert str(error.value) == (
        f"{source}: 2 of 3 images in train_wkt_v4.csv are not complete (6010_1_2: no sixteen_band/6010_1_2_M.tif; "
        "6070_9_9: no three_band/6070_9_9.tif, no sixteen_band/6070_9_9_M.tif, no row in grid_sizes.csv); "
        "add what is missing, or leave them out with --allow-unmatched"
    )
    catalog = _read(source, notes, images="RGB+M", allow_unmatched=True)
    assert [s.id for s in catalog.scenes] == ["6100_2_2"]
    assert len(notes.problems) == 1


def test_nothing_complete_is_refused(source: Path):
    shutil.rmtree(source / "three_band")
    with pytest.raises(CatalogError, match="no image is complete"):
        _read(source, allow_unmatched=True)


# --- Tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,0.009,0.007", r"row 2, column Ymin: is '0\.007'; expected degrees below 0"),
        ("a,nan,-0.007", "row 2, column Xmax: is 'nan'; expected degrees above 0"),
        ("a,,-0.007", "row 2, column Xmax: is ''"),
        ("a,0.009,-0.007\na,0.009,-0.007", "row 3: image a stands twice"),
    ],
)
def test_extents_that_cannot_be_are_named_with_row_and_column(source: Path, rows: str, message: str):
    (source / "grid_sizes.csv").write_text(",Xmax,Ymin\n" + rows)
    with pytest.raises(CatalogError, match=r"grid_sizes\.csv: " + message):
        _read(source)


def test_extents_without_their_columns_are_refused(source: Path):
    (source / "grid_sizes.csv").write_text(";Xmax;Ymin\na;0.009;-0.007\n")
    with pytest.raises(CatalogError, match=r"grid_sizes\.csv: its fields are separated by ';'"):
        _read(source)


def test_classes_without_a_row_are_noted(source: Path, notes: Notes):
    cells = default_cells()
    del cells[4], cells[9]
    write_wkt(source / "train_wkt_v4.csv", {IDS[0]: cells, IDS[1]: default_cells()})
    _read(source, notes)
    assert [p.what for p in notes.problems] == ["1 image(s) have no rows for some classes (6010_1_2: 4, 9)"]


# --- Classes ----------------------------------------------------------------------------------------------


def test_the_ten_classes_overlap_by_the_order_of_the_layout(source: Path):
    catalog = _read(source)
    assert catalog.legend.codes == tuple(range(11))
    indices = _indices(catalog)
    at = [indices[VEHICLE[0], VEHICLE[1]], indices[ROAD[0], 0], indices[POND[0], POND[1]], indices[0, 0]]
    assert [catalog.legend.names[i] for i in at] == ["small vehicle", "road", "standing water", "background"]
    assert set(catalog.rules.priority) | {"background"} == set(catalog.legend.names)


def test_another_order_can_be_asked_for(source: Path):
    catalog = _read(source, priority="small vehicle,road")
    assert catalog.legend.names[_indices(catalog)[VEHICLE[0], VEHICLE[1]]] == "road"


def test_planes_keep_what_overlaps_and_have_no_background(source: Path):
    catalog = _read(source, multilabel=True)
    assert catalog.legend.codes == tuple(range(1, 11))
    assert catalog.rules.background is None
    planes = _planes(catalog)
    assert planes[:, VEHICLE[0], VEHICLE[1]].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert not planes[:, 0, 0].any()


def test_planes_with_a_background_can_be_asked_for(source: Path):
    planes = _planes(_read(source, multilabel=True, background="background"))
    assert planes[:, 0, 0].tolist() == [1, *[0] * 10]


def test_a_legend_of_the_user_finds_its_classes_by_name(source: Path, tmp_path: Path):
    legend = tmp_path / "mine.json"
    entries = [{"code": 0, "name": "Buildings"}, {"code": 1, "name": "road"}, {"code": 9, "name": "background"}]
    legend.write_text(json.dumps({"nodata": 255, "classes": entries}))
    catalog = _read(source, legend=legend)
    assert catalog.legend.codes == (0, 1, 9)
    assert catalog.legend.source_codes == (1, 3, 0)
    indices = _indices(catalog)
    assert [indices[20, 30], indices[ROAD[0], 5], indices[VEHICLE[0], VEHICLE[1]], indices[0, 0]] == [0, 1, 1, 2]


def test_a_legend_without_background_leaves_the_rest_unlabelled(source: Path, tmp_path: Path):
    legend = tmp_path / "mine.json"
    legend.write_text(json.dumps({"classes": [{"code": 1, "name": "road"}]}))
    indices = _indices(_read(source, legend=legend))
    assert [indices[ROAD[0], 5], indices[0, 0]] == [0, 255]


def test_a_class_that_the_data_lacks_is_refused(source: Path, tmp_path: Path):
    legend = tmp_path / "mine.json"
    legend.write_text(json.dumps({"classes": [{"code": 1, "name": "glacier"}]}))
    with pytest.raises(LegendError, match="class 'glacier' is not in the data; it has background, buildings"):
        _read(source, legend=legend)


def test_the_catalog_survives_its_file(source: Path, tmp_path: Path):
    catalog = _read(source, images="RGB+M")
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_json(catalog, tmp_path), default=list))
    again = read_catalog(tmp_path / "catalog.json", legend=catalog.legend)
    assert np.array_equal(_indices(again), _indices(catalog))


def test_labels_fit_the_grid_of_any_image(source: Path):
    catalog = _read(source, images="M")
    scene = catalog.scenes[0]
    label = open_label(scene.label, catalog.legend, catalog.rules, Grid(None, _grid(scene.image).transform, (50, 65)))
    assert catalog.legend.names[label.read(_grid(scene.image).window)[26, 10]] == "road"


def _grid(path: Path) -> Grid:
    with open_raster(path) as raster:
        return raster.grid


@pytest.mark.parametrize("planar", ["separate", None])
def test_a_file_written_channel_first_is_read(source: Path, planar: str | None):
    tifffile = pytest.importorskip("tifffile")
    path = source / "three_band/6010_1_2.tif"
    with open_raster(path) as raster:
        before = raster.read(raster.grid.window).image
    tifffile.imwrite(path, before, photometric="minisblack", planarconfig=planar)
    with open_raster(path) as raster:
        assert np.array_equal(raster.read(raster.grid.window).image, before)


# --- Shifts -----------------------------------------------------------------------------------------------


def test_shifts_are_measured_stored_and_filled_in(tmp_path: Path, notes: Notes):
    source = write_dstl(tmp_path / "dstl", m_shift=(1.5, -2.25))
    config = SourceConfig(images="RGB+M+P")
    assert _read(source, images="RGB+M").scenes[0].images[1].shift_px == (0, 0)
    path = measure_shifts(source, LAYOUT, config, notes)
    assert path == source / "shifts.json"
    assert notes.problems == []
    for scene in _read(source, images="RGB+M+P").scenes:
        assert scene.images[0].shift_px == (0, 0)
        assert scene.images[1].shift_px == pytest.approx((1.5, -2.25), abs=0.25)
        assert scene.images[2].shift_px == pytest.approx((0, 0), abs=0.25)
    assert UNLABELLED not in json.loads(path.read_text())


def test_measured_shifts_bring_the_images_of_a_scene_together(tmp_path: Path):
    source = write_dstl(tmp_path / "dstl", m_shift=(1.5, -2.25))
    measure_shifts(source, LAYOUT, SourceConfig(images="RGB+M"), QUIET)
    images = _read(source, images="RGB+M").scenes[0].images
    as_they_are = (images[0], replace(images[1], shift_px=(0.0, 0.0)))
    assert _likeness(as_they_are) < 0.7
    assert _likeness(images) > 0.95


def _likeness(images: Sequence[ImageFile]) -> float:
    scene = open_scene(images, BandPlan("green,m_green"))
    inner = scene.read(scene.grid.window).image[:, 20:-20, 20:-20].astype(np.float64)
    scene.close()
    return abs(np.corrcoef(inner[0].ravel(), inner[1].ravel())[0, 1])


def test_stored_shifts_are_kept(tmp_path: Path):
    source = write_dstl(tmp_path / "dstl", m_shift=(1.5, -2.25))
    given = {"6010_1_2": {"M": {"rows": 9, "cols": 8}}, "6999_0_0": {"A": {"rows": 1, "cols": 1}}}
    (source / "shifts.json").write_text(json.dumps(given))
    measure_shifts(source, LAYOUT, SourceConfig(images="RGB+M"), QUIET)
    first, second = (s.images[1].shift_px for s in _read(source, images="RGB+M").scenes)
    assert first == (9, 8)
    assert second == pytest.approx((1.5, -2.25), abs=0.25)
    assert "6999_0_0" in json.loads((source / "shifts.json").read_text())
    before = (source / "shifts.json").stat().st_mtime_ns
    measure_shifts(source, LAYOUT, SourceConfig(images="RGB+M"), QUIET)
    assert (source / "shifts.json").stat().st_mtime_ns == before


def test_images_without_texture_get_no_shift_and_a_note(tmp_path: Path, notes: Notes):
    source = write_dstl(tmp_path / "dstl", flat=True)
    measure_shifts(source, LAYOUT, SourceConfig(images="RGB+M", limit=1), notes)
    assert _read(source, images="RGB+M").scenes[0].images[1].shift_px == (0, 0)
    (note,) = notes.problems
    assert note.what == "M shows too little that RGB shows as well (confidence 0.0) to find its shift"


def test_there_is_nothing_to_align_with_one_kind_of_image(source: Path):
    with pytest.raises(ConfigError, match="there is nothing to align with RGB alone"):
        measure_shifts(source, LAYOUT, SourceConfig(), QUIET)


# --- Real images ------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside the checkout")
def test_real_images_have_the_classes_of_their_readme(notes: Notes):
    catalog = _read(DATA, notes, priority="road,buildings,trees")
    assert [(s.id, s.group) for s in catalog.scenes] == [
        (f"9001_{row}_{col}", "9001") for row in range(2) for col in range(2)
    ]
    counts: Counter[str] = Counter()
    for n in range(4):
        found, sizes = np.unique(_indices(catalog, n), return_counts=True)
        counts.update({catalog.legend.names[k]: int(size) for k, size in zip(found, sizes, strict=True)})
    assert set(counts) == {"background", "buildings", "road", "trees"}
    with open_raster(DATA / "../spacenet_style/labels.tif", use_nodata=False) as raster:
        codes = np.bincount(raster.read(raster.grid.window).image.ravel(), minlength=4)
    for name, code in {"buildings": 1, "road": 2, "trees": 3}.items():
        assert counts[name] == codes[code], name
    assert notes.problems == []
