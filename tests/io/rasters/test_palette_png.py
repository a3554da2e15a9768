"""Class maps as PNG with a palette."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from factory import UTM
from hectares.config.verify import VerifyConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.seams import SeamCounter
from hectares.core.window import Window
from hectares.describe import describe_file
from hectares.errors import ArtefactError, HectaresError
from hectares.io.rasters.class_map import open_class_map, save_class_blocks, save_class_map, write_class_map
from hectares.io.rasters.palette_png import damage_of
from hectares.verify import verify_file

INDICES = np.array([[0, 1, 2, 2, 1], [255, 0, 0, 1, 1], [0, 0, 0, 2, 2]], np.uint8)
LEGEND = Legend.of({20: "Wald süß", 10: "forest", 35: "built-up"}, nodata=255)
NOWHERE = Grid(None, Affine.identity(), INDICES.shape)
WEST = Grid("EPSG:32633", UTM, INDICES.shape)
OWN_CRS = Grid("+proj=laea +lat_0=50.1 +lon_0=10 +ellps=bessel", UTM @ Affine.rotation(20), INDICES.shape)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a map without a place."""
    write_class_map(
        tmp_path / "map.png", INDICES, NOWHERE, LEGEND, {"version": "0.1.0", "scene": "ü.jpg"}, overwrite=False
    )
    return tmp_path / "map.png"


@pytest.mark.parametrize("grid", [NOWHERE, WEST, OWN_CRS, Grid(None, UTM, INDICES.shape)])
def test_codes_legend_provenance_and_place_come_back(tmp_path: Path, grid: Grid):
    provenance = {"version": "0.1.0", "scene": "ü.jpg"}
    write_class_map(tmp_path / "map.png", INDICES, grid, LEGEND, provenance, overwrite=False)
    with open_class_map(tmp_path / "map.png") as opened:
        assert np.array_equal(opened.read(opened.grid.window), INDICES)
        assert opened.legend == LEGEND
        assert opened.provenance == provenance
        assert opened.grid.crs == grid.crs
        assert opened.grid.transform.almost_equals(grid.transform, 1e-6)
    found = verify_file(tmp_path / "map.png", VerifyConfig())
    assert found.is_proven, found.mismatches


def test_the_picture_shows_the_colors_of_the_legend(path: Path):
    with Image.open(path) as picture:
        shown = np.asarray(picture.convert("RGBA"))
    assert [tuple(shown[0, 0]), tuple(shown[0, 1])] == [(*c.color, 255) for c in LEGEND.classes[:2]]
    assert shown[1, 0, 3] == 0


def test_world_file_and_prj_stand_beside_it_only_where_there_is_a_place(path: Path):
    names = {p.name for p in path.parent.iterdir()}
    assert names == {"map.png", "map.png.aux.xml"}
    write_class_map(path, INDICES, WEST, LEGEND, {}, overwrite=True)
    assert path.with_suffix(".pgw").read_text().split()[4:] == ["500125.0", "5000365.0"]
    assert path.with_suffix(".prj").read_text().startswith("PROJCS")
    with rasterio.open(path) as dataset:  # GDAL and QGIS look for the CRS in the .aux.xml
        assert dataset.crs.to_epsg() == int(str(WEST.crs).removeprefix("EPSG:"))
    write_class_map(path, INDICES, NOWHERE, LEGEND, {}, overwrite=True)
    assert {p.name for p in path.parent.iterdir()} == names


def test_info_reads_it(path: Path):
    found = describe_file(path)
    assert found["what"] == "class map"
    assert found["pixels"] == {20: 6, 10: 4, 35: 4}


def test_an_old_picture_is_kept_without_overwrite(path: Path):
    (path.parent / ".work").mkdir()
    with pytest.raises(ArtefactError, match="exists already"):
        save_class_map(path, path.parent / ".work", [], NOWHERE, LEGEND, {}, overwrite=False)


def test_every_changed_byte_is_noticed(path: Path):
    whole = path.read_bytes()
    assert damage_of(path) is None
    for position in range(0, len(whole), 7):
        content = bytearray(whole)
        content[position] ^= 4
        path.write_bytes(content)
        assert damage_of(path) is not None, position
    path.write_bytes(whole + b"x")
    assert damage_of(path) == f"bytes after the end, from {len(whole)}"


def test_a_damaged_picture_does_not_verify(path: Path):
    whole = path.read_bytes()
    for position in (3, 20, 40, whole.index(b"SEAL") + 30, len(whole) - 20):
        content = bytearray(whole)
        content[position] ^= 1
        path.write_bytes(content)
        with contextlib.suppress(HectaresError):
            assert not verify_file(path).is_proven


def test_seams_can_be_noted_in_it(tmp_path: Path):
    (tmp_path / ".work").mkdir()
    blocks = [(Window(0, 0, *INDICES.shape), LEGEND.decode(INDICES)[None])]
    seams = SeamCounter(INDICES.shape, [0], [0, 2])
    save_class_blocks(
        tmp_path / "map.png", tmp_path / ".work", blocks, NOWHERE, LEGEND, {}, overwrite=False, seams=seams
    )
    assert describe_file(tmp_path / "map.png")["seams"]["border_pairs"] == 3
