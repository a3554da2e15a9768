"""SpaceNet 1, 2 and 7."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.errors import CatalogError, ConfigError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog, CatalogScene
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from layouts.spacenet import MONTHS, SITES, write_spacenet1, write_spacenet2, write_spacenet7

FIXTURE = Path(__file__).parents[2] / ".." / "shared" / "data" / "layout-fixtures-synthetic" / "spacenet" / "spacenet1"


def _read(source: Path, notes: Notes | None = None, **config: object) -> Catalog:
    return find_format("spacenet").read(source, SourceConfig(**config), notes or Notes())


def _indices(catalog: Catalog, scene: CatalogScene) -> np.ndarray:
    with open_raster(scene.image) as image:
        grid = image.grid
    assert scene.label is not None
    return open_label(scene.label, catalog.legend, catalog.rules, grid).read(grid.window)


@pytest.mark.parametrize("inner", [".", "SN1_buildings", "SN1_buildings/train", "SN1_buildings/train/3band"])
def test_spacenet_1_is_paired_by_number_from_any_folder(tmp_path: Path, inner: str):
    catalog = _read(write_spacenet1(tmp_path) / inner)
    assert [s.id for s in catalog.scenes] == ["AOI_1_img1", "AOI_1_img2", "AOI_1_img3", "AOI_1_img10"]
    for scene in catalog.scenes:
        assert scene.label is not None
        number = scene.id.removeprefix("AOI_1_")
        assert (scene.image.stem, scene.label.path.stem) == (f"3band_AOI_1_RIO_{number}", f"Geo_AOI_1_RIO_{number}")
    assert catalog.scenes[0].images[0].bands == ("red", "green", "blue")
    assert catalog.legend.names == ("background", "building")


def test_a_label_without_a_building_is_background_everywhere(tmp_path: Path):
    catalog = _read(write_spacenet1(tmp_path))
    sums = {s.id: int((_indices(catalog, s) == 1).sum()) for s in catalog.scenes}
    assert sums == {"AOI_1_img1": 0, "AOI_1_img2": 8, "AOI_1_img3": 0, "AOI_1_img10": 8}
    assert (_indices(catalog, catalog.scenes[2]) == 0).all()  # a file of 0 bytes


def test_eight_bands_have_their_own_pixels(tmp_path: Path):
    catalog = _read(write_spacenet1(tmp_path), images="8band")
    assert catalog.scenes[0].images[0].bands is not None
    assert catalog.scenes[0].images[0].bands[-1] == "nir2"
    assert _indices(catalog, catalog.scenes[1]).shape == (3, 4)


def test_spacenet_2_keeps_cities_apart(tmp_path: Path):
    catalog = _read(write_spacenet2(tmp_path))
    assert [s.id for s in catalog.scenes] == ["AOI_2_img1", "AOI_2_img12", "AOI_5_img1", "AOI_5_img12"]
    assert len({s.group for s in catalog.scenes}) == 4
    areas = [int((_indices(catalog, s) == 1).sum()) for s in catalog.scenes]
    assert areas == [2 * 2, 2 * 2, 2 * 5, 2 * 5]
    assert catalog.scenes[0].images[0].depth == 11


def test_a_building_cut_to_a_line_is_left_out_with_a_note(tmp_path: Path):
    catalog = _read(write_spacenet2(tmp_path) / "AOI_2_Vegas_Train")
    scene = catalog.scenes[1]
    assert scene.label is not None
    with open_raster(scene.image) as image:
        label = open_label(scene.label, catalog.legend, catalog.rules, image.grid)
    assert label.notes[0].what == "1 feature (1) with lines or points"


def test_images_of_several_kinds_are_stacked_with_bands_of_their_own(tmp_path: Path):
    catalog = _read(write_spacenet2(tmp_path), images="RGB-PanSharpen+MUL+PAN")
    files = catalog.scenes[0].images
    assert [f.path.parent.name for f in files] == ["RGB-PanSharpen", "MUL", "PAN"]
    bands = [b for f in files for b in f.bands or ()]
    assert len(set(bands)) == len(bands) == 12
    assert "MUL red" in bands
    assert "coastal" in bands


def test_spacenet_7_never_splits_a_site_by_month(tmp_path: Path):
    catalog = _read(write_spacenet7(tmp_path))
    assert [s.id for s in catalog.scenes] == [f"{site}/{month}" for site in SITES for month in MONTHS]
    assert [s.group for s in catalog.scenes] == [site for site in SITES for _ in MONTHS]
    assert {s.image.parent.name for s in catalog.scenes} == {"images_masked"}
    assert {s.label.path.parent.name for s in catalog.scenes if s.label} == {"labels"}
    assert [int((_indices(catalog, s) == 1).sum()) for s in catalog.scenes] == [3 * 5] * 3 + [3 * 4] * 3


def test_spacenet_7_has_matched_labels_and_images_with_clouds(tmp_path: Path):
    catalog = _read(write_spacenet7(tmp_path) / "train", images="images", labels="labels_match")
    assert {s.image.parent.name for s in catalog.scenes} == {"images"}
    assert {s.label.path.parent.name for s in catalog.scenes if s.label} == {"labels_match"}
    assert len(_read(tmp_path / "train" / SITES[0]).scenes) == 3


def test_what_another_version_has_is_refused(tmp_path: Path):
    write_spacenet1(tmp_path)
    with pytest.raises(ConfigError, match="SpaceNet 1 has no --images PAN; it has 3band, 8band"):
        _read(tmp_path, images="PAN")
    with pytest.raises(ConfigError, match="SpaceNet 1 has no --labels labels_match"):
        _read(tmp_path, labels="labels_match")


def test_what_has_no_partner_is_listed_on_both_sides(tmp_path: Path, notes: Notes):
    train = write_spacenet1(tmp_path) / "SN1_buildings" / "train"
    (train / "3band" / "3band_AOI_1_RIO_img2.tif").unlink()
    (train / "geojson" / "Geo_AOI_1_RIO_img10.geojson").unlink()
    with pytest.raises(CatalogError, match=r"2 file\(s\) have no partner of the same id: .*img10.tif, .*img2.geojson"):
        _read(tmp_path)
    assert len(_read(tmp_path, notes, allow_unmatched=True).scenes) == 2
    assert notes.problems[0].remedy == "they are left out"


def test_two_files_of_one_id_are_refused(tmp_path: Path):
    train = write_spacenet1(tmp_path) / "SN1_buildings" / "train"
    shutil.copy(train / "3band" / "3band_AOI_1_RIO_img2.tif", train / "3band" / "copy_AOI_1_RIO_img2.tif")
    with pytest.raises(CatalogError, match="two files of one id"):
        _read(tmp_path)


def test_a_folder_without_labels_is_named(tmp_path: Path):
    train = write_spacenet1(tmp_path / "data") / "SN1_buildings" / "train"
    shutil.rmtree(train / "geojson")
    with pytest.raises(CatalogError, match="train: lacks labels"):
        _read(tmp_path / "data" / "SN1_buildings")


def test_test_images_alone_have_no_labels(tmp_path: Path):
    write_spacenet1(tmp_path / "data")
    with pytest.raises(CatalogError, match="labels of test are not public"):
        _read(tmp_path / "data" / "SN1_buildings" / "test")


def test_folders_of_something_else_are_refused(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(CatalogError, match=r"has no folders of SpaceNet \(SpaceNet 2: RGB-PanSharpen.*beside"):
        _read(tmp_path)


def test_two_versions_at_once_are_refused(tmp_path: Path):
    write_spacenet1(tmp_path)
    write_spacenet2(tmp_path)
    with pytest.raises(CatalogError, match="holds SpaceNet 2 and SpaceNet 1; give the folder of one"):
        _read(tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not FIXTURE.is_dir(), reason="layout-fixtures-synthetic is not beside the checkout")
@pytest.mark.parametrize("kind", ["3band", "8band"])
def test_the_fixture_of_others_is_read(kind: str):
    catalog = _read(FIXTURE, images=kind)
    assert [s.id for s in catalog.scenes] == [f"AOI_1_img{n}" for n in (1, 2, 3, 4)]
    assert all((_indices(catalog, s) == 0).all() for s in catalog.scenes)  # its polygon lies beside its images
