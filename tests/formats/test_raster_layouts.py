"""Land cover and buildings as label rasters."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.errors import CatalogError, LegendError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog, CatalogScene
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from hectares.monitor import QUIET
from layouts.footprints import roofs, write_inria, write_massachusetts
from layouts.land_cover import (
    TILES,
    stripes,
    write,
    write_deepglobe,
    write_deepglobe_repack,
    write_flair,
    write_landcoverai,
    write_loveda,
    write_openearthmap,
)

DATA = Path(__file__).parents[2] / "../shared/data/layout-fixtures-synthetic"


def _read(name: str, source: Path, monitor: object = QUIET, **options: object) -> Catalog:
    return find_format(name).read(source, SourceConfig(**options), monitor)


def _decode(catalog: Catalog, scene: CatalogScene) -> np.ndarray:
    with open_raster(scene.image) as raster:
        grid = raster.grid
    label = open_label(scene.label, catalog.legend, catalog.rules, grid)
    indices = label.read(grid.window)
    label.close()
    return indices


def _splits(catalog: Catalog) -> dict[str, str | None]:
    return {s.id: s.split for s in catalog.scenes}


WRITERS = {
    "deepglobe": write_deepglobe,
    "landcoverai": write_landcoverai,
    "loveda": write_loveda,
    "openearthmap": write_openearthmap,
    "flair": write_flair,
    "inria": write_inria,
    "massachusetts": write_massachusetts,
}


# --- All of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_complained_about_in_a_complete_set(tmp_path: Path, notes: Notes, name: str):
    catalog = _read(name, WRITERS[name](tmp_path), notes)
    assert notes.problems == []
    assert all(s.image.is_file() and s.label.path.is_file() for s in catalog.scenes)
    assert all(
        s.images[0].bands == find_format(name).bands[next(iter(find_format(name).bands))] for s in catalog.scenes
    )


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_label_and_a_missing_image_are_named_together(tmp_path: Path, notes: Notes, name: str):
    source = WRITERS[name](tmp_path)
    first, *_, last = _read(name, source).scenes
    first.label.path.unlink()
    last.image.unlink()
    with pytest.raises(CatalogError) as caught:
        _read(name, source)
    assert f"1 without label: {first.image.relative_to(source).as_posix()}" in str(caught.value)
    assert f"1 without image: {last.label.path.relative_to(source).as_posix()}" in str(caught.value)
    if name in {"deepglobe", "landcoverai"}:  # these have two scenes only
        with pytest.raises(CatalogError, match="no scene is complete"):
            _read(name, source, notes, allow_unmatched=True)
    else:
        left = _read(name, source, notes, allow_unmatched=True)
        assert not {first.id, last.id} & {s.id for s in left.scenes}
    assert "1 without label" in notes.problems[0].what


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str):
    with pytest.raises(CatalogError, match=f"is not the layout {name}: nothing like .* see hectares formats {name}"):
        _read(name, tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_the_folder_above_is_read_as_well(tmp_path: Path, name: str):
    WRITERS[name](tmp_path / "downloads" / "set")
    if name in {"landcoverai", "openearthmap"}:  # lists of names stand beside the images
        assert len(_read(name, tmp_path / "downloads" / "set").scenes) > 1
    else:
        assert _splits(_read(name, tmp_path)) == _splits(_read(name, tmp_path / "downloads" / "set"))


def test_two_images_for_one_id_are_refused_with_both_names(tmp_path: Path):
    source = write_deepglobe(tmp_path)
    shutil.copy(source / "train/119_sat.jpg", source / "test/119_sat.jpg")
    with pytest.raises(CatalogError, match=r"test/119_sat\.jpg and .*train/119_sat\.jpg: two files for 119"):
        _read("deepglobe", source)


# --- DeepGlobe --------------------------------------------------------------------------------------------


def test_deepglobe_reads_only_what_has_labels(tmp_path: Path):
    catalog = _read("deepglobe", write_deepglobe(tmp_path))
    assert [(s.id, s.group, s.split, s.gsd_m) for s in catalog.scenes] == [
        ("119", "119", None, 0.5),
        ("606", "606", None, 0.5),
    ]


@pytest.mark.parametrize("scene", [0, 1])
def test_colors_of_deepglobe_are_read_even_if_blurred(tmp_path: Path, scene: int):
    catalog = _read("deepglobe", write_deepglobe(tmp_path))
    expected = np.where(stripes(7) == 6, 255, stripes(7))  # black is unknown
    assert np.array_equal(_decode(catalog, catalog.scenes[scene]), expected)
    assert catalog.legend.names[0] == "urban land"
    assert catalog.legend.names[4] == "water"


def test_the_repack_of_deepglobe_has_the_split_of_its_folders(tmp_path: Path):
    source = write_deepglobe_repack(tmp_path)
    assert _splits(_read("deepglobe", source)) == {"1": "train", "2": "train", "8": "test"}
    below = source / "data/training_data/images"
    assert _splits(_read("deepglobe", below)) == {"1": "train", "2": "train"}


# --- LandCover.ai -----------------------------------------------------------------------------------------


def test_whole_orthophotos_have_no_official_split(tmp_path: Path):
    catalog = _read("landcoverai", write_landcoverai(tmp_path))
    assert [(s.id, s.group, s.split) for s in catalog.scenes] == [(t, t, None) for t in TILES]
    assert np.array_equal(_decode(catalog, catalog.scenes[0]), stripes(5))
    with open_raster(catalog.scenes[0].image) as raster:
        assert raster.grid.crs == "EPSG:2180"


def test_cuts_have_the_split_of_the_lists_and_the_group_of_their_orthophoto(tmp_path: Path):
    catalog = _read("landcoverai", write_landcoverai(tmp_path), images="cuts")
    assert [(s.id, s.group, s.split) for s in catalog.scenes] == [
        (f"{TILES[0]}_0", TILES[0], "train"),
        (f"{TILES[0]}_1", TILES[0], "val"),
        (f"{TILES[1]}_0", TILES[1], "train"),
        (f"{TILES[1]}_1", TILES[1], "test"),
    ]
    assert np.array_equal(_decode(catalog, catalog.scenes[3]), stripes(5))


def test_cuts_that_no_list_names_and_names_without_a_cut_are_told(tmp_path: Path):
    source = write_landcoverai(tmp_path)
    (source / "val.txt").write_text("N-34-61-B-a-1-1_9\n")
    with pytest.raises(CatalogError) as caught:
        _read("landcoverai", source, images="cuts")
    assert "1 without image: train.txt" in str(caught.value)
    assert f"1 without a place in the lists: output/{TILES[0]}_1.jpg" in str(caught.value)


def test_cuts_before_the_script_has_run_are_missed_with_the_way_out(tmp_path: Path):
    source = write_landcoverai(tmp_path)
    shutil.rmtree(source / "output")
    with pytest.raises(CatalogError, match=r"nothing like output/.*the cuts from its script split\.py"):
        _read("landcoverai", source, images="cuts")


# --- LoveDA -----------------------------------------------------------------------------------------------


def test_images_of_loveda_are_told_apart_by_part_and_domain(tmp_path: Path):
    catalog = _read("loveda", write_loveda(tmp_path))
    assert _splits(catalog) == {
        "train/rural/01": "train",
        "train/urban/01": "train",
        "val/rural/01": "val",
        "val/urban/01": "val",
    }
    assert all(s.group == s.id for s in catalog.scenes)
    for scene in catalog.scenes:
        assert scene.image.parent.parent == scene.label.path.parent.parent


def test_no_data_of_loveda_is_ignored_and_background_is_a_class(tmp_path: Path):
    catalog = _read("loveda", write_loveda(tmp_path))
    found = _decode(catalog, catalog.scenes[0])
    assert np.array_equal(found, np.where(stripes(8) == 0, 255, stripes(8) - 1))
    assert catalog.legend.names[0] == "background"
    assert catalog.legend.codes == (1, 2, 3, 4, 5, 6, 7)


def test_a_part_of_loveda_can_be_read_alone(tmp_path: Path):
    source = write_loveda(tmp_path)
    assert set(_splits(_read("loveda", source / "Val"))) == {"val/rural/01", "val/urban/01"}
    assert set(_splits(_read("loveda", source / "Val/Urban"))) == {"val/urban/01"}
    assert set(_splits(_read("loveda", source / "Val/Urban/masks_png"))) == {"val/urban/01"}


def test_a_code_that_is_not_in_the_legend_is_refused(tmp_path: Path):
    source = write_loveda(tmp_path)
    codes = stripes(8)
    codes[3, 4] = 255
    write(source / "Val/Urban/masks_png/01.png", codes)
    catalog = _read("loveda", source)
    with pytest.raises(LegendError, match=r"masks_png/01\.png.* code 255 \(1 px\) is not in the legend"):
        _decode(catalog, catalog.scenes[-1])


# --- OpenEarthMap -----------------------------------------------------------------------------------------


def test_regions_are_groups_and_lists_give_the_split(tmp_path: Path):
    catalog = _read("openearthmap", write_openearthmap(tmp_path))
    assert [(s.id, s.group, s.split) for s in catalog.scenes] == [
        ("aachen_1", "aachen", "train"),
        ("aachen_2", "aachen", "train"),
        ("sechura_7", "sechura", "val"),
    ]
    found = _decode(catalog, catalog.scenes[0])
    assert np.array_equal(found, np.where(stripes(9) == 0, 255, stripes(9) - 1))
    assert (catalog.legend.names[0], catalog.legend.names[7]) == ("bareland", "building")


def test_without_lists_there_is_no_official_split(tmp_path: Path):
    assert set(_splits(_read("openearthmap", write_openearthmap(tmp_path, lists=False))).values()) == {None}


def test_labels_without_the_images_of_xbd_are_explained(tmp_path: Path, notes: Notes):
    source = write_openearthmap(tmp_path, xbd=True)
    with pytest.raises(CatalogError, match=r"1 without image: mexico/labels/mexico_3\.tif\. images of xBD .*xbd_files"):
        _read("openearthmap", source)
    assert len(_read("openearthmap", source, notes, allow_unmatched=True).scenes) == 3
    assert len(notes.problems) == 1


def test_a_region_can_be_read_alone(tmp_path: Path):
    source = write_openearthmap(tmp_path)
    catalog = _read("openearthmap", source / "aachen")
    assert [(s.id, s.group, s.split) for s in catalog.scenes] == [
        ("aachen_1", "aachen", "train"),
        ("aachen_2", "aachen", "train"),
    ]


# --- FLAIR #1 ---------------------------------------------------------------------------------------------


def test_domains_are_groups_and_give_the_official_split(tmp_path: Path):
    catalog = _read("flair", write_flair(tmp_path))
    assert [(s.id, s.group, s.split) for s in catalog.scenes] == [
        ("D004_2021/Z10_UU/000004", "D004_2021", "val"),
        ("D006_2020/Z10_UU/000006", "D006_2020", "train"),
        ("D012_2019/Z10_UU/000012", "D012_2019", "test"),
    ]
    assert catalog.scenes[0].images[0].bands == ("red", "green", "blue", "nir", "height")
    splits = find_format("flair").splits
    assert (len(splits["val"]), len(splits["test"])) == (8, 10)


@pytest.mark.parametrize("labels", [None, "19", "13"])
def test_nineteen_classes_or_thirteen(tmp_path: Path, labels: str | None):
    catalog = _read("flair", write_flair(tmp_path), labels=labels)
    found = _decode(catalog, catalog.scenes[0])
    assert np.array_equal(found, np.minimum(stripes(19), 12) if labels == "13" else stripes(19))
    assert len(catalog.legend) == (13 if labels == "13" else 19)
    assert catalog.legend.names[-1] == "other"


def test_a_test_domain_without_labels_is_left_out(tmp_path: Path, notes: Notes):
    catalog = _read("flair", write_flair(tmp_path, test_labels=False), notes)
    assert [s.split for s in catalog.scenes] == ["val", "train"]
    assert notes.problems == []


# --- Inria ------------------------------------------------------------------------------------------------


def test_the_first_five_tiles_of_a_city_validate(tmp_path: Path):
    catalog = _read("inria", write_inria(tmp_path))
    assert _splits(catalog) == {"austin5": "val", "austin6": "train", "tyrol-w12": "train"}
    assert all(s.group == s.id for s in catalog.scenes)


def test_255_of_inria_is_building_and_1_in_maps(tmp_path: Path):
    catalog = _read("inria", write_inria(tmp_path))
    assert np.array_equal(_decode(catalog, catalog.scenes[0]), roofs().astype(np.uint8))
    assert (catalog.legend.names, catalog.legend.codes) == (("not building", "building"), (0, 1))


@pytest.mark.parametrize("place", ["AerialImageDataset", "AerialImageDataset/train", "AerialImageDataset/train/gt"])
def test_levels_of_inria_may_be_missing(tmp_path: Path, place: str):
    assert len(_read("inria", write_inria(tmp_path) / place).scenes) == 3


# --- Massachusetts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("repack", [False, True])
@pytest.mark.parametrize("gray", [False, True])
def test_buildings_may_be_red_or_255(tmp_path: Path, gray: bool, repack: bool):
    catalog = _read("massachusetts", write_massachusetts(tmp_path, gray=gray, repack=repack))
    assert _splits(catalog) == {
        "test/22678912_15": "test",
        "train/22678910_15": "train",
        "val/22678911_15": "val",
    }
    assert np.array_equal(_decode(catalog, catalog.scenes[0]), roofs().astype(np.uint8))


def test_roads_of_massachusetts_are_another_class(tmp_path: Path):
    catalog = _read("massachusetts", write_massachusetts(tmp_path, gray=True), labels="roads")
    assert catalog.legend.names == ("not road", "road")
    assert np.array_equal(_decode(catalog, catalog.scenes[0]), roofs().astype(np.uint8))


# --- Those of other people's tests ------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "options", "scenes"),
    [
        ("deepglobe", "deepglobelandcover", {}, 6),
        ("deepglobe", "deepglobelandcover", {"label_by": "color"}, 6),
        ("landcoverai", "landcoverai", {}, 1),
        ("loveda", "loveda", {}, 4),
        ("inria", "inria", {}, 7),
    ],
)
def test_a_tiny_copy_of_other_people_is_read(name: str, folder: str, options: dict[str, object], scenes: int):
    source = DATA / folder
    if not source.is_dir():
        pytest.skip(f"{source} is absent")
    catalog = _read(name, source, **options)
    assert len(catalog.scenes) == scenes
    for scene in catalog.scenes:
        assert set(np.unique(_decode(catalog, scene))) <= {*range(len(catalog.legend)), 255}


@pytest.mark.data
def test_cuts_that_several_lists_name_are_refused():
    source = DATA / "landcoverai"
    if not source.is_dir():
        pytest.skip(f"{source} is absent")
    with pytest.raises(CatalogError, match="is in train and in test; a scene has one split"):
        _read("landcoverai", source, images="cuts")
