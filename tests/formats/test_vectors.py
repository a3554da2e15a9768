"""Folders of images with vector labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.core.legend import IGNORE
from hectares.errors import CatalogError, LegendError, VectorError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog, CatalogScene, VectorLabel, catalog_json, read_catalog
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from layouts.vectors import FOREST, LAKE, LEFT, box, moved, write_geojson, write_image, write_ogr, write_source

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
BELGIUM, VEGAS = DATA / "belgium-fields-s2", DATA / "vegas-wv3" / "spacenet_style"


def _read(source: Path, notes: Notes | None = None, **config: object) -> Catalog:
    return find_format("vectors").read(source, SourceConfig(**config), notes or Notes())


def _indices(catalog: Catalog, scene: CatalogScene) -> np.ndarray:
    with open_raster(scene.image) as image:
        grid = image.grid
    assert scene.label is not None
    return open_label(scene.label, catalog.legend, catalog.rules, grid).read(grid.window)


# --- What is found ----------------------------------------------------------------------------------------


def test_areas_with_splits_give_one_scene_for_each_split(tmp_path: Path, notes: Notes):
    catalog = _read(write_source(tmp_path), notes, class_field="kind")
    assert [(s.id, s.split, s.group) for s in catalog.scenes] == [
        ("scene@train", "train", "scene@train"), ("scene@Valid", "val", "scene@Valid"),
    ]  # fmt: skip
    assert catalog.legend.names == ("background", "forest", "lake")
    assert catalog.rules.background == "background"
    train, val = (_indices(catalog, s) for s in catalog.scenes)
    assert (train[:, :14] != IGNORE).all()
    assert (train[:, 14:] == IGNORE).all()
    assert (val[:, :18] == IGNORE).all()
    assert (val[:, 18:] != IGNORE).all()
    assert (train == 1).sum() == 8 * 9 - 2 * 2  # the lake lies above
    assert (train == 2).sum() == 8 * 4
    assert (val == 2).sum() == 8 * 2
    told = [p.what for p in notes.problems]
    assert told[0] == "is taken for the areas that were labelled"
    assert told[1] == "areas of train, Valid lie in one image"
    assert len(told) == 2


def test_areas_of_two_splits_that_overlap_are_told(tmp_path: Path, notes: Notes):
    write_source(tmp_path, aoi=False)
    areas = [(box(0, 0, 24, 16), {"split": "train"}), (box(0, 14, 24, 30), {"split": "test"})]
    write_geojson(tmp_path / "aoi.geojson", areas, crs="EPSG:32633")
    catalog = _read(tmp_path, notes, class_field="kind")
    assert "areas of two splits overlap on 0.48 ha: 0 (train) and 1 (test)" in [p.what for p in notes.problems]
    train, test = (_indices(catalog, s) != IGNORE for s in catalog.scenes)
    assert (train.sum(), test.sum()) == (24 * 14, 24 * 14)
    assert not (train & test).any()


def test_an_area_of_an_unknown_split_is_refused(tmp_path: Path):
    write_source(tmp_path, aoi=False)
    write_geojson(tmp_path / "aoi.geojson", [(LEFT, {"split": "later"})], crs="EPSG:32633")
    with pytest.raises(CatalogError, match="an area has split 'later'; expected train, val, test"):
        _read(tmp_path, class_field="kind")


def test_an_image_without_an_area_of_a_split_has_no_part_in_it(tmp_path: Path):
    write_source(tmp_path, aoi=False)
    write_image(tmp_path / "far.tif", crs="EPSG:32634")
    write_geojson(tmp_path / "aoi.geojson", [(moved([LEFT], "EPSG:4326")[0], {"split": "train"})])
    assert [s.id for s in _read(tmp_path, class_field="kind").scenes] == ["scene@train"]


def test_without_a_class_field_all_shapes_are_one_class_named_after_the_layer(tmp_path: Path):
    catalog = _read(write_source(tmp_path, splits=False))
    assert catalog.legend.names == ("background", "land")
    assert [(s.id, s.split) for s in catalog.scenes] == [("scene", None)]
    assert (_indices(catalog, catalog.scenes[0]) == 1).sum() == 8 * 9 + 8 * 4 - 2 * 2 + 8 * 2


def test_without_areas_uncovered_pixels_are_unlabelled_and_that_is_told(tmp_path: Path, notes: Notes):
    catalog = _read(write_source(tmp_path, aoi=False), notes, class_field="kind")
    assert catalog.legend.names == ("forest", "lake")
    assert (_indices(catalog, catalog.scenes[0]) == IGNORE).sum() == 24 * 30 - (72 + 80 - 4)
    (told,) = notes.problems
    assert told.what.startswith("pixels that no shape covers are unlabelled")
    assert told.remedy == "give the areas with --aoi FILE, or their class with --background"


def test_a_background_can_be_named_instead(tmp_path: Path, notes: Notes):
    catalog = _read(write_source(tmp_path, aoi=False), notes, class_field="kind", background="other land")
    assert catalog.legend.names == ("other land", "forest", "lake")
    assert (_indices(catalog, catalog.scenes[0]) != IGNORE).all()
    assert notes.problems == []


@pytest.mark.parametrize("value", ["a\nb", "a\x1fb"])
def test_a_control_character_in_an_attribute_is_refused_with_file_and_feature(tmp_path: Path, value: str):
    write_image(tmp_path / "scene.tif")
    shapes = [(FOREST, {"kind": "forest"}), (LAKE, {"kind": value})]
    write_geojson(tmp_path / "land.geojson", shapes, crs="EPSG:32633")
    message = rf"land\.geojson: attribute 'kind' of feature 1 is {re.escape(repr(value))}, which holds .* in one line"
    with pytest.raises(LegendError, match=message):
        _read(tmp_path, class_field="kind", background="rest")


def test_a_control_character_in_the_name_of_the_layer_is_refused(tmp_path: Path):
    write_image(tmp_path / "scene.tif")
    write_ogr(tmp_path / "land.gpkg", [FOREST], layer="a\nb")
    with pytest.raises(LegendError, match=r"land\.gpkg: its layer is named 'a\\nb', which holds"):
        _read(tmp_path, background="rest")


def test_numbers_keep_their_code(tmp_path: Path):
    catalog = _read(write_source(tmp_path), class_field="code")
    assert [(c.code, c.name) for c in catalog.legend.classes] == [(0, "background"), (3, "3"), (7, "7")]


def test_numbers_that_fit_into_no_map_are_kept_as_codes_of_the_source(tmp_path: Path):
    write_source(tmp_path, splits=False)
    (tmp_path / "land.gpkg").unlink()
    write_ogr(tmp_path / "land.gpkg", [FOREST, LAKE], {"crop": [9311, 201]})
    catalog = _read(tmp_path, class_field="crop")
    assert [(c.code, c.name, c.source_code) for c in catalog.legend.classes] == [
        (0, "background", None), (1, "201", 201), (2, "9311", 9311),
    ]  # fmt: skip
    indices = _indices(catalog, catalog.scenes[0])
    assert (indices[5, 5], indices[12, 12], indices[12, 19]) == (2, 1, 1)


def test_a_legend_chooses_and_names_the_classes(tmp_path: Path):
    legend = {
        "classes": [{"code": 1, "name": "lake"}, {"code": 2, "name": "forest"}, {"code": 0, "name": "background"}]
    }
    (tmp_path / "legend.json").write_text(json.dumps(legend))
    source = write_source(tmp_path / "data")
    catalog = _read(source, class_field="kind", legend=tmp_path / "legend.json", priority="lake,forest")
    assert catalog.legend.names == ("lake", "forest", "background")
    assert _indices(catalog, catalog.scenes[0])[9, 11] == 1
    with pytest.raises(LegendError, match=r"'3'|3 \(2 features"):
        _read(source, class_field="code", legend=tmp_path / "legend.json")


def test_an_attribute_of_measures_is_no_class(tmp_path: Path):
    write_source(tmp_path)
    (tmp_path / "land.gpkg").unlink()
    write_geojson(tmp_path / "land.geojson", [(FOREST, {"ha": 1.5}), (LAKE, {"ha": 2.25})], crs="EPSG:32633")
    with pytest.raises(LegendError, match=r"holds numbers such as .*, which cannot be classes"):
        _read(tmp_path, class_field="ha")


def test_an_unknown_attribute_is_told_before_any_image_is_opened(tmp_path: Path):
    with pytest.raises(VectorError, match="it has kind, code: choose one with --class-field"):
        _read(write_source(tmp_path), class_field="crop")


# --- Which files ------------------------------------------------------------------------------------------


def test_several_vector_files_need_a_choice(tmp_path: Path):
    write_source(tmp_path)
    write_ogr(tmp_path / "more.gpkg", [LAKE], {"kind": ["lake"]})
    with pytest.raises(CatalogError, match=r"2 vector files: land.gpkg, more.gpkg; choose one with --labels FILE"):
        _read(tmp_path)
    assert _read(tmp_path, labels="more.gpkg").legend.names == ("background", "more")


def test_a_layer_is_chosen_after_a_colon(tmp_path: Path):
    write_source(tmp_path)
    write_ogr(tmp_path / "land.gpkg", [LAKE], {"kind": ["lake"]}, layer="water", append=True)
    with pytest.raises(VectorError, match="holds the layers land, water; name one as FILE:LAYER"):
        _read(tmp_path)
    label = _read(tmp_path, labels="land.gpkg:water").scenes[0].label
    assert isinstance(label, VectorLabel)
    assert label.layer == "water"


def test_files_of_the_same_name_belong_together(tmp_path: Path):
    for name in ("b", "a"):
        write_image(tmp_path / "images" / f"{name}.tif")
        write_geojson(tmp_path / "labels" / f"{name.upper()}.geojson", [(LAKE, {})], crs="EPSG:32633")
    catalog = _read(tmp_path, background="rest")
    assert [(s.id, s.label and s.label.path.name) for s in catalog.scenes] == [
        ("images/a", "A.geojson"), ("images/b", "B.geojson"),
    ]  # fmt: skip
    assert catalog.legend.names == ("rest", "object")
    assert (_indices(catalog, catalog.scenes[1]) == 1).sum() == 80


def test_what_has_no_partner_is_listed_on_both_sides(tmp_path: Path, notes: Notes):
    write_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif")
    for name in ("a", "c"):
        write_geojson(tmp_path / f"{name}.geojson", [(LAKE, {})], crs="EPSG:32633")
    with pytest.raises(CatalogError, match=r"2 file\(s\) have no partner of the same name: b.tif, c.geojson"):
        _read(tmp_path, background="rest")
    assert len(_read(tmp_path, notes, background="rest", allow_unmatched=True).scenes) == 1
    assert notes.problems[0].remedy == "they are left out"


def test_a_raster_named_label_is_no_image(tmp_path: Path, notes: Notes):
    write_source(tmp_path, splits=False)
    write_image(tmp_path / "labels.tif")
    assert [s.id for s in _read(tmp_path, notes).scenes] == ["scene"]
    assert "look like labels: labels.tif" in notes.problems[0].what


def test_images_are_chosen_by_name_or_stacked(tmp_path: Path):
    write_source(tmp_path, splits=False)
    write_image(tmp_path / "height.tif")
    assert [s.id for s in _read(tmp_path, images="sc*").scenes] == ["scene"]
    (scene,) = _read(tmp_path, images="scene+height").scenes
    assert [f.path.name for f in scene.images] == ["scene.tif", "height.tif"]
    with pytest.raises(CatalogError, match=r"--images nir names 0 files; there are height\.tif, scene\.tif"):
        _read(tmp_path, images="nir")


def test_what_is_missing_is_named(tmp_path: Path):
    with pytest.raises(CatalogError, match="there is no such folder"):
        _read(tmp_path / "no")
    with pytest.raises(CatalogError, match="has no images"):
        _read(tmp_path)
    write_image(tmp_path / "a.tif")
    with pytest.raises(CatalogError, match=r"has no vector file .*--labels FILE"):
        _read(tmp_path)
    with pytest.raises(CatalogError, match=r"x.gpkg: --labels names a file that is neither here nor in"):
        _read(tmp_path, labels="x.gpkg")


def test_the_catalog_survives_a_file(tmp_path: Path):
    catalog = _read(write_source(tmp_path / "data"), class_field="kind", crs="EPSG:32633")
    (tmp_path / "legend.json").write_text(json.dumps(catalog.legend.to_json()))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_json(catalog, tmp_path)))
    again = read_catalog(tmp_path / "catalog.json")
    assert again.rules == catalog.rules
    assert [s.label for s in again.scenes] == [s.label for s in catalog.scenes]


# --- Real data --------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.skipif(not BELGIUM.is_dir(), reason="belgium-fields-s2 is not beside the checkout")
def test_the_fields_of_belgium_have_the_area_of_their_polygons(notes: Notes):
    from hectares.io.shapes.vectors import read_layer

    catalog = _read(BELGIUM, notes)
    areas = read_layer(BELGIUM / "aoi.geojson").to_crs("EPSG:32631")
    fields = shapely.union_all(read_layer(BELGIUM / "fields.gpkg").geometries)
    whole = shapely.union_all(areas.geometries)
    scene = catalog.scenes[0]
    assert isinstance(scene.label, VectorLabel)
    all_areas = replace(scene, label=replace(scene.label, aoi_split=None))
    indices = _indices(catalog, all_areas)
    inside = shapely.intersection(fields, whole)
    for burned, drawn in (((indices != IGNORE).sum(), whole), ((indices == 1).sum(), inside)):
        assert abs(burned * 100 - drawn.area) <= drawn.length * 5
        assert burned * 100 == pytest.approx(drawn.area, rel=0.005)
    with open_raster(scene.image) as image:
        grid = image.grid
    rows, cols = np.nonzero(indices == IGNORE)
    xs, ys = grid.transform @ (cols + 0.5, rows + 0.5)
    assert not shapely.contains_xy(whole.buffer(-1e-6), xs, ys).any()
    assert [s.split for s in catalog.scenes] == ["train", "val", "test"]
    parts = [_indices(catalog, s) != IGNORE for s in catalog.scenes]
    assert np.sum(parts, axis=0).max() == 1
    assert any("areas of two splits overlap on 0.47 ha: 4 (train) and 7 (test)" in p.what for p in notes.problems)


@pytest.mark.data
@pytest.mark.skipif(not VEGAS.is_dir(), reason="vegas-wv3 is not beside the checkout")
def test_the_shapes_of_vegas_give_its_label_raster():
    catalog = _read(VEGAS, images="vegas_wv3_rgb_uint8", class_field="class_name", background="background",
                    priority="road,building,tree")  # fmt: skip
    with open_raster(VEGAS / "labels.tif") as raster:
        expected = raster.read(raster.grid.window).image[0]
    codes = catalog.legend.decode(_indices(catalog, catalog.scenes[0]))
    assert catalog.legend.names == ("background", "building", "road", "tree")
    assert (codes == expected).mean() > 0.999
