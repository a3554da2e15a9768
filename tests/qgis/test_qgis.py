"""Our files in QGIS itself, without a window. Skipped where the system's Python has no QGIS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from hectares.config.sample import SampleConfig
from hectares.config.vectorize import VectorizeConfig
from hectares.core.drift import ValueRange
from hectares.core.grid import Grid
from hectares.core.legend import LandClass, Legend
from hectares.core.scene import ArraySource
from hectares.io.rasters.class_map import write_class_map
from hectares.io.scene_values import RangeRaster, range_file
from hectares.monitor import QUIET
from hectares.sample import sample_map
from hectares.vectorize import vectorize_map

PYTHON = Path("/usr/bin/python3")  # QGIS comes with the packages of the system, never with ours
SCRIPT = Path(__file__).with_name("opened.py")
PATIENCE_S = 120
LEGEND = Legend(
    (
        LandClass(20, "water", (10, 20, 200)),
        LandClass(3, 'bâti & "cour"', (200, 30, 20)),
        LandClass(7, "a<b", (0, 90, 0)),
    )
)
BLOCKS = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 255, 2], [2, 2, 0, 0, 0]], np.uint8)
BLOCK_PX = 12
EAST, NORTH = 330_000.0, 7_500_000.0
GRIDS = {
    "south": ("EPSG:32720", Affine(2, 0, EAST, 0, -2, NORTH)),
    "upward": ("EPSG:32720", Affine(2, 0, EAST, 0, 2, NORTH)),
    "turned": ("EPSG:32720", Affine.translation(EAST, NORTH) @ Affine.rotation(25) @ Affine.scale(2, -2)),
    "custom": ("+proj=laea +lat_0=-10 +lon_0=25 +x_0=100 +datum=WGS84 +units=m", Affine(2, 0, 500, 0, -2, 900)),
    "beyond_180": ("EPSG:4326", Affine(1e-5, 0, 179.9996, 0, -1e-5, -16.5)),
    "nowhere": (None, Affine.identity()),
}
PICTURES = {"south", "custom"}
BESIDE = (".fgb", ".geojson", ".shp")


@dataclass(frozen=True)
class Opened:
    """What QGIS said, by folder and file, and what it complained of."""

    files: Mapping[str, dict[str, Any]]
    errors: str


def centers(transform: Affine) -> list[tuple[float, float]]:
    rows, cols = np.indices(BLOCKS.shape)
    return [
        transform @ ((c + 0.5) * BLOCK_PX, (r + 0.5) * BLOCK_PX)
        for r, c in zip(rows.ravel().tolist(), cols.ravel().tolist(), strict=True)
    ]


def write_files(folder: Path, crs: str | None, transform: Affine) -> dict[str, Any]:
    """Write the files of one grid, and give what QGIS is to be asked about them."""
    indices = np.kron(BLOCKS, np.ones((BLOCK_PX, BLOCK_PX), np.uint8))
    grid = Grid(crs, transform, indices.shape)
    rasters = [folder / name for name in ("map.tif", "picture.png")[: 2 if folder.name in PICTURES else 1]]
    for path in rasters:
        write_class_map(path, indices, grid, LEGEND, {}, overwrite=False)
    found = [folder / "inside.gpkg"] + [folder / f"beside{s}" for s in BESIDE if folder.name in {"south", "beyond_180"}]
    found += [folder / "map.fgb"] * (folder.name == "south")  # whose style is that of the map
    for path in found:
        config = VectorizeConfig(gsd_m=None if crs else 2)
        vectorize_map(folder / "map.tif", path, config, overwrite=True)
    samples = []
    if folder.name == "south":
        samples = [folder / "sample.gpkg"]
        sample_map(folder / "map.tif", samples[0], SampleConfig(size=30, min_per_class=2))
        usual = RangeRaster(ValueRange((1.0,), (1.5,)), ("red",), {})
        mask = range_file(folder / "map.tif")
        work = folder / "work"
        work.mkdir()
        valid = indices != 255
        usual.save(mask, work, ArraySource(indices[None].astype(np.float32), grid, ("red",), valid), QUIET)
        rasters.append(mask)
    asked = {"rasters": rasters, "polygons": found, "samples": samples}
    shown = (
        transform if crs else Affine(1, 0, 0, 0, -1, 0)
    )  # QGIS lets rows of an image without a place count downwards
    return {"crs": crs or "", "points": centers(shown)} | {k: [str(p) for p in v] for k, v in asked.items()}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    home = tmp_path_factory.mktemp("home")
    env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "QT_QPA_PLATFORM": "offscreen", "LC_ALL": "C.UTF-8"}
    probe = [str(PYTHON), "-c", "import qgis.core, osgeo.gdal"]
    if not PYTHON.exists() or subprocess.run(probe, env=env, check=False, capture_output=True).returncode:
        pytest.skip(f"{PYTHON} cannot import qgis.core: no QGIS here (Debian: python3-qgis, qgis-providers)")
    request = {}
    for name, (crs, transform) in GRIDS.items():
        folder = tmp_path_factory.mktemp(name, numbered=False)
        request[name] = write_files(folder, crs, transform)
    asked = home / "request.json"
    asked.write_text(json.dumps(request), encoding="utf-8")
    command = [str(PYTHON), str(SCRIPT), str(asked)]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "\nfound:" in done.stdout, done.stderr
    return Opened(json.loads(done.stdout.partition("\nfound:")[2]), done.stderr)


CLASSES = sorted([c.code, c.name, "#{:02x}{:02x}{:02x}".format(*c.color)] for c in LEGEND.classes)
CODES = [None if i == 255 else LEGEND.codes[i] for i in BLOCKS.ravel().tolist()]


def colors_close(found: list[str], *, alpha: int) -> bool:
    """Tell if each block has the color of its class, as opaque as that; nothing is drawn where there is no class."""
    for code, color in zip(CODES, found, strict=True):
        argb = bytes.fromhex(color[1:])
        if code is None:
            if argb[0]:
                return False
        else:
            wanted = (alpha, *LEGEND.classes[LEGEND.codes.index(code)].color)
            if max(abs(a - b) for a, b in zip(argb, wanted, strict=True)) > 3:  # 8 bits, premultiplied and back
                return False
    return True


def test_a_map_opens_paletted_with_the_names_and_colors_of_the_legend(opened: Opened):
    found = opened.files["south/map.tif"]
    assert found["renderer"] == "paletted"
    assert sorted(found["classes"]) == [[code, label, color, 255] for code, label, color in CLASSES]


def test_a_map_as_picture_has_names_among_the_256_colors_of_its_palette(opened: Opened):
    found = opened.files["south/picture.png"]
    assert found["renderer"] == "paletted"
    assert [c for c in found["classes"] if c[0] in LEGEND.codes] == [[*c, 255] for c in CLASSES]
    assert colors_close(found["drawn"], alpha=255)


@pytest.mark.parametrize("grid", [g for g in GRIDS if g != "turned"])
def test_a_map_is_drawn_where_it_is_and_nodata_is_transparent(opened: Opened, grid: str):
    assert colors_close(opened.files[f"{grid}/map.tif"]["drawn"], alpha=255)


def test_a_turned_map_is_drawn_where_it_is(opened: Opened):
    assert colors_close(opened.files["turned/map.tif"]["drawn"], alpha=255)


@pytest.mark.parametrize("grid", GRIDS)
def test_maps_and_polygons_have_their_crs(opened: Opened, grid: str):
    crs = GRIDS[grid][0]
    files = [f for name, f in opened.files.items() if name.startswith(f"{grid}/") and not name.endswith(".geojson")]
    assert len(files) >= 2
    assert all(f["valid"] for f in files)
    if crs is None:
        assert not any(f["crs"] for f in files)
    elif crs.startswith("EPSG"):
        assert {f["crs"] for f in files} == {crs}
    else:
        assert all(f["proj"].startswith("+proj=laea +lat_0=-10 +lon_0=25 +x_0=100 ") for f in files)


def test_class_names_are_in_the_attribute_table(opened: Opened):
    for name in ("map.tif", "picture.png"):
        found = opened.files[f"south/{name}"]
        assert found["table"] == [[str(code), label] for code, label, _ in CLASSES]
        assert [label for label in found["names"] if label] == [label for _, label, _ in CLASSES]


@pytest.mark.parametrize("grid", GRIDS)
def test_polygons_lie_over_the_pixels_of_their_class_in_its_color(opened: Opened, grid: str):
    files = {n: f for n, f in opened.files.items() if n.startswith(f"{grid}/") and "codes" in f}
    assert len(files) >= (5 if grid == "south" else 1)
    for name, found in files.items():
        assert found["codes"] == [[] if code is None else [code] for code in CODES], name
        assert found["renderer"] == "categorizedSymbol", name
        assert sorted(found["classes"]) == CLASSES, name
        if name != "beyond_180/beside.geojson":  # cut there, it is as wide as the world
            assert colors_close(found["drawn"], alpha=round(0.7 * 255)), name


def test_values_out_of_range_are_a_colored_layer_over_the_scene(opened: Opened):
    found = opened.files["south/map.out-of-range.tif"]
    assert [(c[0], c[1], c[3]) for c in found["classes"]] == [(0, "as in training", 0), (1, "out of range", 255)]
    assert [argb[1:3] for argb in found["drawn"]] == ["ff" if i in {0, 2} else "00" for i in BLOCKS.ravel().tolist()]


def test_points_of_a_sample_have_numbers_and_classes_to_choose_from(opened: Opened):
    found = opened.files["south/sample.gpkg"]
    assert (found["count"], found["renderer"], found["rules"]) == (30, "RuleRenderer", ["to label", "labelled"])
    assert (found["labels"], found["text"]) == ("id", "#ffc800")
    assert found["choices"] == list(LEGEND.names)


def test_nothing_is_said_about_files_of_a_newer_version(opened: Opened):
    assert "partially supported" not in opened.errors
