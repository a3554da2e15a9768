"""Images: each defect is found by its own check."""

import numpy as np
import pytest
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.doctor.pixels import PixelTally, examine_grid, scan_windows
from hectares.io.rasters.raster import open_raster

RNG = np.random.default_rng(2)
IMAGE = RNG.integers(20, 200, (3, 40, 50), np.uint8)


def examine(path):
    with open_raster(path, tolerate_damage=True) as raster:
        tally = PixelTally(raster, "s")
        for window in scan_windows(raster.grid.shape):
            tally.add(raster.read(window), window)
        return tally, list(tally.findings())


def test_an_image_without_defects_has_no_findings(write_raster):
    tally, findings = examine(write_raster("a.tif", IMAGE))
    assert findings == []
    assert tally.valid_px == 2000


def test_a_constant_band_is_named_with_its_value(write_raster):
    image = IMAGE.copy()
    image[1] = 7
    _, (finding,) = examine(write_raster("a.tif", image))
    assert (finding.check, finding.what) == ("constant band", "band green is 7 everywhere")


def test_the_bands_of_an_image_of_one_pixel_are_not_called_constant(write_raster):
    assert examine(write_raster("a.tif", np.array([[[3]], [[4]], [[5]]], np.uint8)))[1] == []


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_one_value_is_empty(write_raster, value):
    _, (finding,) = examine(write_raster("a.tif", np.full((3, 30, 30), value, np.uint8)))
    assert (finding.check, finding.severity) == ("empty image", "warning")
    assert finding.what == f"is {value} everywhere"


def test_an_image_of_nodata_is_empty(write_raster):
    _, (finding,) = examine(write_raster("a.tif", np.zeros((3, 30, 30), np.uint8), nodata=0))
    assert (finding.check, finding.severity) == ("empty image", "error")


def test_fill_that_nobody_declared_is_found_at_the_border(write_raster):
    image = IMAGE.copy()
    image[:, :, :5] = 0
    _, (finding,) = examine(write_raster("a.tif", image))
    assert finding.check == "undeclared fill"
    assert "value 0 fills 10.0% of the scene" in finding.what
    assert finding.count == 200


def test_fill_is_found_in_scenes_of_several_windows_and_of_one_band(write_raster):
    height = np.random.default_rng(1).random((1, 700, 40)).astype(np.float32)
    height[:, 600:] = -9999
    _, (finding,) = examine(write_raster("dsm.tif", height))
    assert (finding.check, finding.count) == ("undeclared fill", 4000)


def test_declared_nodata_is_no_fill_and_much_of_it_a_note(write_raster):
    image = IMAGE.copy()
    image[:, :30] = 0
    tally, (finding,) = examine(write_raster("a.tif", image, nodata=0))
    assert (finding.check, finding.severity, finding.what) == ("nodata", "note", "75% of it is nodata")
    assert tally.nodata_share == 0.75


def test_a_damaged_block_is_found_with_its_place(write_raster):
    path = write_raster("a.tif", RNG.integers(0, 255, (1, 512, 512), np.uint8), tiled=True, blockxsize=256,
                        blockysize=256, compress="deflate")  # fmt: skip
    content = bytearray(path.read_bytes())
    middle = len(content) * 5 // 8
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    _, findings = examine(path)
    assert [f.check for f in findings] == ["damage"]
    assert (findings[0].place.row, findings[0].place.col) == (256, 0)


def test_windows_of_a_scan_cover_a_scene_once():
    windows = scan_windows((1030, 9000))
    assert sum(w.pixels for w in windows) == 1030 * 9000
    assert windows[-1] == Window(1024, 8192, 6, 808)


@pytest.mark.parametrize(
    ("crs", "transform", "said"),
    [
        ("EPSG:4326", Affine(10, 0, 500_000, 0, -10, 5_000_000), "probably metres"),
        ("EPSG:4326", Affine(1, 0, 10, 0, -1, 50), "has pixels of"),
        ("EPSG:32633", Affine(1e-5, 0, 13.1, 0, -1e-5, 52.1), "has pixels of"),
        ("EPSG:32633", Affine(0.01, 0, 13.1, 0, -0.01, 52.1), "probably degrees"),
    ],
)
def test_degrees_taken_for_metres_are_found(crs, transform, said):
    (finding,) = examine_grid(Grid(crs, transform, (20, 20)), "a.tif", "s")
    assert finding.check == "units"
    assert said in finding.what


def test_usual_grids_have_no_findings():
    assert not list(examine_grid(Grid("EPSG:4326", Affine(1e-4, 0, 10, 0, -1e-4, 50), (20, 20)), "a", "s"))
    assert not list(examine_grid(Grid("EPSG:32633", Affine(0.05, 0, 4e5, 0, -0.05, 5e6), (20, 20)), "a", "s"))
    assert not list(examine_grid(Grid(None, Affine.identity(), (20, 20)), "a", "s"))
