"""Scenes of several files as one source."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from factory import UTM, WriteRaster
from hectares.core.bands import BandPlan
from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import BandError, ConfigError, GridError, HectaresError
from hectares.io.catalog import ImageFile
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.scenes import open_scene

ALL = BandPlan()
HALF = UTM @ Affine.scale(2)


def image(bands: int = 3, shape: tuple[int, int] = (6, 8), dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 200, (bands, *shape)).astype(dtype)


def read(plan: BandPlan, *files: ImageFile, window: Window | None = None) -> tuple[np.ndarray, np.ndarray]:
    with open_scene(files, plan) as scene:
        chip = scene.read(window or scene.grid.window)
        assert chip.image.dtype == scene.dtype
        assert chip.image.shape[0] == len(scene.bands) == len(scene.depths)
        assert not chip.image[:, ~chip.valid].any()
        return chip.image, chip.valid


# --- One file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32", "float64"])
def test_a_single_file_is_read_as_it_is(write_raster: WriteRaster, dtype: str):
    valid = np.ones((6, 8), bool)
    valid[2, 3] = False
    path = write_raster("a.tif", image(dtype=dtype), nodata=0, valid=valid)
    with open_scene([ImageFile(path)], BandPlan("3,1")) as scene, open_raster(path, bands="3,1") as raster:
        for window in (scene.grid.window, Window(-1, 4, 4, 9), Window(50, 0, 2, 2)):
            chip, expected = scene.read(window), raster.read(window)
            assert np.array_equal(chip.image, expected.image)
            assert np.array_equal(chip.valid, expected.valid)
            assert chip.image.dtype == expected.image.dtype == scene.dtype == np.dtype(dtype)
        assert (scene.grid, scene.bands, scene.path, scene.facts) == (raster.grid, raster.bands, path, raster.facts)


def test_bands_are_named_by_the_catalog(write_raster: WriteRaster):
    path = write_raster("a.tif", image())
    with open_scene([ImageFile(path, ("nir", "red", "green"))], BandPlan("red,nir")) as scene:
        assert scene.bands == ("red", "nir")
        assert scene.available == ("nir", "red", "green")
        assert np.array_equal(scene.read(scene.grid.window).image, image()[[1, 0]])


def test_bands_can_be_chosen_again(write_raster: WriteRaster):
    path = write_raster("a.tif", image())
    with open_scene([ImageFile(path)], ALL) as scene:
        scene.choose(BandPlan("2"))
        assert np.array_equal(scene.read(scene.grid.window).image, image()[[1]])


def test_bands_that_are_not_there_are_refused(write_raster: WriteRaster):
    path = write_raster("a.tif", image())
    with pytest.raises(BandError, match=r"a\.tif: band 5 does not exist"):
        open_scene([ImageFile(path)], BandPlan("5"))


@pytest.mark.parametrize(("bands", "message"), [("0", "bands are numbered from 1"), ("2,2", "twice")])
def test_bands_that_no_file_could_have_are_refused_before_one_is_opened(bands: str, message: str):
    with pytest.raises(ConfigError, match=message):
        BandPlan(bands)


def test_depth_is_that_of_the_catalog_or_the_type(write_raster: WriteRaster):
    files = [
        ImageFile(write_raster("p.tif", image(1)), ("pan",), depth=11),
        ImageFile(write_raster("b.tif", image(1, dtype="uint8")), ("blue",)),
        ImageFile(write_raster("r.tif", image(1)), ("red",)),
        ImageFile(write_raster("h.tif", image(1, dtype="float32")), ("dsm",)),
        ImageFile(write_raster("i.tif", image(1, dtype="int16")), ("index",)),
    ]
    with open_scene(files, BandPlan("all", ("x=red/pan",))) as scene:
        assert scene.depths == (11, 8, 16, None, None, 0)


def test_a_place_comes_from_a_world_file_if_the_catalog_names_the_crs(write_raster: WriteRaster):
    path = write_raster("a.tif", image(), crs=None, transform=None)
    path.with_suffix(".tfw").write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")
    with open_scene([ImageFile(path, crs="EPSG:32633")], ALL) as scene:
        assert scene.grid == Grid("EPSG:32633", Affine(0.5, 0, 100, 0, -0.5, 200), (6, 8))
    with open_scene([ImageFile(path)], ALL) as scene:
        assert not scene.grid.is_georeferenced


def test_a_crs_of_the_catalog_adds_to_the_transform_of_the_file_but_replaces_nothing(write_raster: WriteRaster):
    bare = write_raster("a.tif", image(), crs=None)
    full = write_raster("b.tif", image(), crs="EPSG:32633")
    for path, crs in ((bare, "EPSG:25833"), (full, "EPSG:32633")):
        with open_scene([ImageFile(path, crs="EPSG:25833")], ALL) as scene:
            assert (scene.grid.crs, scene.grid.transform) == (crs, UTM)


# --- Several files on one grid ----------------------------------------------------------------------------


def test_bands_of_all_files_are_numbered_together_and_keep_their_order(write_raster: WriteRaster):
    rgb, more = image(), image(2, seed=1)
    files = [
        ImageFile(write_raster("a.tif", rgb), ("red", "green", "blue")),
        ImageFile(write_raster("b.tif", more), ("nir", "dsm")),
    ]
    out, valid = read(BandPlan("4,red,dsm,2"), *files)
    assert out.dtype == np.uint16
    assert np.array_equal(out, [more[0], rgb[0], more[1], rgb[1]])
    assert valid.all()


def test_files_of_different_types_become_float32(write_raster: WriteRaster):
    files = [
        ImageFile(write_raster("a.tif", image(dtype="uint8")), ("r", "g", "b")),
        ImageFile(write_raster("h.tif", image(1, dtype="float32") + 0.25), ("dsm",)),
    ]
    out, _ = read(ALL, *files)
    assert out.dtype == np.float32
    assert np.array_equal(out[3], image(1)[0] + 0.25)
    only, _ = read(BandPlan("b"), *files)
    assert only.dtype == np.uint8


def test_a_pixel_is_valid_if_all_chosen_bands_are(write_raster: WriteRaster):
    hole, dark = np.ones((6, 8), bool), np.ones((6, 8), bool)
    hole[1, 2], dark[4, 5] = False, False
    files = [
        ImageFile(write_raster("a.tif", image(), nodata=0, valid=hole), ("r", "g", "b")),
        ImageFile(write_raster("h.tif", image(1, dtype="float32"), valid=dark, valid_as="nan"), ("dsm",)),
    ]
    assert np.array_equal(read(ALL, *files)[1], hole & dark)
    assert np.array_equal(read(BandPlan("r,g"), *files)[1], hole)


def test_bands_with_one_name_are_refused_naming_both_files(write_raster: WriteRaster):
    files = [ImageFile(write_raster("a.tif", image())), ImageFile(write_raster("b.tif", image()))]
    with pytest.raises(BandError, match=r"b\.tif: has a band 'band_1' as .*a\.tif has.*catalog can give them"):
        open_scene(files, ALL)


def test_names_that_differ_only_in_case_are_refused(write_raster: WriteRaster):
    path = write_raster("a.tif", image(2))
    with pytest.raises(BandError, match="has a band 'NIR' twice"):
        open_scene([ImageFile(path, ("nir", "NIR"))], ALL)


def test_a_scene_without_files_is_refused():
    with pytest.raises(BandError, match="at least one image file"):
        open_scene([], ALL)


# --- Several files on several grids -----------------------------------------------------------------------


def test_a_coarser_file_is_brought_onto_the_grid_of_the_first(write_raster: WriteRaster):
    coarse = np.array([[[10, 20, 30, 40], [50, 60, 70, 80], [90, 100, 110, 120]]], np.uint16)
    files = [
        ImageFile(write_raster("a.tif", image(1)), ("fine",)),
        ImageFile(write_raster("b.tif", coarse, transform=HALF), ("coarse",)),
    ]
    out, valid = read(ALL, *files)
    assert valid.all()
    assert out.dtype == np.uint16
    assert np.array_equal(out[0], image(1)[0])
    # Centers at a quarter and three quarters between two coarse pixels; halves are rounded to even.
    assert out[1][0].tolist() == [10, 12, 18, 22, 28, 32, 38, 40]
    assert out[1][:, 0].tolist() == [10, 20, 40, 60, 80, 90]


def test_heights_are_resampled_without_rounding(write_raster: WriteRaster):
    files = [
        ImageFile(write_raster("a.tif", image(1, dtype="float32")), ("fine",)),
        ImageFile(write_raster("b.tif", np.array([[[0, 1]]], np.float32), transform=UTM @ Affine.scale(4, 6)), ("h",)),
    ]
    out, _ = read(ALL, *files)
    assert out[1][3].tolist() == [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]


def test_without_georeference_both_cover_the_same_ground(write_raster: WriteRaster):
    fine = image(1, (24, 32))
    files = [
        ImageFile(write_raster("a.tif", fine, crs=None, transform=None), ("fine",)),
        ImageFile(write_raster("b.tif", image(2, (6, 8)), crs=None, transform=None), ("m1", "m2")),
    ]
    out, valid = read(ALL, *files)
    assert valid.all()
    assert out[1, :2, :2].tolist() == [[image(2)[0, 0, 0]] * 2] * 2
    assert out.shape == (3, 24, 32)


def test_sizes_may_be_off_by_what_rounding_costs_but_no_more(write_raster: WriteRaster):
    fine = ImageFile(write_raster("a.tif", image(1, (200, 260)), crs=None, transform=None), ("fine",))
    for shape in ((8, 10), (50, 65), (199, 261), (100, 131)):
        coarse = write_raster("b.tif", image(1, shape), crs=None, transform=None)
        assert read(ALL, fine, ImageFile(coarse, ("coarse",)))[1].all()
    square = write_raster("c.tif", image(1, (50, 50)), crs=None, transform=None)
    with pytest.raises(GridError, match=r"c\.tif: with 50 x 50 px it cannot cover the same ground as a\.tif"):
        open_scene([fine, ImageFile(square, ("c",))], ALL)


def test_what_the_other_file_does_not_cover_is_not_valid(write_raster: WriteRaster):
    files = [
        ImageFile(write_raster("a.tif", image(1)), ("a",)),
        ImageFile(write_raster("b.tif", image(1, (3, 3)), transform=UTM @ Affine.translation(2, 4)), ("b",)),
    ]
    out, valid = read(ALL, *files)
    expected = np.zeros((6, 8), bool)
    expected[4:, 2:5] = True
    assert np.array_equal(valid, expected)
    assert np.array_equal(out[1, 4:, 2:5], image(1, (3, 3))[0, :2])


def test_content_that_lies_too_far_down_and_right_is_moved_back(write_raster: WriteRaster):
    content = image(1, (8, 9))[0]
    shifted = np.zeros((8, 9), np.uint16)
    shifted[1:, 2:] = content[:-1, :-2]
    files = [
        ImageFile(write_raster("a.tif", content), ("a",)),
        ImageFile(write_raster("b.tif", shifted), ("b",), shift_px=(1, 2)),
    ]
    out, valid = read(ALL, *files)
    assert np.array_equal(out[1][valid], content[valid])
    assert valid.sum() == 7 * 7


def test_a_shift_counts_in_pixels_of_its_own_file(write_raster: WriteRaster):
    ramp = np.tile(np.arange(8, dtype=np.float32) * 10, (1, 6, 1))
    plain = ImageFile(write_raster("b.tif", ramp, transform=HALF), ("b",))
    first = ImageFile(write_raster("a.tif", image(1, (12, 16), "float32")), ("a",))
    whole, _ = read(ALL, first, plain)
    moved, _ = read(ALL, first, replace(plain, shift_px=(0, 0.5)))
    assert np.allclose(moved[1, :, 2:12] - whole[1, :, 2:12], 5)


@pytest.mark.parametrize("transform", [HALF, UTM @ Affine.translation(0.3, -0.2), UTM @ Affine.scale(1 / 3)])
def test_windows_give_the_same_bits_as_the_whole(write_raster: WriteRaster, transform: Affine):
    rng = np.random.default_rng(4)
    files = [
        ImageFile(write_raster("a.tif", image(1, (20, 30), "float32")), ("a",)),
        ImageFile(
            write_raster(
                "b.tif",
                rng.random((2, 40, 50), np.float32),
                transform=transform,
                valid=rng.random((40, 50)) < 0.9,
                valid_as="nan",
            ),
            ("b", "c"),
        ),
    ]
    with open_scene(files, BandPlan("c,a", ("x=a/b",))) as scene:
        whole = scene.read(scene.grid.window)
        windows = [Window(r, c, 7, 9) for r in range(0, 14, 5) for c in range(0, 21, 6)]
        with ThreadPoolExecutor(4) as pool:
            chips = list(pool.map(scene.read, windows))
        for window, chip in zip(windows, chips, strict=True):
            assert np.array_equal(chip.image, whole.image[:, *window.slices])
            assert np.array_equal(chip.valid, whole.valid[window.slices])
        beyond = scene.read(Window(-2, 25, 5, 9))
        assert np.array_equal(beyond.image[:, 2:, :5], whole.image[:, :3, 25:])
        assert not beyond.valid[:2].any()
        assert not scene.read(Window(30, 40, 2, 2)).valid.any()


def test_files_that_lie_elsewhere_are_refused(write_raster: WriteRaster):
    first = ImageFile(write_raster("a.tif", image(1)), ("a",))
    far = write_raster("far.tif", image(1), transform=UTM @ Affine.translation(0, 100))
    with pytest.raises(GridError, match=r"far\.tif: lies elsewhere than a\.tif"):
        open_scene([first, ImageFile(far, ("b",))], ALL)
    turned = write_raster("turned.tif", image(1), rotation_deg=3)
    with pytest.raises(GridError, match=r"turned\.tif: is rotated against a\.tif; .*gdalwarp"):
        open_scene([first, ImageFile(turned, ("b",))], ALL)
    other = write_raster("other.tif", image(1), crs="EPSG:32632")
    with pytest.raises(GridError, match=r"other\.tif: is in EPSG:32632, a\.tif in EPSG:32633; .*-t_srs EPSG:32633"):
        open_scene([first, ImageFile(other, ("b",))], ALL)


def test_two_files_that_are_rotated_alike_fit(write_raster: WriteRaster):
    files = [
        ImageFile(write_raster("a.tif", image(1, (24, 32)), rotation_deg=20), ("a",)),
        ImageFile(
            write_raster("b.tif", image(1, (12, 16)), transform=UTM @ Affine.rotation(20) @ Affine.scale(2)), ("b",)
        ),
    ]
    assert read(ALL, *files)[1].all()


def test_damage_of_any_file_is_a_window_of_the_scene(write_raster: WriteRaster):
    coarse = write_raster("b.tif", image(1, (64, 64)), transform=HALF, tiled=True, blockxsize=32, blockysize=32)
    files = [ImageFile(write_raster("a.tif", image(1, (128, 128))), ("a",)), ImageFile(coarse, ("b",))]
    coarse.write_bytes(coarse.read_bytes()[:-100])
    with pytest.raises(HectaresError, match=r"b\.tif: pixels at row"), open_scene(files, ALL) as scene:
        scene.read(scene.grid.window)
    with open_scene(files, ALL, tolerate_damage=True) as scene:
        valid = scene.read(scene.grid.window).valid
        assert scene.damage == (Window(64, 64, 64, 64),)
    assert valid[:63, :63].all()
    assert not valid[66:, 66:].any()


# --- Indices ----------------------------------------------------------------------------------------------


def test_an_index_is_an_extra_band_from_bands_that_need_not_be_chosen(write_raster: WriteRaster):
    bands = np.stack([np.full((6, 8), v, np.uint16) for v in (3000, 1000, 500)])
    path = write_raster("a.tif", bands, names=["B08", "B04", "B03"])
    plan = BandPlan("B03", ("ndvi", "evi2=2.5*(nir-red)/(nir+2.4*red+1)"), 0.0001)
    with open_scene([ImageFile(path)], plan) as scene:
        chip = scene.read(Window(4, 6, 4, 4))
        assert scene.bands == ("B03", "ndvi", "evi2")
    assert chip.image.dtype == np.float32
    assert chip.image[:, 0, 0] == pytest.approx([500, 0.5, 2.5 * 0.2 / 1.54])
    assert chip.valid.tolist() == [[True, True, False, False]] * 2 + [[False] * 4] * 2


def test_where_an_index_is_not_defined_it_is_0_and_the_pixel_stays_valid(write_raster: WriteRaster):
    bands = np.array([[[6, 0, 2]], [[2, 0, 0]]], np.uint8)
    image = ImageFile(write_raster("a.tif", bands), ("nir", "red"))
    out, valid = read(BandPlan("nir", ("ndvi",)), image)
    assert valid.all()
    assert out[1].tolist() == [[0.5, 0, 1]]
    with open_scene([image], BandPlan("nir", ("ndvi",))) as scene:
        scene.read(Window(0, 0, 1, 3))
        assert scene.undefined == {"ndvi": 1}


def test_bands_of_files_of_other_pixel_size_meet_in_an_index(write_raster: WriteRaster):
    files = [
        ImageFile(write_raster("a.tif", np.full((1, 6, 8), 30, np.uint8)), ("red",)),
        ImageFile(write_raster("b.tif", np.full((1, 3, 4), 90, np.uint8), transform=HALF), ("nir",)),
    ]
    out, _ = read(BandPlan("all", ("ndvi",)), *files)
    assert out[2] == pytest.approx(np.full((6, 8), 0.5))


def test_reflectance_comes_from_the_plan_the_depth_or_the_file(write_raster: WriteRaster):
    bands = np.stack([np.full((2, 2), v, np.uint16) for v in (1500, 500, 300)])
    names = ("nir", "red", "blue")
    expected = [2.5 * (n - r) / (n + 6 * r - 7.5 * b + 1) for n, r, b in [bands[:, 0, 0] / 2047, bands[:, 0, 0] / 1e4]]
    path = write_raster("a.tif", bands)
    out, _ = read(BandPlan("nir", ("evi",)), ImageFile(path, names, depth=11))
    assert out[1, 0, 0] == pytest.approx(expected[0], rel=1e-5)
    out, _ = read(BandPlan("nir", ("evi",), 0.0001), ImageFile(path, names, depth=11))
    assert out[1, 0, 0] == pytest.approx(expected[1], rel=1e-5)
    scaled = declare(write_raster("s.tif", bands), scale=0.0001)
    for plan in (BandPlan("nir", ("evi",)), BandPlan("nir", ("evi",), 0.0001)):
        out, _ = read(plan, ImageFile(scaled, names))
        assert out[:, 0, 0] == pytest.approx([0.15, expected[1]], rel=1e-5)


def test_an_index_that_needs_reflectance_refuses_plain_integers(write_raster: WriteRaster):
    path = write_raster("a.tif", image(), names=["red", "nir", "blue"])
    with pytest.raises(BandError, match=r"a\.tif: index 'savi' needs reflectance .* uint16; .*--reflectance-scale"):
        open_scene([ImageFile(path)], BandPlan("all", ("savi",)))


def test_an_index_whose_bands_are_unknown_is_refused_naming_it(write_raster: WriteRaster):
    path = write_raster("a.tif", image(), names=["nir1", "B08", "red"])
    with pytest.raises(BandError, match=r"a\.tif: index 'ndvi': 'nir' may be the band nir1 or B08"):
        open_scene([ImageFile(path)], BandPlan("all", ("ndvi",)))
    with pytest.raises(BandError, match="has a band named 'red' already"):
        open_scene([ImageFile(path)], BandPlan("all", ("RED=nir1-red",)))


# --- Sentinel-2 baseline ----------------------------------------------------------------------------------


def declare(path: Path, *, scale: float = 1, offset: float = 0, **tags: str) -> Path:
    import rasterio

    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path, "r+") as file:
        file.update_tags(**tags)
        if (scale, offset) != (1, 0):
            file.scales, file.offsets = (scale,) * file.count, (offset,) * file.count
    return path


def sentinel(write_raster: WriteRaster, name: str = "s2.tif", **options: float | str) -> ImageFile:
    bands = np.array([[[0, 900, 1000, 3500]], [[0, 1200, 2000, 4000]]], np.uint16)
    path = write_raster(name, bands, names=["B04", "SCL"], nodata=0, valid=np.array([[False, True, True, True]]))
    return ImageFile(declare(path, **options))


@pytest.mark.parametrize(("baseline", "taken"), [("03.01", 0), ("04.00", 1000), ("05.11", 1000)])
def test_the_offset_is_taken_out_of_reflectance_only(write_raster: WriteRaster, baseline: str, taken: int):
    file = sentinel(write_raster, PROCESSING_BASELINE=baseline)
    out, valid = read(BandPlan(harmonize=True), file)
    assert out.dtype == np.uint16
    assert out[0, 0].tolist() == ([0, 0, 0, 2500] if taken else [0, 900, 1000, 3500])
    assert out[1, 0].tolist() == [0, 1200, 2000, 4000]
    assert valid.tolist() == [[False, True, True, True]]
    assert read(ALL, file)[0][0, 0, 3] == 3500


def test_scaled_values_are_harmonised_in_their_units_and_only_once(write_raster: WriteRaster):
    plain = sentinel(write_raster, "a.tif", scale=0.0001, PROCESSING_BASELINE="05.09")
    assert read(BandPlan(harmonize=True), plain)[0][0, 0].tolist() == pytest.approx([0, 0, 0, 0.25])
    applied = sentinel(write_raster, "b.tif", scale=0.0001, offset=-0.1, PROCESSING_BASELINE="05.09")
    assert read(BandPlan(harmonize=True), applied)[0][0, 0].tolist() == pytest.approx([0, -0.01, 0, 0.25])


def test_a_scene_whose_baseline_cannot_be_told_is_refused_but_heights_beside_it_are_not(write_raster: WriteRaster):
    with pytest.raises(BandError, match=r"s2\.tif: neither its tags .* --harmonize"):
        open_scene([sentinel(write_raster)], BandPlan(harmonize=True))
    file = sentinel(write_raster, PROCESSING_BASELINE="04.00")
    heights = ImageFile(write_raster("h.tif", np.full((1, 1, 4), 7, np.float32)), ("dsm",))
    assert read(BandPlan(harmonize=True), file, heights)[0][:, 0, 3].tolist() == [2500, 4000, 7]


def test_values_that_cannot_carry_the_offset_are_refused(write_raster: WriteRaster):
    path = declare(write_raster("a.tif", image(dtype="uint8")), PROCESSING_BASELINE="05.09")
    with pytest.raises(BandError, match=r"a\.tif: values of uint8 cannot carry the offset 1000"):
        open_scene([ImageFile(path)], BandPlan(harmonize=True))


# --- Real scenes ------------------------------------------------------------------------------------------

VEGAS = Path(__file__).parents[3] / "../shared/data/vegas-wv3/dstl_style"


@pytest.mark.data
@pytest.mark.skipif(not VEGAS.is_dir(), reason="needs the WorldView-3 scenes of Las Vegas beside the checkout")
def test_four_files_of_a_real_scene_become_one_stack():
    eight = ("coastal", "blue", "green", "yellow", "red", "red_edge", "nir1", "nir2")
    files = [
        ImageFile(VEGAS / "three_band/9001_0_0.tif", ("red", "green", "blue"), depth=11),
        ImageFile(VEGAS / "sixteen_band/9001_0_0_P.tif", ("pan",), depth=11),
        ImageFile(VEGAS / "sixteen_band/9001_0_0_M.tif", tuple(f"m_{name}" for name in eight), depth=11),
        ImageFile(VEGAS / "sixteen_band/9001_0_0_A.tif", tuple(f"a_{n}" for n in range(8)), depth=14),
    ]
    with open_scene(files, BandPlan("all", ("v=(m_nir2-red)/(m_nir2+red)",))) as scene:
        chip = scene.read(scene.grid.window)
        assert chip.image.shape == (21, *scene.grid.shape)
        assert chip.valid.all()
        assert scene.depths == (11,) * 12 + (14,) * 8 + (0,)
        red, m_red = chip.image[0], chip.image[scene.bands.index("m_red")]
        assert np.corrcoef(red.ravel(), m_red.ravel())[0, 1] > 0.8
        assert np.abs(chip.image[-1]).max() <= 1
