"""Potsdam and Vaihingen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.core.bands import BandPlan
from hectares.core.window import Window
from hectares.errors import CatalogError, ConfigError, LegendError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog, CatalogScene
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.scenes import open_scene
from hectares.monitor import QUIET
from layouts.isprs import OFF_CAR, STARTS, class_indices, write_potsdam, write_vaihingen

DATA = Path(__file__).parents[2] / "../shared/data"


def _read(name: str, source: Path, monitor: object = QUIET, **options: object) -> Catalog:
    return find_format(name).read(source, SourceConfig(**options), monitor)


def _decode(catalog: Catalog, scene: CatalogScene) -> np.ndarray:
    with open_raster(scene.image) as raster:
        grid = raster.grid
    label = open_label(scene.label, catalog.legend, catalog.rules, grid)
    indices = label.read(grid.window)
    label.close()
    return indices


# --- Potsdam ----------------------------------------------------------------------------------------------


def test_tiles_of_potsdam_have_their_official_split(tmp_path: Path, notes: Notes):
    catalog = _read("potsdam", write_potsdam(tmp_path), notes)
    assert [(s.id, s.group, s.split, s.gsd_m) for s in catalog.scenes] == [
        ("2_10", "2_10", "train", 0.05),
        ("7_13", "7_13", "test", 0.05),
    ]
    assert notes.problems == []
    assert catalog.legend.names == ("impervious surface", "building", "low vegetation", "tree", "car", "clutter")
    assert catalog.legend.codes == (1, 2, 3, 4, 5, 6)


def test_the_official_split_of_potsdam_is_complete():
    splits = find_format("potsdam").splits
    assert (len(splits["train"]), len(splits["test"])) == (24, 14)
    assert not set(splits["train"]) & set(splits["test"])
    assert "7_10" in splits["train"]


@pytest.mark.parametrize("tile", [0, 1])
def test_all_six_colors_are_decoded_even_off_the_palette(tmp_path: Path, tile: int):
    catalog = _read("potsdam", write_potsdam(tmp_path))
    assert np.array_equal(_decode(catalog, catalog.scenes[tile]), class_indices())


def test_blue_is_building_and_red_is_clutter(tmp_path: Path):
    catalog = _read("potsdam", write_potsdam(tmp_path))
    found = _decode(catalog, catalog.scenes[0])
    names = catalog.legend.names
    assert (names[found[0, STARTS[1]]], names[found[0, STARTS[5]]]) == ("building", "clutter")


def test_a_car_of_252_255_0_is_a_car_only_by_threshold(tmp_path: Path):
    source = write_potsdam(tmp_path)
    by_color = _read("potsdam", source, label_by="color")
    with pytest.raises(
        LegendError, match=rf"#fcff00 \(1 px\) not in the legend, first at row {OFF_CAR[0]}, col {OFF_CAR[1]}"
    ):
        _decode(by_color, by_color.scenes[0])
    usual = _read("potsdam", source)
    assert _decode(usual, usual.scenes[0])[OFF_CAR] == 4


def test_eroded_labels_are_ignored_where_they_are_black(tmp_path: Path, notes: Notes):
    catalog = _read("potsdam", write_potsdam(tmp_path), notes, labels="eroded")
    assert all("noBoundary" in s.label.path.name for s in catalog.scenes)
    assert np.array_equal(_decode(catalog, catalog.scenes[1]), class_indices(eroded=True))
    assert notes.problems == []


def test_absent_eroded_labels_are_made_of_the_whole_ones(tmp_path: Path, notes: Notes):
    catalog = _read("potsdam", write_potsdam(tmp_path, eroded=False), notes, labels="eroded")
    assert catalog.rules.erode_px == 3
    assert np.array_equal(_decode(catalog, catalog.scenes[0]), class_indices(eroded=True))
    assert "has no eroded labels" in notes.problems[0].what


@pytest.mark.parametrize(
    ("images", "bands", "values"),
    [
        ("RGB", "red green blue", [10, 20, 30]),
        ("IRRG", "nir red green", [40, 10, 20]),
        ("RGBIR", "red green blue nir", [10, 20, 30, 40]),
        ("dsm", "dsm", [41.5]),
        ("RGB+DSM", "red green blue dsm", [10, 20, 30, 41.5]),
        ("IRRG+nDSM", "nir red green ndsm", [40, 10, 20, 77]),
    ],
)
def test_images_can_be_chosen_and_joined(tmp_path: Path, images: str, bands: str, values: list[float]):
    catalog = _read("potsdam", write_potsdam(tmp_path), images=images)
    assert len(catalog.scenes) == 2
    with open_scene(catalog.scenes[0].images, BandPlan()) as scene:
        assert " ".join(scene.bands) == bands
        assert scene.read(Window(9, 9, 1, 1)).image.ravel().tolist() == pytest.approx(values, abs=1)


def test_heights_of_02_10_belong_to_tile_2_10(tmp_path: Path):
    catalog = _read("potsdam", write_potsdam(tmp_path), images="RGB+DSM+nDSM")
    assert [f.path.name for f in catalog.scenes[0].images] == [
        "top_potsdam_2_10_RGB.tif",
        "dsm_potsdam_02_10.tif",
        "dsm_potsdam_02_10_normalized_lastools.jpg",
    ]


def test_the_world_file_places_a_tile_in_utm_33n(tmp_path: Path):
    catalog = _read("potsdam", write_potsdam(tmp_path))
    image = catalog.scenes[0].images[0]
    with open_raster(image.path, crs=image.crs) as raster:
        assert raster.grid.crs == "EPSG:32633"
        assert raster.grid.bounds == pytest.approx((366_676, 5_807_997.8, 366_680, 5_808_001))
        assert raster.grid.gsd == pytest.approx((0.05, 0.05))
    with open_scene(catalog.scenes[0].images, BandPlan()) as scene:
        assert scene.grid.crs == "EPSG:32633"


def test_labels_of_training_tiles_alone_leave_out_the_test_tiles(tmp_path: Path, notes: Notes):
    source = write_potsdam(tmp_path)
    (source / "5_Labels_all").rename(source / "5_Labels_for_participants")
    (source / "5_Labels_for_participants/top_potsdam_7_13_label.tif").unlink()
    assert [s.id for s in _read("potsdam", source, notes).scenes] == ["2_10"]
    assert notes.problems == []


def test_of_two_folders_of_labels_the_complete_one_counts(tmp_path: Path):
    source = write_potsdam(tmp_path)
    shutil.copytree(source / "5_Labels_all", source / "5_Labels_for_participants")
    assert {s.label.path.parent.name for s in _read("potsdam", source).scenes} == {"5_Labels_all"}


def test_two_files_for_one_tile_are_refused_with_both_names(tmp_path: Path):
    source = write_potsdam(tmp_path)
    shutil.copytree(source / "2_Ortho_RGB", source / "copy")
    with pytest.raises(CatalogError, match=r"2_Ortho_RGB/top_potsdam_2_10_RGB\.tif and .*copy/.*two files for 2_10"):
        _read("potsdam", source)


def test_missing_files_are_named_on_all_sides_at_once(tmp_path: Path):
    source = write_potsdam(tmp_path, tiles=("2_10", "2_11", "3_10", "7_13"))
    (source / "5_Labels_all/top_potsdam_2_11_label.tif").unlink()
    (source / "2_Ortho_RGB/top_potsdam_3_10_RGB.tif").unlink()
    (source / "1_DSM/dsm_potsdam_07_13.tif").unlink()
    with pytest.raises(CatalogError) as caught:
        _read("potsdam", source, images="RGB+DSM")
    message = str(caught.value)
    assert "1 without RGB: 1_DSM/dsm_potsdam_03_10.tif; 1 without DSM: 2_Ortho_RGB/top_potsdam_7_13_RGB.tif" in message
    assert "1 without label: 2_Ortho_RGB/top_potsdam_2_11_RGB.tif" in message
    assert message.endswith("--allow-unmatched")


def test_missing_files_are_left_out_when_allowed(tmp_path: Path, notes: Notes):
    source = write_potsdam(tmp_path, tiles=("2_10", "2_11"))
    (source / "5_Labels_all/top_potsdam_2_11_label.tif").unlink()
    assert [s.id for s in _read("potsdam", source, notes, allow_unmatched=True).scenes] == ["2_10"]
    assert "1 without label: 2_Ortho_RGB/top_potsdam_2_11_RGB.tif" in notes.problems[0].what


@pytest.mark.parametrize("place", [".", "..", "2_Ortho_RGB", "5_Labels_all"])
def test_the_source_may_be_a_folder_above_or_below(tmp_path: Path, place: str):
    root = write_potsdam(tmp_path / "downloads" / "Potsdam")
    assert len(_read("potsdam", (root / place).resolve()).scenes) == 2


def test_the_source_may_be_the_folder_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(write_potsdam(tmp_path) / "2_Ortho_RGB")
    assert len(_read("potsdam", Path()).scenes) == 2


def test_suffixes_in_capital_letters_are_found(tmp_path: Path):
    source = write_potsdam(tmp_path)
    for path in [*source.glob("2_Ortho_RGB/*.tif"), *source.glob("5_Labels_all/*.tif")]:
        path.rename(path.with_suffix(".TIF"))
    catalog = _read("potsdam", source)
    with open_scene(catalog.scenes[0].images, BandPlan()) as scene:
        assert scene.grid.is_georeferenced


def test_a_source_without_the_wanted_images_says_which_are_there(tmp_path: Path):
    source = write_potsdam(tmp_path)
    shutil.rmtree(source / "2_Ortho_RGB")
    shutil.rmtree(source / "1_DSM")
    with pytest.raises(
        CatalogError, match=r"nothing like 2_Ortho_RGB/.* it has IRRG, RGBIR, nDSM: choose with --images"
    ):
        _read("potsdam", source)


@pytest.mark.parametrize("name", ["potsdam", "vaihingen"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str):
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(
        CatalogError, match=rf"is not the layout {name}: nothing like .*top.* see hectares formats {name}"
    ):
        _read(name, tmp_path)
    with pytest.raises(CatalogError, match="there is no such folder"):
        _read(name, tmp_path / "gone")


def test_unknown_choices_are_refused_with_the_known_ones(tmp_path: Path):
    source = write_potsdam(tmp_path)
    with pytest.raises(ConfigError, match=r"--images RGBI is unknown .* RGB, IRRG, RGBIR, DSM, nDSM"):
        _read("potsdam", source, images="RGBI")
    with pytest.raises(ConfigError, match=r"--labels full is unknown .* all, eroded"):
        _read("potsdam", source, labels="full")


def test_a_tile_that_is_not_of_the_benchmark_has_no_split(tmp_path: Path, notes: Notes):
    catalog = _read("potsdam", write_potsdam(tmp_path, tiles=("2_10", "9_9")), notes)
    assert {s.id: s.split for s in catalog.scenes} == {"2_10": "train", "9_9": None}
    assert "9_9 are no tiles of the benchmark" in notes.problems[0].what


def test_hidden_files_and_links_that_lead_back_do_not_matter(tmp_path: Path):
    source = write_potsdam(tmp_path)
    (source / "2_Ortho_RGB/loop").symlink_to(source)
    (source / "2_Ortho_RGB/.top_potsdam_2_10_RGB.tif").write_bytes(b"")
    (source / "2_Ortho_RGB/._top_potsdam_2_10_RGB.tif").write_bytes(b"")
    assert len(_read("potsdam", source).scenes) == 2


def test_the_order_of_files_does_not_matter(tmp_path: Path):
    tiles = ("6_9", "2_10", "6_12", "6_7")
    catalog = _read("potsdam", write_potsdam(tmp_path, tiles=tiles))
    assert [s.id for s in catalog.scenes] == ["2_10", "6_7", "6_9", "6_12"]
    assert all(f"_{s.id}_" in s.image.name and f"_{s.id}_" in s.label.path.name for s in catalog.scenes)


# --- Vaihingen --------------------------------------------------------------------------------------------


def test_areas_of_vaihingen_have_their_official_split(tmp_path: Path, notes: Notes):
    catalog = _read("vaihingen", write_vaihingen(tmp_path), notes)
    assert [(s.id, s.split, s.gsd_m) for s in catalog.scenes] == [("area1", "train", 0.09), ("area2", "test", 0.09)]
    assert catalog.scenes[0].images[0].bands == ("nir", "red", "green")
    assert notes.problems == []
    splits = find_format("vaihingen").splits
    assert (len(splits["train"]), len(splits["test"])) == (16, 17)


def test_image_and_label_of_one_name_are_told_apart_by_their_folders(tmp_path: Path):
    catalog = _read("vaihingen", write_vaihingen(tmp_path))
    for scene in catalog.scenes:
        assert scene.image.name == scene.label.path.name
        assert (scene.image.parent.name, scene.label.path.parent.name) == ("top", "gts_for_participants")
        assert np.array_equal(_decode(catalog, scene), class_indices())


def test_labels_of_all_areas_count_more_than_those_of_the_training_areas(tmp_path: Path):
    source = write_vaihingen(tmp_path)
    complete = "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE"
    shutil.copytree(source / "gts_for_participants", source / complete)
    (source / "gts_for_participants/top_mosaic_09cm_area2.tif").unlink()
    assert {s.label.path.parent.name for s in _read("vaihingen", source).scenes} == {complete}


def test_eroded_labels_of_vaihingen(tmp_path: Path, notes: Notes):
    catalog = _read("vaihingen", write_vaihingen(tmp_path), labels="eroded")
    assert np.array_equal(_decode(catalog, catalog.scenes[0]), class_indices(eroded=True))
    derived = _read("vaihingen", write_vaihingen(tmp_path / "b", eroded=False), notes, labels="eroded")
    assert np.array_equal(_decode(derived, derived.scenes[0]), class_indices(eroded=True))
    assert len(notes.problems) == 1


def test_heights_of_vaihingen_are_joined(tmp_path: Path):
    catalog = _read("vaihingen", write_vaihingen(tmp_path), images="IRRG+DSM")
    with open_scene(catalog.scenes[0].images, BandPlan()) as scene:
        assert scene.read(Window(0, 0, 1, 1)).image.ravel().tolist() == [40, 10, 20, 270.5]


# --- Real files, and those of other people's tests --------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(("name", "images"), [("potsdam", "RGBIR"), ("vaihingen", "IRRG")])
def test_a_tiny_copy_with_labels_in_the_root_is_read(name: str, images: str):
    source = DATA / "layout-fixtures-synthetic" / name
    if not source.is_dir():
        pytest.skip(f"{source} is absent")
    catalog = _read(name, source, images=images)
    assert len(catalog.scenes) == 4
    strict = replace(catalog, scenes=tuple(replace(s, label=replace(s.label, by="color")) for s in catalog.scenes))
    for scene in strict.scenes:
        assert set(np.unique(_decode(strict, scene))) <= {0, 1, 2, 3, 4, 5, 255}


@pytest.mark.data
def test_a_real_crop_of_potsdam_is_read(notes: Notes):
    source = DATA / "isprs-potsdam-crop"
    if not source.is_dir():
        pytest.skip(f"{source} is absent")
    catalog = _read("potsdam", source, notes)
    assert [(s.id, s.split) for s in catalog.scenes] == [("2_10", "train")]
    found = _decode(catalog, catalog.scenes[0])
    assert set(np.unique(found)) == {0, 1, 2, 3, 4, 255}  # no clutter; borders are black
