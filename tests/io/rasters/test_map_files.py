"""What lies beside a class map, the seal inside of it, and how all of it is put in place."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import rio_cogeo

from factory import UTM, Notes
from hectares.core.grid import Grid
from hectares.core.legend import Legend, hex_color
from hectares.core.seams import SeamCounter
from hectares.core.window import Window
from hectares.errors import ArtefactError, RasterError
from hectares.io.artefact import sha256_file
from hectares.io.rasters import map_files as module
from hectares.io.rasters.class_map import open_class_map, save_class_blocks, save_class_map, write_class_map
from hectares.io.rasters.map_files import (
    PLACING,
    SEAL_TAG,
    check_map_target,
    side_cars,
    tags_fingerprint,
    tell_shared_name,
)
from hectares.io.rasters.style import shown_classes
from hectares.io.stac import recorded_hashes

INDICES = np.array([[0, 1, 2, 2, 1], [255, 0, 0, 1, 1], [0, 0, 0, 2, 2]], np.uint8)
GRID = Grid("EPSG:32633", UTM, INDICES.shape)
PIXELS = {20: 6, 10: 4, 35: 4, 255: 1}


@pytest.fixture
def saved(tmp_path: Path, legend: Legend) -> Path:
    """Give the file of a small class map."""
    return _save(tmp_path / "map.tif", legend)


def _save(target: Path, legend: Legend, *, overwrite: bool = False) -> Path:
    work = target.parent / ".work"
    work.mkdir(exist_ok=True)
    save_class_map(target, work, [legend.decode(INDICES)], GRID, legend, {"version": "1"}, overwrite=overwrite)
    return target


def test_style_and_attribute_table_name_all_classes(saved: Path, legend: Legend):
    expected = {c.code: (c.name, hex_color(c.color)) for c in legend.classes}
    paths = side_cars(saved)
    assert shown_classes(paths[".qml"]) == expected
    assert shown_classes(paths[".aux.xml"]) == expected
    entries = ET.parse(paths[".sld"]).getroot().iter("{http://www.opengis.net/sld}ColorMapEntry")
    assert {int(e.attrib["quantity"]): (e.attrib["label"], e.attrib["color"]) for e in entries} == expected
    assert paths[".clr"].read_text() == "10 0 120 10\n20 10 20 200\n35 200 30 20\n"


def test_gdal_reads_names_and_counts_from_the_attribute_table(saved: Path):
    gdal = ctypes.CDLL(str(next(Path(rasterio.__file__).parents[1].glob("rasterio.libs/libgdal*"), "missing")))
    for name in ("GDALOpen", "GDALGetRasterBand", "GDALGetDefaultRAT", "GDALRATGetValueAsString"):
        getattr(gdal, name).restype = ctypes.c_void_p
    gdal.GDALAllRegister()
    dataset = ctypes.c_void_p(gdal.GDALOpen(str(saved).encode(), 0))
    table = ctypes.c_void_p(gdal.GDALGetDefaultRAT(ctypes.c_void_p(gdal.GDALGetRasterBand(dataset, 1))))
    cells = [
        [ctypes.string_at(gdal.GDALRATGetValueAsString(table, row, column)).decode() for column in range(3)]
        for row in range(gdal.GDALRATGetRowCount(table))
    ]
    gdal.GDALClose(dataset)
    assert cells == [["10", "4", "forest"], ["20", "6", "water"], ["35", "4", "built-up"]]


def test_a_map_with_its_side_cars_stays_a_valid_cog(saved: Path):
    assert rio_cogeo.cog_validate(saved) == (True, [], [])


def test_the_item_holds_the_hash_of_every_file(saved: Path):
    found = recorded_hashes(json.loads(side_cars(saved)[".stac.json"].read_text()))
    files = {p.name for p in saved.parent.iterdir() if p.is_file()} - {"map.stac.json"}
    assert found == {name: sha256_file(saved.parent / name) for name in files}


def test_the_seal_fits_the_map(saved: Path):
    with open_class_map(saved) as opened:
        assert opened.seal is not None
        assert opened.seal.pixels == PIXELS
        assert opened.seal.seams is None
        assert opened.seal.tags == tags_fingerprint(opened.grid, opened.legend, opened.provenance)


def test_a_changed_seal_is_refused(saved: Path):
    with rasterio.open(saved, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        tag = dataset.tags()[SEAL_TAG]
        dataset.update_tags(**{SEAL_TAG: tag.replace('"20":6', '"20":7').replace('"20": 6', '"20": 7')})
    with open_class_map(saved) as opened, pytest.raises(ArtefactError, match="HECTARES_SEAL was changed"):
        _ = opened.seal


def test_seams_between_tiles_are_noted_in_the_map(tmp_path: Path, legend: Legend):
    (tmp_path / ".work").mkdir()
    blocks = [(Window(0, 0, *INDICES.shape), legend.decode(INDICES)[None])]
    seams = SeamCounter(INDICES.shape, [0], [0, 2])
    save_class_blocks(tmp_path / "map.tif", tmp_path / ".work", blocks, GRID, legend, {}, overwrite=False, seams=seams)
    with open_class_map(tmp_path / "map.tif") as opened:
        assert opened.seal is not None
        assert opened.seal.seams is not None
        assert (opened.seal.seams["border_pairs"], opened.seal.seams["border_changes"]) == (3, 1)


def test_a_header_that_cannot_be_understood_is_refused_in_a_sentence(saved: Path):
    content = bytearray(saved.read_bytes())
    entry = content.index(b"\x42\x01\x03\x00\x01\x00\x00\x00")  # tag 322, the width of tiles: one number
    content[entry + 4] = 9
    saved.write_bytes(content)
    with pytest.raises(RasterError, match=r"map\.tif"):
        open_class_map(saved)


# --- In place, or not -------------------------------------------------------------------------------------


@pytest.mark.parametrize("renames", range(6))
def test_a_run_killed_between_two_renames_is_finished_by_the_same_command(
    tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch, tree_of, renames: int
):
    (tmp_path / "whole").mkdir()
    _save(tmp_path / "whole" / "map.tif", legend)
    folder = tmp_path / "killed"
    folder.mkdir()
    commit, done = module.commit_file, []

    def kill(work: Path, target: Path) -> None:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        commit(work, target)

    with monkeypatch.context() as patched:
        patched.setattr(module, "commit_file", kill)
        with pytest.raises(KeyboardInterrupt):
            _save(folder / "map.tif", legend)
    assert not (folder / "map.tif").exists()
    _save(folder / "map.tif", legend)
    left, expected = tree_of(folder), tree_of(tmp_path / "whole")
    assert {k: v for k, v in left.items() if "/" not in k} == {k: v for k, v in expected.items() if "/" not in k}


@pytest.mark.parametrize("suffix", [".qml", ".sld", ".clr", ".stac.json"])
def test_a_file_beside_the_map_that_nobody_knows_is_kept(tmp_path: Path, legend: Legend, suffix: str):
    mine = tmp_path / f"map{suffix}"
    mine.write_text("mine")
    with pytest.raises(ArtefactError, match="exists already"):
        _save(tmp_path / "map.tif", legend)
    assert mine.read_text() == "mine"


def test_the_item_of_another_tool_is_not_replaced_even_with_overwrite(tmp_path: Path, legend: Legend):
    (tmp_path / "map.stac.json").write_text('{"type": "Feature", "properties": {}}')
    with pytest.raises(ArtefactError, match="did not write"):
        _save(tmp_path / "map.tif", legend, overwrite=True)


@pytest.mark.parametrize(("target", "scene", "told"), [
    ("map.tif", "map.jpg", True),
    ("map.tif", "scene.jpg", False),
    ("map.tif", "elsewhere/map.jpg", False),
    ("map.png", "map.jpg", False),
])  # fmt: skip
def test_a_scene_that_would_be_shown_in_the_style_of_its_map_is_told_about(
    tmp_path: Path, notes: Notes, target: str, scene: str, told: bool
):
    tell_shared_name(tmp_path / target, [tmp_path / scene], notes)
    found = [(Path(p.where).name, p.severity) for p in notes.problems]
    assert found == [("map.qml", "note")] * told


def test_side_cars_of_the_old_map_are_replaced(tmp_path: Path, legend: Legend, tree_of):
    (tmp_path / "new").mkdir()
    (tmp_path / "both").mkdir()
    other = Legend.of({7: "x", 8: "y", 9: "z"}, nodata=255)
    write_class_map(
        tmp_path / "both" / "map.tif", INDICES[:2], GRID.crop(Window(0, 0, 2, 5)), other, {}, overwrite=False
    )
    for name in ("new", "both"):
        write_class_map(tmp_path / name / "map.tif", INDICES, GRID, legend, {}, overwrite=name == "both")
    assert tree_of(tmp_path / "new") == tree_of(tmp_path / "both")


def test_the_mark_of_a_killed_run_lets_its_side_cars_through(tmp_path: Path):
    (tmp_path / "map.sld").write_text("left")
    with pytest.raises(ArtefactError, match="exists already"):
        check_map_target(tmp_path / "map.tif", overwrite=False, work=tmp_path)
    (tmp_path / PLACING).touch()
    check_map_target(tmp_path / "map.tif", overwrite=False, work=tmp_path)
