"""Labels of a data set to rasters of codes: without loss, complete or not at all, and resumable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from factory import UTM, Notes, WriteRaster
from hectares.cli.main import run
from hectares.config.labels import LabelsConfig
from hectares.config.prepare import PrepareConfig
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import ArtefactError, CatalogError, GridError, Interrupted, LegendError
from hectares.io.catalog import Catalog, LabelRules, read_catalog
from hectares.io.label_index import INDEX, JOURNAL
from hectares.io.labels import open_label
from hectares.io.rasters.class_map import open_class_map
from hectares.io.rasters.palette_png import PalettePng
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.style import shown_classes
from hectares.labels import LabelFolder, write_labels
from hectares.monitor import QUIET, Monitor, QuietMonitor
from hectares.prepare import prepare_source
from layouts.dstl import default_cells, write_dstl
from layouts.vectors import SHAPE, box, write_geojson

CODES = np.array([[20, 10, 35, 0], [10, 10, 99, 20], [35, 20, 20, 10]], np.uint8)
WRITTEN = np.array([[20, 10, 35, 255], [10, 10, 255, 20], [35, 20, 20, 10]], np.uint8)
"""What the legend makes of them: 0 is nodata, 99 is ignored."""
CONFIG = LabelsConfig()
Tree = Callable[[Path], dict[str, bytes]]


class StopAfter(QuietMonitor):
    """Asks to stop after a number of labels."""

    def __init__(self, labels: int) -> None:
        self.left = labels

    def raise_if_stopped(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Interrupted("stopped")


@pytest.fixture
def source(tmp_path: Path, write_raster: WriteRaster, legend: Legend) -> Path:
    """Give a folder of five images with labels, three of train and two of val."""
    for n, name in enumerate(("train/a", "train/b", "train/c", "val/a", "val/d")):
        write_raster(f"data/images/{name}.tif", np.full((3, 3, 4), n + 1, np.uint8))
        write_raster(f"data/labels/{name}.tif", np.roll(CODES, n, axis=1))
    (tmp_path / "data" / "legend.json").write_text(json.dumps(legend.to_json()))
    return tmp_path / "data"


def write(
    source: Path, out: Path, config: LabelsConfig = CONFIG, *, overwrite: bool = False, monitor: Monitor = QUIET
) -> LabelFolder:
    return write_labels("folders", source, out, config, overwrite=overwrite, monitor=monitor)


def one(write_raster: WriteRaster, legend: Legend, label: np.ndarray, **image: object) -> Path:
    """Write one image with its label; gives their folder."""
    path = write_raster("one/images/x.tif", np.ones((3, *label.shape[-2:]), np.uint8), **image)
    write_raster("one/labels/x.tif", label, crs=None, transform=None)
    (path.parents[1] / "legend.json").write_text(json.dumps(legend.to_json()))
    return path.parents[1]


def read_back(catalog: Path) -> dict[str, np.ndarray]:
    found = read_catalog(catalog)
    labels = {}
    for scene in found.scenes:
        with open_raster(scene.image) as image:
            label = open_label(scene.label, found.legend, found.rules, image.grid)
        window = image.grid.window
        labels[scene.id] = label.read_planes(window) if found.rules.multilabel else label.read(window)
        label.close()
    return labels


# --- Rasters ----------------------------------------------------------------------------------------------


def test_a_label_is_written_without_loss_in_declared_codes_only(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    with rasterio.open(tmp_path / "out/train/b.tif") as label:
        np.testing.assert_array_equal(label.read(1), np.roll(WRITTEN, 1, axis=1))
        assert (label.count, label.dtypes, label.nodata) == (1, ("uint8",), 255)
        assert (label.crs, label.transform) == ("EPSG:32633", UTM)
        assert label.compression.name == "deflate"
        assert label.colormap(1)[35][:3] == (200, 30, 20)


def test_a_label_is_a_class_map_with_names_and_colors(tmp_path: Path, source: Path, legend: Legend):
    folder = write_labels("folders", source, tmp_path / "labels", CONFIG).folder
    with open_class_map(folder / "train" / "a.tif") as opened:
        assert opened.legend.names == legend.names
        assert [c.color for c in opened.legend.classes] == [c.color for c in legend.classes]
        assert opened.provenance["hectares"] == "reference"
        assert (opened.legend.decode(opened.read(Window(0, 0, 3, 4))) == WRITTEN).all()


def test_the_picture_holds_the_same_codes_and_its_palette_the_class_colors(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    picture = Image.open(tmp_path / "out/train/a.png")
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), WRITTEN)
    colors = np.asarray(picture.convert("RGBA"))
    assert colors[0].tolist() == [[10, 20, 200, 255], [0, 120, 10, 255], [200, 30, 20, 255], [235, 235, 235, 0]]


def test_the_world_file_places_the_centers_of_pixels(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    a, d, b, e, x, y = map(float, (tmp_path / "out/val/d.pgw").read_text().split())
    assert (x, y) == (500_125, 5_000_365)
    assert Affine(a, b, x, d, e, y) @ (2, 1) == UTM @ (2.5, 1.5)


def test_a_turned_grid_is_placed_by_both(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    write(one(write_raster, legend, CODES, rotation_deg=30), tmp_path / "out")
    with rasterio.open(tmp_path / "out/x.tif") as label:
        a, d, b, e, x, y = map(float, (tmp_path / "out/x.pgw").read_text().split())
        assert Affine(a, b, x, d, e, y) @ (3, 2) == pytest.approx(label.transform @ (3.5, 2.5), abs=1e-6)


def test_an_image_without_a_place_has_no_world_file(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    write(one(write_raster, legend, CODES, crs=None, transform=None), tmp_path / "out")
    beside = {"x.qml", "x.tif.aux.xml", INDEX, "legend.json", "catalog.json"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"x.tif", "x.png"} | beside


def test_a_style_and_an_attribute_table_with_counts_stand_beside_a_label(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend
):
    write(one(write_raster, legend, CODES), tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "x.tif") as dataset:
        codes = dataset.read(1)
    rows = [[c.text for c in r.iter("F")] for r in ET.parse(tmp_path / "out" / "x.tif.aux.xml").iter("Row")]
    assert [row[:3] for row in rows] == [
        [str(c.code), str((codes == c.code).sum()), c.name] for c in sorted(legend.classes, key=lambda c: c.code)
    ]
    assert shown_classes(tmp_path / "out" / "x.qml") == shown_classes(tmp_path / "out" / "x.tif.aux.xml")


def test_pictures_can_be_left_out(tmp_path: Path, source: Path):
    write(source, tmp_path / "out", LabelsConfig(pictures=False))
    assert {p.suffix for p in (tmp_path / "out").rglob("*") if p.is_file()} == {".tif", ".json"}


def test_colors_become_the_codes_of_the_legend(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    colors = np.array([[[10, 20, 200], [0, 0, 0]], [[200, 30, 20], [0, 120, 10]]], np.uint8).transpose(2, 0, 1)
    write(one(write_raster, legend, colors), tmp_path / "out")
    assert np.asarray(Image.open(tmp_path / "out/x.png")).tolist() == [[20, 255], [35, 10]]


@pytest.mark.parametrize("shape", [(1100, 1000), (700, 530)])
def test_a_label_of_several_strips_is_whole(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend, shape: tuple[int, int]
):
    codes = np.random.default_rng(4).choice(np.array([10, 20, 35], np.uint8), shape)
    written = write(one(write_raster, legend, codes), tmp_path / "out")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/x.png")), codes)
    with rasterio.open(tmp_path / "out/x.tif") as label:
        np.testing.assert_array_equal(label.read(1), codes)
    assert written.pixels.tolist() == [(codes == c).sum() for c in (20, 10, 35)] + [0]


def test_a_label_that_is_wider_than_a_window_is_whole(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    codes = np.random.default_rng(4).choice(np.array([10, 20, 35], np.uint8), (3, 9001))
    write(one(write_raster, legend, codes), tmp_path / "out")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/x.png")), codes)


def test_a_picture_with_class_code_0_keeps_it_apart_from_nodata(tmp_path: Path):
    legend = Legend.of({0: "other", 254: "water"}).for_maps()
    with (tmp_path / "p.png").open("wb") as file:
        png = PalettePng(file, (2, 2), legend)
        png.write(np.array([[0, 254]], np.uint8))
        png.write(np.array([[255, 0]], np.uint8))
        png.finish()
    picture = Image.open(tmp_path / "p.png")
    assert np.asarray(picture).tolist() == [[0, 254], [255, 0]]
    assert np.asarray(picture.convert("RGBA"))[..., 3].tolist() == [[255, 255], [0, 255]]


# --- Classes apart ----------------------------------------------------------------------------------------


def test_split_classes_gives_one_binary_raster_a_class(tmp_path: Path, source: Path):
    written = write(source, tmp_path / "out", LabelsConfig(split_classes=True))
    for name, code in (("water", 20), ("forest", 10), ("built-up", 35)):
        expected = np.where(WRITTEN == 255, 255, code == WRITTEN)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"out/{name}/train/a.png")), expected)
        labels = read_back(tmp_path / "out" / name / "catalog.json")
        np.testing.assert_array_equal(labels["train/a"], expected)
    assert [c.parent.name for c in written.catalogs] == ["water", "forest", "built-up"]
    assert Legend.from_json(json.loads((tmp_path / "out/forest/legend.json").read_text())).names == (
        "not forest",
        "forest",
    )


def planes_catalog(write_raster: WriteRaster, planes: np.ndarray, legend: Legend) -> Path:
    """Write a catalog of one scene whose label is a raster of planes."""
    write_raster("planes/image.tif", np.ones((1, *planes.shape[1:]), np.uint8))
    path = write_raster("planes/label.tif", planes)
    scene = {"id": "s", "image": "image.tif", "label": {"kind": "raster", "path": "label.tif"}}
    (path.parent / "legend.json").write_text(json.dumps(legend.to_json()))
    (path.parent / "catalog.json").write_text(json.dumps({"rules": {"multilabel": True}, "scenes": [scene]}))
    return path.parent / "catalog.json"


PLANES = np.array([[[1, 0, 1, 255]], [[1, 1, 0, 0]], [[0, 255, 0, 1]]], np.uint8)


def test_overlapping_classes_are_kept_as_planes(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    catalog = planes_catalog(write_raster, PLANES, legend)
    write_labels("catalog", catalog, tmp_path / "out", LabelsConfig(multilabel=True))
    with rasterio.open(tmp_path / "out/s.tif") as label:
        np.testing.assert_array_equal(label.read(), PLANES)
        assert label.descriptions == ("water", "forest", "built-up")
    np.testing.assert_array_equal(read_back(tmp_path / "out/catalog.json")["s"], PLANES)
    assert not (tmp_path / "out/s.png").exists()


def test_overlapping_classes_are_kept_when_split(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    catalog = planes_catalog(write_raster, PLANES, legend)
    write_labels("catalog", catalog, tmp_path / "out", LabelsConfig(multilabel=True, split_classes=True))
    for name, plane in zip(("water", "forest", "built-up"), PLANES, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"out/{name}/s.png")), plane)


def test_one_class_as_a_plane_is_read_back(tmp_path: Path, write_raster: WriteRaster):
    codes = np.array([[7, 0, 7]], np.uint8)
    write_raster("planes/image.tif", np.ones((1, 1, 3), np.uint8))
    path = write_raster("planes/label.tif", codes).parent
    legend = {"nodata": 0, "classes": [{"code": 7, "name": "roof"}]}
    (path / "legend.json").write_text(json.dumps(legend))
    (path / "catalog.json").write_text(
        json.dumps({"scenes": [{"id": "s", "image": "image.tif", "label": "label.tif"}]})
    )
    write_labels("catalog", path, tmp_path / "out", LabelsConfig(multilabel=True))
    assert read_back(tmp_path / "out/catalog.json")["s"].tolist() == [[[1, 255, 1]]]


# --- What is counted --------------------------------------------------------------------------------------


def test_pixels_are_counted_and_areas_measured(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    written = write(one(write_raster, legend, CODES), tmp_path / "out")
    assert written.pixels.tolist() == [4, 4, 2, 2]
    assert written.area_ha is not None
    np.testing.assert_allclose(written.area_ha, [0.04, 0.04, 0.02, 0.02], rtol=1e-3)  # 100 m2 a pixel
    assert dict(written.counts) == {"": 1}


def test_without_the_size_of_a_pixel_there_is_no_area(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    source = one(write_raster, legend, CODES, crs=None, transform=None)
    assert write(source, tmp_path / "out").area_ha is None


def test_the_size_of_a_pixel_may_come_from_the_catalog(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    source = one(write_raster, legend, CODES, crs=None, transform=None)
    scene = {"id": "s", "image": "images/x.tif", "label": "labels/x.tif", "gsd_m": 50}
    (source / "catalog.json").write_text(json.dumps({"scenes": [scene]}))
    written = write_labels("catalog", source, tmp_path / "out", CONFIG)
    assert written.area_ha is not None
    assert written.area_ha.tolist() == [1.0, 1.0, 0.5, 0.5]


# --- Going on ---------------------------------------------------------------------------------------------


def test_a_larger_limit_writes_only_what_is_new(tmp_path: Path, source: Path, tree_of: Tree):
    first = write(source, tmp_path / "out", LabelsConfig(limit=1))
    assert (dict(first.counts), first.kept) == ({"train": 1, "val": 1}, 0)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.tif")}
    second = write(source, tmp_path / "out", LabelsConfig(limit=2))
    assert (dict(second.counts), second.kept) == ({"train": 2, "val": 2}, 2)
    assert {p: p.stat().st_mtime_ns for p in times} == times
    write(source, tmp_path / "whole", LabelsConfig(limit=2))
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "whole")


def test_a_smaller_limit_keeps_what_is_there_and_lists_less(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    written = write(source, tmp_path / "out", LabelsConfig(limit=1))
    assert written.kept == 2
    assert [s.id for s in read_catalog(tmp_path / "out/catalog.json").scenes] == ["train/a", "val/a"]
    assert write(source, tmp_path / "out").kept == 5


@pytest.mark.parametrize("labels", [1, 2, 4])
@pytest.mark.parametrize("config", [CONFIG, LabelsConfig(split_classes=True), LabelsConfig(multilabel=True)])
def test_a_stopped_run_goes_on_and_ends_as_an_undisturbed_one(
    tmp_path: Path, source: Path, tree_of: Tree, labels: int, config: LabelsConfig
):
    with pytest.raises(Interrupted):
        write(source, tmp_path / "out", config, monitor=StopAfter(labels))
    assert not (tmp_path / "out" / INDEX).exists()
    again = write(source, tmp_path / "out", config)
    assert again.kept == labels
    undisturbed = write(source, tmp_path / "whole", config)
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "whole")
    assert again.pixels.tolist() == undisturbed.pixels.tolist()


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path, source: Path, tree_of: Tree):
    with pytest.raises(Interrupted):
        write(source, tmp_path / "out", monitor=StopAfter(2))
    (tmp_path / "out/train/.hectares-4711-c.tif").write_bytes(b"II*")
    (tmp_path / "out/train/c.tif").write_bytes(b"not noted in the journal")
    journal = tmp_path / "out" / JOURNAL
    journal.write_text(journal.read_text() + '{"id": "train/c", "inp')
    write(source, tmp_path / "out")
    write(source, tmp_path / "whole")
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "whole")


def test_only_labels_whose_source_changed_are_written_again(tmp_path: Path, source: Path, write_raster: WriteRaster):
    write(source, tmp_path / "out")
    write_raster("data/labels/train/b.tif", np.full((3, 4), 35, np.uint8))
    (tmp_path / "out/val/a.png").unlink()
    assert write(source, tmp_path / "out").kept == 3
    assert np.asarray(Image.open(tmp_path / "out/train/b.png")).tolist() == [[35] * 4] * 3
    assert (tmp_path / "out/val/a.png").exists()


def test_other_options_are_refused_with_the_difference(tmp_path: Path, source: Path, tree_of: Tree):
    write(source, tmp_path / "out")
    before = tree_of(tmp_path / "out")
    with pytest.raises(ArtefactError, match=r"config\.erode_px was 0, is 1.*--overwrite"):
        write(source, tmp_path / "out", LabelsConfig(erode_px=1))
    assert tree_of(tmp_path / "out") == before
    write(source, tmp_path / "out", LabelsConfig(erode_px=1), overwrite=True)
    write(source, tmp_path / "whole", LabelsConfig(erode_px=1))
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "whole")


def test_the_old_labels_stay_until_new_ones_are_complete(tmp_path: Path, source: Path, tree_of: Tree):
    write(source, tmp_path / "out")
    before = tree_of(tmp_path / "out")
    other = LabelsConfig(split_classes=True)
    with pytest.raises(Interrupted):
        write(source, tmp_path / "out", other, overwrite=True, monitor=StopAfter(3))
    assert tree_of(tmp_path / "out") == before
    assert write(source, tmp_path / "out", other, overwrite=True).kept == 3
    write(source, tmp_path / "whole", other)
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "whole")


def test_another_legend_is_refused(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    text = (source / "legend.json").read_text()
    (source / "legend.json").write_text(text.replace('"forest"', '"wood"'))
    with pytest.raises(ArtefactError, match=r"legend\.classes was .*'forest'"):
        write(source, tmp_path / "out")


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path: Path, source: Path, tree_of: Tree):
    before = tree_of(source)
    for overwrite in (False, True):
        with pytest.raises(ArtefactError, match="no labels of ours"):
            write(source, source, overwrite=overwrite)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtefactError, match="is a file"):
        write(source, tmp_path / "file")
    for overwrite in (False, True):
        with pytest.raises(ArtefactError, match="cannot be written"):
            write(source, tmp_path / "file" / "out", overwrite=overwrite)
    assert tree_of(source) == before


def test_labels_are_never_written_over_themselves(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    for overwrite in (False, True):
        with pytest.raises(ArtefactError):
            write_labels("catalog", tmp_path / "out", tmp_path / "out", CONFIG, overwrite=overwrite)
    assert write(source, tmp_path / "out").kept == 5


# --- What does not fit ------------------------------------------------------------------------------------


def test_all_labels_that_cannot_be_read_are_named_and_the_others_kept(
    tmp_path: Path, source: Path, write_raster: WriteRaster
):
    write_raster("data/labels/train/b.tif", np.full((3, 4), 77, np.uint8))
    write_raster("data/labels/val/d.tif", np.full((3, 5), 10, np.uint8))
    with pytest.raises(CatalogError, match=r"(?s)2 labels cannot be read.*code 77.*val/d\.tif: is 3 x 5 px"):
        write(source, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*b.*"))
    write_raster("data/labels/train/b.tif", CODES)
    write_raster("data/labels/val/d.tif", CODES)
    assert write(source, tmp_path / "out").kept == 3


def test_a_single_label_of_another_size_or_code_is_named(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    source = one(write_raster, legend, np.full((2, 2), 77, np.uint8))
    with pytest.raises(LegendError, match=r"x\.tif.*code 77"):
        write(source, tmp_path / "out")
    write_raster("one/labels/x.tif", np.full((4, 2), 10, np.uint8))
    with pytest.raises(GridError, match=r"4 x 2 px, its image x\.tif is 2 x 2"):
        write(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("ids", "files"),
    [
        (["../../x"], ["_/_/x.tif"]),
        (["/etc/x"], ["etc/x.tif"]),
        (["a:b\\c", "d. "], ["a_b_c.tif", "d_.tif"]),
        (["v1.0", "v1.1"], ["v1.0.tif", "v1.1.tif"]),
    ],
)
def test_ids_cannot_lead_out_of_the_folder(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend, ids: Sequence[str], files: Sequence[str]
):
    source = one(write_raster, legend, CODES)
    scenes = [{"id": i, "image": "images/x.tif", "label": "labels/x.tif"} for i in ids]
    (source / "catalog.json").write_text(json.dumps({"scenes": scenes}))
    write_labels("catalog", source, tmp_path / "out", CONFIG)
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.tif")) == files


def test_ids_that_give_one_file_are_refused(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    source = one(write_raster, legend, CODES)
    scenes = [{"id": i, "image": "images/x.tif", "label": "labels/x.tif"} for i in ("A", "a")]
    (source / "catalog.json").write_text(json.dumps({"scenes": scenes}))
    with pytest.raises(CatalogError, match="'A' and 'a' would have one file"):
        write_labels("catalog", source, tmp_path / "out", CONFIG)


# --- What follows -----------------------------------------------------------------------------------------


def test_the_catalog_that_is_written_gives_the_same_labels(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    found = read_catalog(tmp_path / "out/catalog.json")
    assert found.rules == LabelRules()
    assert found.legend.nodata == 255
    assert {s.split for s in found.scenes} == {"train", "val"}
    original = Catalog(found.scenes, found.legend)
    for scene in original.scenes:
        assert scene.image.resolve().is_relative_to(source)
    expected = {20: 0, 10: 1, 35: 2, 255: 255}
    labels = read_back(tmp_path / "out/catalog.json")
    np.testing.assert_array_equal(labels["train/a"], np.vectorize(expected.get)(WRITTEN))


def test_chips_of_the_rasters_are_those_of_the_source(tmp_path: Path, source: Path, legend: Legend):
    config = PrepareConfig(chip_px=2, split="official")
    write(source, tmp_path / "out")
    stores = [
        prepare_source(layout, place, tmp_path / f"chips-{layout}", config)
        for layout, place in (("folders", source), ("catalog", tmp_path / "out"))
    ]
    first, second = (s.content["class_pixels"] for s in stores)
    assert first == second


def test_resampled_chips_hold_declared_classes_only(tmp_path: Path, source: Path):
    write(source, tmp_path / "out")
    config = PrepareConfig(chip_px=3, resize_px=7, split="official")
    store = prepare_source("catalog", tmp_path / "out", tmp_path / "chips", config)
    reader = store.chips("train")
    found = np.unique(np.concatenate([reader.read(n).label.ravel() for n in range(len(reader))]))
    assert set(found.tolist()) <= {0, 1, 2, 255}


def test_the_command_tells_counts_classes_and_what_next(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture):
    assert run(["labels", "folders", str(source), str(tmp_path / "out"), "--limit", "1"]) == 0
    text = capsys.readouterr().out
    for said in ("2 label(s) (1 train, 1 val), 2 of them written now", "built-up", "unlabelled", "ha"):
        assert said in text
    assert f"hectares prepare catalog {tmp_path / 'out'} chips" in text
    assert run(["labels", "folders", str(source), str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["counts"], result["kept"], result["written"]) == ({"train": 3, "val": 2}, 2, 3)


def test_problems_are_told_again_when_labels_are_kept(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    colors = np.zeros((3, 2, 3), np.uint8)
    colors[2] = 199  # near the blue of water
    colors[:2] = [[[11]], [[21]]]
    source = one(write_raster, legend, colors)
    config = replace(CONFIG, nearest=2)
    for _ in range(2):
        notes = Notes()
        write(source, tmp_path / "out", config, monitor=notes)
        assert [p.what for p in notes.problems] == ["6 px have a color that is not in the legend"]


def test_broken_shapes_that_are_skipped_are_listed_and_give_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = write_dstl(tmp_path / "dstl", cells=default_cells() | {5: "MULTIPOLYGON (((0 0, 1 0"})
    line = ["labels", "dstl", str(folder), str(tmp_path / "out"), "-q"]
    assert run(line) == 4
    assert "column MultipolygonWKT" in capsys.readouterr().err
    for _ in range(2):
        assert run([*line, "--skip-bad"]) == 3
        told = capsys.readouterr().err
        assert told.count("class 5") == 2
    assert run(line) == 4  # what lacks shapes is not kept where nothing may be skipped
    shutil.rmtree(tmp_path / "out")
    assert run([*line, "--skip-bad", "--json"]) == 3
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [p["severity"] for p in problems if "class 5" in p["where"]] == ["incomplete"] * 2


def test_shapes_become_rasters_by_priority_and_planes_keep_what_overlaps(tmp_path: Path):
    folder = write_dstl(tmp_path / "dstl")
    written = write_labels("dstl", folder, tmp_path / "flat", CONFIG)
    codes = np.asarray(Image.open(tmp_path / "flat/6010_1_2.png"))
    assert codes.shape == (200, 260)
    assert np.unique(codes).tolist() == [0, 1, 3, 8, 10]
    assert (codes[106, 205], codes[106, 100], codes[37, 60], codes[25, 60], codes[0, 0]) == (10, 3, 0, 1, 0)
    assert written.area_ha is not None
    assert written.area_ha[written.legend.index("small vehicle")] == pytest.approx(2 * 40 * 0.31**2 / 1e4)
    write_labels("dstl", folder, tmp_path / "planes", LabelsConfig(multilabel=True))
    with open_raster(tmp_path / "planes/6010_1_2.tif", use_nodata=False) as label:
        planes = dict(zip(label.bands, label.read(label.grid.window).image, strict=True))
    assert (planes["road"][106, 205], planes["small vehicle"][106, 205]) == (1, 1)
    assert planes["road"].sum() == 12 * 260


@pytest.mark.parametrize(("shift_m", "background"), [(1e6, None), (1e6, "nothing"), (0, None)])
def test_shapes_that_burn_no_pixel_of_any_scene_are_noticed(
    tmp_path: Path, write_raster: WriteRaster, notes: Notes, shift_m: float, background: str | None
):
    write_raster("in/a.tif", np.full((1, *SHAPE), 7, np.uint8))
    far = shapely.affinity.translate(box(2, 3, 9, 12), xoff=shift_m)
    write_geojson(tmp_path / "in/f.geojson", [(far, {"crop": "rye"})], crs="EPSG:32633")
    config = LabelsConfig(class_field="crop", background=background)
    write_labels("vectors", tmp_path / "in", tmp_path / "out", config, monitor=notes)
    bare = [p for p in notes.problems if "no pixel of any label has a class" in p.what]
    assert [p.where for p in bare] == ([str(tmp_path / "in")] if shift_m else [])


def test_a_source_moved_with_its_labels_goes_on(tmp_path: Path, source: Path):
    write(source, tmp_path / "out", LabelsConfig(limit=1))
    (tmp_path / "new").mkdir()
    for name in ("data", "out"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    assert write(tmp_path / "new/data", tmp_path / "new/out").kept == 2


def test_the_record_names_files_without_the_folders_of_this_machine(tmp_path: Path, write_raster: WriteRaster):
    write_raster("in/a.tif", np.full((1, *SHAPE), 7, np.uint8))
    write_geojson(tmp_path / "fields.geojson", [(box(2, 3, 9, 12), {"crop": "rye"})], crs="EPSG:32633")
    config = LabelsConfig(class_field="crop", background="nothing", labels=str(tmp_path / "fields.geojson"))
    folder = write_labels("vectors", tmp_path / "in", tmp_path / "out", config).folder
    text = (folder / INDEX).read_text()
    assert json.loads(text)["config"]["labels"] == "fields.geojson"
    assert str(tmp_path) not in text
