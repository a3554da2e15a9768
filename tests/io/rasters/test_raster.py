"""The door for rasters: what is refused, what is valid, and that nothing beside a file counts."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp

from factory import UTM, WriteRaster
from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import BandError, RasterError
from hectares.io.rasters.raster import MAX_PIXELS, open_raster

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


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="file names are text there")
def test_a_name_that_is_no_text_is_refused_in_a_sentence(tmp_path: Path, write_raster: WriteRaster):
    name = os.fsencode(tmp_path) + b"/\xff.tif"
    write_raster("a.tif", IMAGE).rename(os.fsdecode(name))
    with pytest.raises(RasterError, match="is not UTF-8; rename it"):
        open_raster(os.fsdecode(name))


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


def _save_pages(path: Path, pages: list[Image.Image]) -> Path:
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_pages_of_several_sizes_are_refused(tmp_path: Path):
    pages = [Image.fromarray(IMAGE[0, : 5 - i]) for i in range(3)]
    with pytest.raises(RasterError, match=r"holds 3 pages that are no bands of one image \(3 x 7 px of uint8, 4 x 7"):
        open_raster(_save_pages(tmp_path / "pages.tif", pages))


def test_pages_of_several_types_are_refused(tmp_path: Path):
    pages = [Image.fromarray(IMAGE[0]), Image.fromarray(IMAGE[0].astype(np.float32))]
    with pytest.raises(RasterError, match="holds 2 pages that are no bands"):
        open_raster(_save_pages(tmp_path / "pages.tif", pages))


def test_pages_of_several_bands_are_refused(tmp_path: Path):
    pages = [Image.fromarray(np.ascontiguousarray(IMAGE.transpose(1, 2, 0)))] * 2
    with pytest.raises(RasterError, match=r"holds 2 pages of 3 band\(s\)"):
        open_raster(_save_pages(tmp_path / "pages.tif", pages))


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


# --- Damage of files that are decoded from top to bottom ----------------------------------------------------

SMOOTH = (
    np.add.outer(np.arange(96) * 2, np.arange(80)).astype(np.uint8)[None] // 2 + np.array([9, 40, 90])[:, None, None]
)
SMOOTH = SMOOTH.astype(np.uint8)
SEQUENTIAL = {
    "baseline.jpg": {"quality": 90},
    "progressive.jpg": {"quality": 90, "PROGRESSIVE": "ON"},
    "picture.png": {},
    "whole.jp2": {"REVERSIBLE": "YES", "QUALITY": 100},
    "tiled.jp2": {"REVERSIBLE": "YES", "QUALITY": 100, "BLOCKXSIZE": 32, "BLOCKYSIZE": 32},
}


def _truth_and_cut(write_raster: WriteRaster, name: str, share: float) -> tuple[np.ndarray, Path]:
    path = write_raster(
        name, np.concatenate([SMOOTH[:, :, ::2], NOISE[:, :, 1::2].repeat(3, axis=0)], axis=2), **SEQUENTIAL[name]
    )
    with open_raster(path) as raster:
        truth = raster.read(raster.grid.window).image
    cut = path.with_name(f"cut{path.suffix}")
    content = path.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    return truth, cut


@pytest.mark.parametrize("share", [0.35, 0.6, 0.95])
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_nothing_after_the_first_damage_is_valid(write_raster: WriteRaster, name: str, share: float):
    truth, cut = _truth_and_cut(write_raster, name, share)
    with open_raster(cut, tolerate_damage=True) as raster:
        chips = [raster.read(Window(row, 0, 7, 80)) for row in range(0, 96, 7)]
        (lost,) = raster.damage
    valid = np.concatenate([c.valid for c in chips])[:96]
    image = np.concatenate([c.image for c in chips], axis=1)[:, :96]
    assert lost == Window(lost.row, 0, 96 - lost.row, 80)
    assert valid[: lost.row].all()
    assert not valid[lost.row :].any()
    assert np.array_equal(image, np.where(valid, truth, 0))
    assert lost.row < 96 * share + 16


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_damage_is_found_in_any_order_of_reading(write_raster: WriteRaster, name: str):
    truth, cut = _truth_and_cut(write_raster, name, 0.6)
    with open_raster(cut, tolerate_damage=True) as raster:
        assert not raster.read(Window(90, 3, 5, 5)).valid.any()
        chip = raster.read(raster.grid.window)
        (lost,) = raster.damage
    assert np.array_equal(chip.valid, np.arange(96)[:, None].repeat(80, axis=1) < lost.row)
    assert np.array_equal(chip.image, np.where(chip.valid, truth, 0))


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_damaged_file_raises_at_every_read_of_what_is_lost(write_raster: WriteRaster, name: str):
    _, cut = _truth_and_cut(write_raster, name, 0.6)
    with open_raster(cut) as raster:
        for window in (raster.grid.window, Window(90, 0, 6, 80), Window(91, 0, 5, 80)):
            with pytest.raises(RasterError, match="cut short or damaged"):
                raster.read(window)


def test_of_a_cut_jpeg_the_rows_above_are_read(write_raster: WriteRaster):
    truth, cut = _truth_and_cut(write_raster, "baseline.jpg", 0.6)
    with open_raster(cut, tolerate_damage=True) as raster:
        raster.read(raster.grid.window)
        (lost,) = raster.damage
        chip = raster.read(Window(0, 0, lost.row, 80))
    assert 16 < lost.row < 80
    assert chip.valid.all()
    assert np.array_equal(chip.image, truth[:, : lost.row])


def test_many_threads_agree_on_the_damage(write_raster: WriteRaster):
    truth, cut = _truth_and_cut(write_raster, "baseline.jpg", 0.6)
    jobs = [Window(r, c, 11, 13) for r in range(90, -5, -9) for c in range(-5, 75, 17)]
    with open_raster(cut, tolerate_damage=True) as raster, ThreadPoolExecutor(6) as pool:
        chips = list(pool.map(raster.read, jobs))
        (lost,) = raster.damage
    known = np.zeros((96, 80), bool)
    known[: lost.row] = True
    for window, chip in zip(jobs, chips, strict=True):
        inside = (window & Window(0, 0, 96, 80)).within(window).slices
        place = (window & Window(0, 0, 96, 80)).slices
        assert np.array_equal(chip.valid[inside], known[place])
        assert np.array_equal(chip.image[:, *inside], np.where(known, truth, 0)[:, *place])


# --- Pages of a TIFF as bands -------------------------------------------------------------------------------

CUBE = (np.arange(11 * 6 * 5).reshape(11, 6, 5) * 131 % 65_536).astype(np.uint16)
BANDS_LAST = (np.arange(11 * 9 * 4).reshape(11, 9, 4) * 131 % 65_536).astype(np.uint16)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_of_one_kind_are_bands_in_their_order(tmp_path: Path, compression: str | None):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "cube.tif", CUBE, photometric="minisblack", compression=compression)
    with open_raster(tmp_path / "cube.tif", bands="11,2,10") as raster:
        assert raster.facts.bands[:3] == ("band_1", "band_2", "band_3")
        chip = raster.read(Window(1, 2, 4, 2))
    assert (raster.dtype, raster.grid.shape) == (np.uint16, (6, 5))
    assert chip.image.tolist() == CUBE[[10, 1, 9], 1:5, 2:4].tolist()
    assert chip.valid.all()


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_array_with_bands_last_is_read_though_its_rows_are_pages(tmp_path: Path, order: str):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "rows.tif", BANDS_LAST, photometric="minisblack", byteorder=order)
    with open_raster(tmp_path / "rows.tif", bands="4,1") as raster:
        assert (raster.grid.shape, len(raster.facts.bands)) == ((11, 9), 4)
        chip = raster.read(Window(8, 1, 5, 3))
    assert chip.image[:, :3].tolist() == BANDS_LAST[8:, 1:4, [3, 0]].transpose(2, 0, 1).tolist()
    assert chip.valid.tolist() == [[True] * 3] * 3 + [[False] * 3] * 2


def test_a_compressed_array_with_bands_last_is_refused(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "rows.tif", BANDS_LAST, photometric="minisblack", compression="zlib")
    with pytest.raises(RasterError, match=r"an array of 11 x 9 x 4 as 11 pages .* write it as a TIFF with bands"):
        open_raster(tmp_path / "rows.tif")


def test_many_threads_read_pages(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "cube.tif", CUBE, photometric="minisblack")
    with open_raster(tmp_path / "cube.tif") as raster, ThreadPoolExecutor(4) as pool:
        chips = list(pool.map(raster.read, [raster.grid.window] * 12))
    assert all(np.array_equal(c.image, CUBE) for c in chips)


def test_nan_of_a_page_is_not_valid(tmp_path: Path):
    heights = CUBE[:2].astype(np.float32)
    heights[1, 2, 3] = np.nan
    path = _save_pages(tmp_path / "pages.tif", [Image.fromarray(page) for page in heights])
    with open_raster(path) as raster:
        assert np.argwhere(~raster.read(raster.grid.window).valid).tolist() == [[2, 3]]


# --- World files --------------------------------------------------------------------------------------------

WORLD = "0.05\n0\n0\n-0.05\n366676.025\n5808000.975\n"


@pytest.mark.parametrize(
    ("name", "world"),
    [
        ("a.tif", "a.tfw"),
        ("a.tif", "a.TFW"),
        ("a.tif", "a.tifw"),
        ("a.png", "a.pgw"),
        ("a.jpg", "a.jgw"),
        ("a.jpg", "a.wld"),
        ("a.jp2", "a.j2w"),
    ],
)
def test_a_world_file_places_what_has_no_place(write_raster: WriteRaster, name: str, world: str):
    path = write_raster(name, IMAGE, crs=None, transform=None)
    path.with_name(world).write_text(WORLD)
    with open_raster(path, crs="EPSG:32633") as raster:
        grid = raster.grid
    assert grid.crs == "EPSG:32633"
    assert grid.transform.almost_equals(Affine(0.05, 0, 366_676, 0, -0.05, 5_808_001), 1e-9)
    assert grid.gsd == pytest.approx((0.05, 0.05))


def test_without_a_crs_the_place_of_a_world_file_is_kept(write_raster: WriteRaster):
    path = write_raster("a.png", IMAGE)
    path.with_name("a.pgw").write_text(WORLD)
    with open_raster(path) as raster:
        assert raster.grid.crs is None
        assert raster.grid.transform.almost_equals(Affine(0.05, 0, 366_676, 0, -0.05, 5_808_001), 1e-9)


def test_a_place_in_the_file_counts_more_than_a_world_file(write_raster: WriteRaster):
    path = write_raster("a.tif", IMAGE)
    path.with_name("a.tfw").write_text(WORLD)
    with open_raster(path, crs="EPSG:3857") as raster:
        assert raster.grid == Grid("EPSG:32633", UTM, (5, 7))


def test_a_crs_is_given_to_a_file_that_only_has_a_place(write_raster: WriteRaster):
    with open_raster(write_raster("a.tif", IMAGE, crs=None), crs="EPSG:32633") as raster:
        assert raster.grid == Grid("EPSG:32633", UTM, (5, 7))


def test_a_crs_without_a_place_does_not_make_metres_of_pixels(write_raster: WriteRaster):
    with open_raster(write_raster("a.png", IMAGE), crs="EPSG:32633") as raster:
        assert raster.grid == Grid(None, Affine.identity(), (5, 7))


def test_a_wrong_crs_names_the_file(write_raster: WriteRaster):
    with pytest.raises(RasterError, match=r"a\.tif: 'EPSG:1' is no coordinate reference system"):
        open_raster(write_raster("a.tif", IMAGE, crs=None), crs="EPSG:1")


def test_a_malformed_world_file_is_refused(write_raster: WriteRaster):
    path = write_raster("a.png", IMAGE)
    path.with_name("a.pgw").write_text(WORLD.replace("-0.05", "-0.05m"))
    with pytest.raises(RasterError, match=r"a\.pgw:4: '-0.05m' is no number"):
        open_raster(path)


# --- What lies beside a file, and threads -----------------------------------------------------------------

AUX = """<PAMDataset><SRS>EPSG:3857</SRS><GeoTransform>0,1,0,0,0,1</GeoTransform>
<PAMRasterBand band="1"><NoDataValue>7</NoDataValue><Description>stale</Description></PAMRasterBand></PAMDataset>"""


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_stale_aux_file_is_ignored(write_raster: WriteRaster, name: str):
    path = write_raster(name, IMAGE)
    with open_raster(path) as raster:
        before, chip = raster.facts, raster.read(raster.grid.window)
    path.with_name(f"{name}.aux.xml").write_text(AUX)
    if name == "a.tif":  # it has a place of its own, so that a world file does not count
        path.with_suffix(".tfw").write_text("1\n0\n0\n-1\n99\n99\n")
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
