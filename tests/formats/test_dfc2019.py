"""Data Fusion Contest 2019."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.core.bands import BandPlan
from hectares.core.window import Window
from hectares.errors import CatalogError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.scenes import open_scene
from hectares.monitor import QUIET
from layouts.dfc2019 import VIEWS, heights, msi_values, write_dfc2019

LAYOUT = find_format("dfc2019")


def _read(source: Path, monitor: object = QUIET, **options: object) -> Catalog:
    return LAYOUT.read(source, SourceConfig(**options), monitor)


def test_views_of_one_tile_are_one_group(tmp_path: Path, notes: Notes):
    catalog = _read(write_dfc2019(tmp_path), notes)
    assert [(s.id, s.group) for s in catalog.scenes] == list(zip(VIEWS, ("JAX_001", "JAX_001", "OMA_002"), strict=True))
    assert {(s.split, s.gsd_m) for s in catalog.scenes} == {(None, 0.3)}
    assert all(s.id in s.image.name and s.id in s.label.path.name for s in catalog.scenes)
    assert notes.problems == []


def test_las_codes_are_classes_by_name(tmp_path: Path):
    catalog = _read(write_dfc2019(tmp_path))
    with open_raster(catalog.scenes[0].image) as raster:
        label = open_label(catalog.scenes[0].label, catalog.legend, catalog.rules, raster.grid)
    column = label.read(Window(0, 5, 64, 1))[::11, 0]
    label.close()
    names = [None if i == 255 else catalog.legend.names[i] for i in column]
    assert names == ["ground", "trees", "building", "water", "bridge or elevated road", None]
    assert catalog.legend.codes == (2, 5, 6, 9, 17)


def test_heights_are_joined_and_unknown_heights_are_not_valid(tmp_path: Path):
    catalog = _read(write_dfc2019(tmp_path), images="RGB+AGL")
    with open_scene(catalog.scenes[0].images, BandPlan()) as scene:
        assert scene.bands == ("red", "green", "blue", "height")
        chip = scene.read(scene.grid.window)
    assert np.array_equal(chip.valid, np.isfinite(heights()[0]))
    assert chip.image[:, 0, 0].tolist() == [90, 90, 90, 6.5]


def test_the_eight_bands_have_their_names(tmp_path: Path):
    catalog = _read(write_dfc2019(tmp_path), images="msi")
    with open_scene(catalog.scenes[0].images, BandPlan("nir1,coastal")) as scene:
        assert scene.read(Window(3, 5, 1, 1)).image.ravel().tolist() == [7005, 1005]


def test_a_file_whose_rows_are_pages_is_read_as_eight_bands(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    source = write_dfc2019(tmp_path)
    values = np.ascontiguousarray(msi_values().transpose(1, 2, 0))
    tifffile.imwrite(source / f"Train-Track1-MSI-1/{VIEWS[0]}_MSI.tif", values, photometric="minisblack")
    catalog = _read(source, images="MSI")
    with open_scene(catalog.scenes[0].images, BandPlan()) as scene:
        assert scene.bands == LAYOUT.bands["MSI"]
        assert np.array_equal(scene.read(scene.grid.window).image, msi_values())


def test_images_to_validate_without_labels_are_left_out(tmp_path: Path, notes: Notes):
    assert len(_read(write_dfc2019(tmp_path, hidden=True), notes).scenes) == 3
    assert notes.problems == []


def test_training_views_without_a_label_or_an_image_are_named(tmp_path: Path):
    source = write_dfc2019(tmp_path)
    (source / "Train-Track1-Truth/JAX_001_002_CLS.tif").unlink()
    (source / "Train-Track1-RGB/OMA_002_001_RGB.tif").unlink()
    with pytest.raises(
        CatalogError, match=r"1 without RGB: .*OMA_002_001_CLS\.tif; 1 without label: .*JAX_001_002_RGB"
    ):
        _read(source)
    assert [s.id for s in _read(source, allow_unmatched=True).scenes] == ["JAX_001_001"]


@pytest.mark.parametrize("place", [".", "..", "Train-Track1-RGB", "Train-Track1-Truth"])
def test_the_source_may_be_a_folder_above_or_below(tmp_path: Path, place: str):
    root = write_dfc2019(tmp_path / "set" / "dfc")
    assert len(_read((root / place).resolve()).scenes) == 3


def test_all_files_may_lie_in_one_folder(tmp_path: Path):
    source = write_dfc2019(tmp_path)
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in source.rglob("*.tif"):
        path.rename(flat / path.name.replace("_CLS", "_cls"))
    assert [s.id for s in _read(flat).scenes] == list(VIEWS)
