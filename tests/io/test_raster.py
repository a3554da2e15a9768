"""The door for rasters: what is refused, what is valid, and that nothing beside a file counts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from factory import UTM, WriteRaster
from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import BandError, RasterError
from hectares.io.raster import MAX_PIXELS, open_raster

IMAGE = (np.arange(5 * 7, dtype=np.uint8).reshape(5, 7) * 3 + 7)[None] + np.array([0, 50, 100], np.uint8)[:, None, None]
VALID = np.ones((5, 7), bool)
VALID[1:3, 4] = VALID[4, 0] = False


# --- Impostors --------------------------------------------------------------------------------------------

VRT = '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'

IMPOSTORS = {
    "empty": (b"", "is empty"),
    "html": (b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>", "is a web page"),
    "html without doctype": (b"<html><head>", "is a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "is a git-lfs pointer"),
    "vrt": (VRT.encode(), "is a VRT"),
    "vrt with prolog": (b'\xef\xbb\xbf<?xml version="1.0"?>\n' + VRT.encode(), "is a VRT"),
    "text": (b"scene, taken in May", "is not an image"),
    "zeros": (bytes(4096), "holds only zeros"),
    "gif": (b"GIF89a\x01\x00\x01\x00\x80\x00\x00", "is not an image"),
}


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_impostors_are_named(tmp_path: Path, kind: str):
    content, message = IMPOSTORS[kind]
    path = tmp_path / "scene.tif"
    path.write_bytes(content)
    with pytest.raises(RasterError, match=rf"scene\.tif: {message}"):
        open_raster(path)


@pytest.mark.parametrize("head", [b"II*\x00", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_right_beginning_does_not_make_an_image(tmp_path: Path, head: bytes):
    path = tmp_path / "scene.tif"
    path.write_bytes(head + b"nothing more")
    with pytest.raises(RasterError, match="cannot be opened as"):
        open_raster(path)


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(RasterError, match="is a folder"):
        open_raster(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(RasterError, match=r"no\.tif: there is no such file"):
        open_raster(tmp_path / "no.tif")


def test_a_dangling_link_is_refused(tmp_path: Path):
    (tmp_path / "link.tif").symlink_to(tmp_path / "gone.tif")
    with pytest.raises(RasterError, match="there is no such file"):
        open_raster(tmp_path / "link.tif")


def test_a_link_to_itself_is_refused(tmp_path: Path):
    (tmp_path / "loop.tif").symlink_to(tmp_path / "loop.tif")
    with pytest.raises(RasterError, match="cannot be read"):
        open_raster(tmp_path / "loop.tif")


def test_a_pipe_is_refused_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(RasterError, match="not a regular file"):
        open_raster(tmp_path / "pipe.tif")


@pytest.mark.parametrize(
    "path",
    ["https://example.org/a.tif", "/vsicurl/https://example.org/a.tif", "zip://a.zip!b.tif", "GTIFF_DIR:2:a.tif", VRT],
)
def test_what_is_no_local_path_is_refused(path: str):
    with pytest.raises(RasterError, match="only local files are read"):
        open_raster(path)


def test_several_pages_are_refused(tmp_path: Path):
    from PIL import Image

    pages = [Image.fromarray(IMAGE[i]) for i in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(RasterError, match="holds 3 pages"):
        open_raster(tmp_path / "pages.tif")


def test_complex_values_are_refused(write_raster: WriteRaster):
    path = write_raster("a.tif", np.ones((1, 5, 7), np.complex64))
    with pytest.raises(RasterError, match="expected one real type"):
        open_raster(path)


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path):
    side = int(MAX_PIXELS**0.5) + 16
    head = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    head |= {"transform": UTM, "tiled": True, "blockxsize": 16_384, "blockysize": 16_384, "sparse_ok": True}
    with rasterio.open(tmp_path / "huge.tif", "w", bigtiff="YES", **head):
        pass
    with pytest.raises(RasterError, match="crop it first"):
        open_raster(tmp_path / "huge.tif")


def test_a_huge_block_is_refused(tmp_path: Path):
    head = {"driver": "GTiff", "width": 30_000, "height": 20_000, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    head |= {"transform": UTM, "tiled": True, "blockxsize": 30_000 // 16 * 16, "blockysize": 20_000, "sparse_ok": True}
    with rasterio.open(tmp_path / "block.tif", "w", compress="DEFLATE", **head):
        pass
    with pytest.raises(RasterError, match=r"blocks of 20000 x 30000 px .* tiled"):
        open_raster(tmp_path / "block.tif")


def test_a_palette_of_16_bit_is_read(write_raster: WriteRaster):
    path = write_raster("a.tif", INDEX.astype(np.uint16) * 300, palette={0: (1, 2, 3), 300: (9, 8, 7), 600: (4, 5, 6)})
    with open_raster(path) as raster:
        assert raster.read(Window(0, 0, 1, 3)).image.ravel().tolist() == [1, 9, 4, 2, 8, 5, 3, 7, 6]


# --- Facts and pixels -------------------------------------------------------------------------------------


def test_pixels_come_back_as_written(write_raster: WriteRaster):
    path = write_raster("a.tif", IMAGE)
    with open_raster(path) as raster:
        chip = raster.read(raster.grid.window)
        assert np.array_equal(chip.image, IMAGE)
        assert (chip.image.dtype, chip.valid.dtype) == (np.uint8, np.bool_)
        assert chip.valid.all()
        assert raster.grid == Grid("EPSG:32633", UTM, (5, 7))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_the_type_is_kept(write_raster: WriteRaster, dtype: str):
    path = write_raster("a.tif", IMAGE.astype(dtype))
    with open_raster(path) as raster:
        assert raster.read(Window(0, 0, 2, 3)).image.dtype == np.dtype(dtype) == raster.dtype


@pytest.mark.parametrize("code", [3857, 32633, 2263, 3035, 3413, 3031, 4326, 25832, 2056, 31467])
def test_the_crs_survives_a_file(write_raster: WriteRaster, code: int):
    path = write_raster("a.tif", IMAGE, crs=f"EPSG:{code}", transform=Affine(0.1, 0, 12, 0, -0.1, 50))
    with open_raster(path) as raster:
        assert raster.grid.crs == f"EPSG:{code}"


@pytest.mark.parametrize("transform", [UTM @ Affine.rotation(30), Affine(10, 0, 500_120, 0, 20, 5_000_370)])
def test_rotated_and_south_up_grids_are_kept(write_raster: WriteRaster, transform: Affine):
    with open_raster(write_raster("a.tif", IMAGE, transform=transform)) as raster:
        assert raster.grid.transform.almost_equals(transform, 1e-9)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_pictures_have_no_place(write_raster: WriteRaster, name: str):
    with open_raster(write_raster(name, IMAGE)) as raster:
        assert raster.grid == Grid(None, Affine.identity(), (5, 7))
        assert raster.bands == ("red", "green", "blue")


def test_16_bit_png_is_read_at_its_depth(write_raster: WriteRaster):
    image = np.array([[[0, 300, 65_535], [1, 255, 256]]], np.uint16)
    with open_raster(write_raster("a.png", image)) as raster:
        assert raster.read(raster.grid.window).image.tolist() == image.tolist()


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_red_stays_red(write_raster: WriteRaster, name: str):
    red = np.zeros((3, 16, 8), np.uint8)
    red[0] = 250
    with open_raster(write_raster(name, red)) as raster:
        pixel = raster.read(Window(3, 4, 1, 1)).image[:, 0, 0]
        first = raster.bands[0] if name == "a.tif" else "red"
    assert pixel[0] > 240
    assert pixel[1:].max() < 10
    assert first in {"red", "band_1"}


def test_blue_first_is_not_called_red(write_raster: WriteRaster):
    order = [ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    with open_raster(write_raster("a.tif", IMAGE, colors=order, photometric="MINISBLACK"), bands="red") as raster:
        assert np.array_equal(raster.read(raster.grid.window).image[0], IMAGE[2])


def test_names_of_bands_come_from_the_file(write_raster: WriteRaster):
    with open_raster(write_raster("a.tif", IMAGE, names=["nir", "red", "swir"])) as raster:
        assert raster.bands == ("nir", "red", "swir")


def test_names_that_repeat_are_not_used(write_raster: WriteRaster):
    path = write_raster("a.tif", IMAGE, names=["nir", "nir", "swir"], photometric="MINISBLACK")
    with open_raster(path) as raster:
        assert raster.bands == ("band_1", "band_2", "band_3")


def test_bands_are_read_in_the_wanted_order(write_raster: WriteRaster):
    with open_raster(write_raster("a.tif", IMAGE, names=["a", "b", "c"]), bands="3,1") as raster:
        assert raster.bands == ("c", "a")
        assert np.array_equal(raster.read(raster.grid.window).image, IMAGE[[2, 0]])


@pytest.mark.parametrize("bands", ["4,3,2", "all"])
def test_twelve_constant_bands(write_raster: WriteRaster, bands: str):
    image = np.arange(1, 13, dtype=np.uint16)[:, None, None] * np.ones((5, 7), np.uint16)
    with open_raster(write_raster("a.tif", image), bands=bands) as raster:
        found = raster.read(Window(1, 2, 1, 1)).image.ravel().tolist()
    assert found == ([4, 3, 2] if bands == "4,3,2" else list(range(1, 13)))


def test_missing_bands_are_refused_naming_the_file(write_raster: WriteRaster):
    with pytest.raises(BandError, match=r"a\.tif: band 4 does not exist; there are 3 bands"):
        open_raster(write_raster("a.tif", IMAGE), bands="4,3,2")


@pytest.mark.parametrize(
    "window", [Window(-2, -3, 5, 5), Window(3, 5, 6, 6), Window(-1, -1, 9, 9), Window(90, 0, 2, 3)]
)
def test_a_window_beyond_the_edge_is_not_valid_there(write_raster: WriteRaster, window: Window):
    with open_raster(write_raster("a.tif", IMAGE)) as raster:
        chip = raster.read(window)
    padded = np.pad(IMAGE, ((0, 0), (10, 100), (10, 10)))
    assert np.array_equal(chip.image, padded[:, *window.shift(10, 10).slices])
    assert np.array_equal(chip.valid, np.pad(np.ones((5, 7), bool), ((10, 100), (10, 10)))[window.shift(10, 10).slices])


# --- Validity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "dtype", "nodata"),
    [
        ("tag", "uint8", 0),
        ("tag", "uint8", 255),
        ("tag", "int16", -9999),
        ("tag", "float32", -3.4028234663852886e38),
        ("tag", "float32", float("nan")),
        ("alpha", "uint8", None),
        ("alpha", "uint16", None),
        ("mask", "uint8", None),
        ("mask", "float32", None),
        ("nan", "float32", None),
    ],
)
def test_every_kind_of_nodata_becomes_the_valid_mask(
    write_raster: WriteRaster, kind: str, dtype: str, nodata: float | None
):
    image = np.minimum(IMAGE, 240).astype(dtype)
    path = write_raster("a.tif", image, nodata=nodata, valid=VALID, valid_as=kind)
    with open_raster(path) as raster:
        chip = raster.read(raster.grid.window)
    assert np.array_equal(chip.valid, VALID)
    assert np.array_equal(chip.image, np.where(VALID, image, 0))
    assert chip.image.dtype == np.dtype(dtype)


def _with_pixel(dtype: str, values: list[float]) -> np.ndarray:
    image = IMAGE.astype(dtype)
    image[:, 2, 3] = values
    return image


def test_nodata_0_of_unsigned_bands_must_stand_in_every_band(write_raster: WriteRaster):
    image = _with_pixel("uint8", [0, 9, 0])
    image[:, 4, 6] = 0
    with open_raster(write_raster("a.tif", image, nodata=0)) as raster:
        valid = raster.read(raster.grid.window).valid
    assert np.argwhere(~valid).tolist() == [[4, 6]]


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -9999), ("uint16", 65_535), ("int16", 0), ("float32", 0)])
def test_other_nodata_in_one_band_is_enough(write_raster: WriteRaster, dtype: str, nodata: float):
    with open_raster(write_raster("a.tif", _with_pixel(dtype, [5, nodata, 7]), nodata=nodata)) as raster:
        valid = raster.read(raster.grid.window).valid
    assert np.argwhere(~valid).tolist() == [[2, 3]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_not_valid(write_raster: WriteRaster, value: float):
    with open_raster(write_raster("a.tif", _with_pixel("float32", [5, value, 7]))) as raster:
        chip = raster.read(raster.grid.window)
    assert np.argwhere(~chip.valid).tolist() == [[2, 3]]
    assert chip.image[:, 2, 3].tolist() == [0, 0, 0]


def test_alpha_counts_even_beside_a_nodata_value(write_raster: WriteRaster):
    image = _with_pixel("uint8", [0, 9, 0])
    path = write_raster("a.tif", image, nodata=0, valid=VALID, valid_as="alpha")
    with open_raster(path) as raster:
        assert np.array_equal(raster.read(raster.grid.window).valid, VALID)


def test_alpha_is_no_band(write_raster: WriteRaster):
    with open_raster(write_raster("a.png", IMAGE, valid=VALID, valid_as="alpha")) as raster:
        chip = raster.read(raster.grid.window)
        assert raster.bands == ("red", "green", "blue")
    assert chip.image.shape == (3, 5, 7)
    assert np.array_equal(chip.valid, VALID)


def test_gray_with_alpha_is_one_band(write_raster: WriteRaster):
    with open_raster(write_raster("a.png", IMAGE[:1], valid=VALID, valid_as="alpha")) as raster:
        assert raster.bands == ("gray",)
        assert np.array_equal(raster.read(raster.grid.window).valid, VALID)


def test_nodata_can_be_read_as_a_value(write_raster: WriteRaster):
    image = _with_pixel("uint8", [0, 0, 0])
    with open_raster(write_raster("a.tif", image, nodata=0), use_nodata=False) as raster:
        assert raster.read(raster.grid.window).valid.all()


# --- Palette ----------------------------------------------------------------------------------------------

PALETTE = {0: (10, 20, 30, 255), 1: (200, 0, 0, 255), 2: (0, 0, 250, 255)}
INDEX = np.array([[0, 1, 2, 2], [2, 1, 0, 0], [1, 1, 1, 0]], np.uint8)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_palette_becomes_colors(write_raster: WriteRaster, name: str):
    with open_raster(write_raster(name, INDEX, palette=PALETTE)) as raster:
        chip = raster.read(Window(0, 1, 2, 2))
        assert raster.bands == ("red", "green", "blue")
    assert chip.image.tolist() == [[[200, 0], [200, 10]], [[0, 0], [0, 20]], [[0, 250], [0, 30]]]
    assert chip.image.dtype == np.uint8


def test_a_palette_can_be_read_as_numbers(write_raster: WriteRaster):
    with open_raster(write_raster("a.png", INDEX, palette=PALETTE), expand_palette=False) as raster:
        assert raster.read(raster.grid.window).image.tolist() == [INDEX.tolist()]
        assert raster.facts.has_palette


def test_bands_of_a_palette_can_be_chosen(write_raster: WriteRaster):
    with open_raster(write_raster("a.png", INDEX, palette=PALETTE), bands="blue,red") as raster:
        assert raster.read(Window(0, 0, 1, 2)).image.tolist() == [[[30, 0]], [[10, 200]]]


def test_nodata_of_a_palette_is_a_number(write_raster: WriteRaster):
    with open_raster(write_raster("a.tif", INDEX, palette=PALETTE, nodata=2)) as raster:
        assert np.array_equal(raster.read(raster.grid.window).valid, INDEX != 2)


# --- Damage -----------------------------------------------------------------------------------------------

NOISE = np.random.default_rng(5).integers(1, 255, (1, 96, 80), dtype=np.uint8)


def _cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _cut_tiff(write_raster: WriteRaster) -> Path:
    path = write_raster("cut.tif", NOISE, tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    _cut(path, 0.5)
    return path


def test_a_cut_tiff_raises_with_the_place(write_raster: WriteRaster):
    with open_raster(_cut_tiff(write_raster)) as raster:
        assert np.array_equal(raster.read(Window(0, 0, 16, 80)).image, NOISE[:, :16])
        with pytest.raises(RasterError, match=r"cut\.tif: pixels at row 80, col 3 .* cut short or damaged"):
            raster.read(Window(80, 3, 10, 10))


def test_of_a_damaged_tiff_the_good_blocks_are_read(write_raster: WriteRaster):
    with open_raster(_cut_tiff(write_raster), tolerate_damage=True) as raster:
        chip = raster.read(Window(-1, 0, 97, 80))
        damage = raster.damage
    assert np.array_equal(chip.image[:, 1:][:, chip.valid[1:]], NOISE[:, chip.valid[1:]])
    assert not chip.image[:, ~chip.valid].any()
    lost = np.zeros((96, 80), bool)
    for block in damage:
        assert block.shape == (16, 16)
        lost[block.slices] = True
    assert np.array_equal(~lost, chip.valid[1:])
    assert 0.3 < lost.mean() < 0.7


def test_damage_is_listed_once(write_raster: WriteRaster):
    with open_raster(_cut_tiff(write_raster), tolerate_damage=True) as raster:
        raster.read(Window(80, 64, 16, 16))
        raster.read(Window(81, 65, 3, 3))
        assert raster.damage == (Window(80, 64, 16, 16),)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_png_raises(write_raster: WriteRaster, share: float):
    path = write_raster("cut.png", NOISE)
    _cut(path, share)
    with open_raster(path) as raster, pytest.raises(RasterError, match=r"cut\.png"):
        raster.read(raster.grid.window)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_png_never_gives_garbage(write_raster: WriteRaster, share: float):
    path = write_raster("cut.png", NOISE)
    _cut(path, share)
    with open_raster(path, tolerate_damage=True) as raster:
        chip = raster.read(raster.grid.window)
    assert not chip.valid.all()
    assert np.array_equal(chip.image, np.where(chip.valid, NOISE, 0))


def test_a_cut_jpeg_raises(write_raster: WriteRaster):
    path = write_raster("cut.jpg", np.repeat(NOISE, 3, axis=0))
    _cut(path, 0.5)
    with pytest.raises(RasterError, match=r"cut\.jpg"), open_raster(path) as raster:
        raster.read(raster.grid.window)


def test_a_flipped_byte_in_a_png_raises(write_raster: WriteRaster):
    path = write_raster("flip.png", NOISE)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with open_raster(path) as raster, pytest.raises(RasterError):
        raster.read(raster.grid.window)


# --- What lies beside a file, and threads -----------------------------------------------------------------

AUX = """<PAMDataset><SRS>EPSG:3857</SRS><GeoTransform>0,1,0,0,0,1</GeoTransform>
<PAMRasterBand band="1"><NoDataValue>7</NoDataValue><Description>stale</Description></PAMRasterBand></PAMDataset>"""


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_stale_aux_file_is_ignored(write_raster: WriteRaster, name: str):
    path = write_raster(name, IMAGE)
    with open_raster(path) as raster:
        before, chip = raster.facts, raster.read(raster.grid.window)
    path.with_name(f"{name}.aux.xml").write_text(AUX)
    path.with_suffix(".tfw" if name == "a.tif" else ".pgw").write_text("1\n0\n0\n-1\n99\n99\n")
    with open_raster(path) as raster:
        assert raster.facts == before
        assert np.array_equal(raster.read(raster.grid.window).valid, chip.valid)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_nothing_is_written_beside_inputs(
    write_raster: WriteRaster, tree_of: Callable[[Path], dict[str, bytes]], name: str
):
    path = write_raster(name, IMAGE)
    before = tree_of(path.parent)
    with open_raster(path) as raster:
        raster.read(raster.grid.window)
    assert tree_of(path.parent) == before


@pytest.mark.parametrize("name", ["with space.tif", "ünïcode.tif", "[x]*.tif", "-dash.tif", "new\nline.tif", "a:b.tif"])
def test_odd_file_names_are_read(write_raster: WriteRaster, name: str):
    with open_raster(write_raster(name, IMAGE)) as raster:
        assert raster.read(Window(0, 0, 1, 1)).valid.all()


def test_many_threads_read_what_one_reads(write_raster: WriteRaster):
    path = write_raster("a.tif", NOISE, tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    jobs = [Window(r, c, 11, 13) for r in range(-5, 90, 9) for c in range(-5, 75, 7)]
    with open_raster(path) as raster:
        alone = [raster.read(w).image for w in jobs]
        barrier = threading.Barrier(6, timeout=20)

        def read(window: Window) -> np.ndarray:
            return raster.read(window).image

        with ThreadPoolExecutor(6, initializer=barrier.wait) as pool:
            together = list(pool.map(read, jobs))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
