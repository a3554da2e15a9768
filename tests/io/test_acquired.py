"""When a scene was taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hectares.io.acquired import Acquired, date_in_name, moment_of


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("S2A_MSIL2A_20230601T104629_N0509_R051_T31UES_20230601T170000.tif", "2023-06-01T10:46:29Z"),
        ("20230601_104629_1014_3B_AnalyticMS.tif", "2023-06-01T10:46:29Z"),
        ("LC08_L2SP_198024_20230601_20230607_02_T1_SR_B4.TIF", "2023-06-01"),
        ("ortho-2021-07-03.tif", "2021-07-03"),
        ("S2_20231332.tif", None),
        ("roof_98765432.tif", None),
        ("image_part_001.jpg", None),
        ("s2_2023_nir.tif", None),
    ],
)
def test_names_of_products_tell_their_date(name: str, date: str | None):
    assert date_in_name(name) == date


def test_tags_count_more_than_a_json_and_this_more_than_a_name(tmp_path: Path):
    scene = tmp_path / "s_20200101.tif"
    assert Acquired.of_files([scene], [{}]) == Acquired("2020-01-01", "name")
    scene.with_suffix(".json").write_text(json.dumps({"properties": {"datetime": "2021-01-01T00:00:00Z"}}))
    assert Acquired.of_files([scene], [{}]) == Acquired("2021-01-01T00:00:00Z", "json")
    tags = {"ACQUISITIONDATETIME": "2022-01-01 10:00:00"}
    assert Acquired.of_files([scene], [tags]) == Acquired("2022-01-01T10:00:00Z", "tags")


@pytest.mark.parametrize("content", ["[1]", "no json", '{"properties": 3}', '{"datetime": "soon"}', '{"datetime": 5}'])
def test_a_json_of_another_kind_is_passed_over(tmp_path: Path, content: str):
    (tmp_path / "s.tif.json").write_text(content)
    assert Acquired.of_files([tmp_path / "s.tif"], [{}]) is None


def test_a_file_of_a_product_has_its_date():
    path = Path("S2B_MSIL2A_20230601T104629_N0509_R051_T31UES_20230601T133000.SAFE/IMG_DATA/B04.tif")
    assert Acquired.of_files([path], [{}]) == Acquired("2023-06-01T10:46:29Z", "name")


def test_times_are_brought_to_utc():
    assert moment_of({"datetime": None, "start_datetime": "2023-06-01T12:00:00+02:00"}) == "2023-06-01T10:00:00Z"
    assert moment_of({}) is None
