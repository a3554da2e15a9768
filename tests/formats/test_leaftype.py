"""The leaf-type layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.errors import CatalogError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from hectares.monitor import QUIET
from layouts.leaftype import BARE, IDS, label_codes, write_leaftype

LAYOUT = find_format("leaftype")


def _read(source: Path, monitor: object = QUIET, **options: object) -> Catalog:
    return LAYOUT.read(source, SourceConfig(**options), monitor)


def test_pairs_are_found_by_id_and_grouped_by_cell(tmp_path: Path, notes: Notes):
    catalog = _read(write_leaftype(tmp_path), notes)
    assert [s.id for s in catalog.scenes] == list(IDS)
    assert [s.group for s in catalog.scenes] == ["32N-12E-230N"] * 3 + ["32N-13E-231N"] * 3
    assert all(s.image.parent.name == s.label.path.parent.name == s.id for s in catalog.scenes)
    assert {(s.split, s.gsd_m) for s in catalog.scenes} == {(None, 10)}
    assert notes.problems == []


def test_ids_with_underscores_are_the_same_ids(tmp_path: Path):
    write_leaftype(tmp_path)
    mixed = tmp_path / "labels" / IDS[2]
    mixed.rename(mixed.with_name(IDS[2].replace("-", "_")))
    assert [s.id for s in _read(tmp_path).scenes] == list(IDS)
    other = write_leaftype(tmp_path / "other", underscores=True)
    assert [(s.id, s.group) for s in _read(other).scenes] == [(name, name.split("_")[0]) for name in IDS]


@pytest.mark.parametrize("place", [".", "..", "images"])
def test_the_source_may_be_a_folder_above_or_below(tmp_path: Path, place: str):
    root = write_leaftype(tmp_path / "set" / "dlt_32N_07")
    assert len(_read((root / place).resolve()).scenes) == 6


def test_bands_are_numbered_from_one_and_named(tmp_path: Path):
    image = _read(write_leaftype(tmp_path)).scenes[0].images[0]
    with open_raster(image.path, names=image.bands, bands="4,3,2") as raster:
        chip = raster.read(raster.grid.window)
    assert raster.bands == ("B04", "B03", "B02")
    assert [np.unique(band).tolist() for band in chip.image] == [[4000], [3000], [2000]]
    with open_raster(image.path, names=image.bands) as raster:
        every = raster.read(raster.grid.window).image[:, 0, 0]
    assert every.tolist() == [1000 * b for b in range(1, 13)]
    assert "B10" not in image.bands


def test_codes_above_two_are_ignored(tmp_path: Path):
    catalog = _read(write_leaftype(tmp_path))
    assert catalog.legend.names == ("non-tree", "broadleaved", "coniferous")
    scene = next(s for s in catalog.scenes if s.id == BARE)
    with open_raster(scene.image) as image:
        indices = open_label(scene.label, catalog.legend, catalog.rules, image.grid).read(image.grid.window)
    expected = label_codes(BARE)
    expected[[5, 6], 7] = 255
    assert np.array_equal(indices, expected)


def test_pairs_that_are_not_complete_are_listed_on_both_sides(tmp_path: Path, notes: Notes):
    root = write_leaftype(tmp_path)
    (root / "images" / IDS[0] / "07.tif").rename(root / "images" / IDS[0] / "06.tif")
    (root / "images" / IDS[3] / "07.tif").unlink()
    (root / "images" / IDS[3]).rmdir()
    (root / "labels" / IDS[5] / "dlt.tif").unlink()
    (root / "labels" / "notes").mkdir()
    with pytest.raises(CatalogError) as error:
        _read(root)
    assert str(error.value) == (
        f"{root}: labels/notes is no id like 32N-12E-230N_01_15; images/{IDS[0]} lacks 07.tif; "
        f"{IDS[3]} has no image; labels/{IDS[5]} lacks dlt.tif; "
        "complete the pairs, or leave them out with --allow-unmatched"
    )
    assert [s.id for s in _read(root, notes, allow_unmatched=True).scenes] == [IDS[1], IDS[2], IDS[4]]
    assert len(notes.problems) == 1


def test_one_id_in_two_spellings_is_refused(tmp_path: Path):
    root = write_leaftype(tmp_path)
    write_leaftype(tmp_path, underscores=True)
    with pytest.raises(CatalogError, match=r"stands twice in .*images; keep one of them"):
        _read(root)


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"is no leaf-type data; expected images/ID/07\.tif"):
        _read(tmp_path)


def test_nothing_complete_is_refused(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(CatalogError, match="has no complete pair"):
        _read(tmp_path)


def test_files_may_be_written_in_capitals(tmp_path: Path):
    root = write_leaftype(tmp_path)
    for path in root.rglob("dlt.tif"):
        path.rename(path.with_name("DLT.TIF"))
    assert len(_read(root).scenes) == 6
