"""World files: six numbers beside a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from affine import Affine

from hectares.errors import RasterError
from hectares.io.rasters.world_file import find_world_file, read_world_file, world_file_text

ROTATED = Affine(0.6, 0.8, 1000, -0.8, 0.6, 2000)


def _write(folder: Path, text: str) -> Path:
    path = folder / "a.tfw"
    path.write_bytes(text.encode())
    return path


def test_a_world_file_speaks_of_the_center_of_the_first_pixel(tmp_path: Path):
    path = _write(tmp_path, "10\n0\n0\n-20\n500005\n4999990\n")
    assert read_world_file(path) == Affine(10, 0, 500_000, 0, -20, 5_000_000)


def test_the_second_line_turns_y_along_columns(tmp_path: Path):
    path = _write(tmp_path, "0.6\n-0.8\n0.8\n0.6\n1000.7\n1999.9\n")
    assert read_world_file(path).almost_equals(ROTATED, 1e-9)


@pytest.mark.parametrize("transform", [ROTATED, Affine(0.05, 0, 366_676, 0, -0.05, 5_808_001), Affine.identity()])
def test_what_is_written_is_read_back(tmp_path: Path, transform: Affine):
    assert read_world_file(_write(tmp_path, world_file_text(transform))).almost_equals(transform, 1e-9)


@pytest.mark.parametrize(
    "text",
    ["\ufeff10\r\n0\r\n0\r\n-20\r\n500005\r\n4999990", " 10,0 \n\n0\n0\n-2e1\n500005\n4999990\n\n"],
)
def test_line_ends_blanks_decimal_commas_and_a_byte_order_mark_do_not_matter(tmp_path: Path, text: str):
    assert read_world_file(_write(tmp_path, text)) == Affine(10, 0, 500_000, 0, -20, 5_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.tfw: a world file has six lines with one number each; it has 0"),
        ("10\n0\n0\n-20\n500005\n", r"a\.tfw: .*it has 5"),
        ("10\n0\n0\n-20\n5\n6\n7\n", r"a\.tfw: .*line 7 '7' is one too many"),
        ("10\n0\n0\n-0.2m\n5\n6\n", r"a\.tfw:4: '-0\.2m' is no number; expected y per row"),
        ("10\n0\n\nnan\n-1\n5\n6\n", r"a\.tfw:4: 'nan' is no number; expected x per row"),
        ("0\n0\n0\n-20\n5\n6\n", r"a\.tfw: .*pixels without area"),
        ("1 2 3 4 5 6", r"a\.tfw: .*it has 1"),
        ("II*\x00", r"a\.tfw: holds NUL"),
    ],
)
def test_a_malformed_world_file_names_its_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(RasterError, match=message):
        read_world_file(_write(tmp_path, text))


def test_a_world_file_is_found_in_small_and_capital_letters(tmp_path: Path):
    image = tmp_path / "top_potsdam_2_10_RGB.TIF"
    assert find_world_file(image) is None
    for name in ("top_potsdam_2_10_RGB.wld", "top_potsdam_2_10_RGB.TFW", "top_potsdam_2_10_RGB.tfw"):
        (tmp_path / name).write_text("")
        found = find_world_file(image)
        assert found is not None
        assert found.name == name


def test_a_file_without_suffix_has_no_world_file(tmp_path: Path):
    assert find_world_file(tmp_path / "image") is None
