"""Which offset a Sentinel-2 file carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from hectares.errors import BandError
from hectares.io.rasters.baseline import is_reflectance, sentinel2_offset

SAFE = "S2A_MSIL2A_20230601T104629_{}_R051_T31UES_20230601T133000.SAFE"


@pytest.mark.parametrize(
    ("baseline", "offset"), [("N0204", 0), ("N0301", 0), ("N0400", 1000), ("N0509", 1000), ("n0511", 1000)]
)
@pytest.mark.parametrize("inside", ["B04.jp2", "GRANULE/L2A_T31UES_A041/IMG_DATA/R10m/T31UES_B04_10m.jp2"])
def test_the_folder_of_the_product_tells(baseline: str, offset: float, inside: str):
    assert sentinel2_offset(Path("data") / SAFE.format(baseline) / inside, {}) == offset


def test_the_name_of_the_file_tells_and_wins_over_folders():
    assert sentinel2_offset(Path("old_N0204_x") / "S2A_MSIL1C_20220830T103629_N0400_R008.tif", {}) == 1000
    assert sentinel2_offset(Path("S2A_OPER_MSI_L1C_TL_EPA__20160605_A000734_T32TQM_N02.04/a.tif"), {}) == 0


@pytest.mark.parametrize(
    ("tags", "offset"),
    [
        ({"PROCESSING_BASELINE": "04.00"}, 1000),
        ({"PROCESSING_BASELINE": "03.01"}, 0),
        ({"s2:processing_baseline": "5.09"}, 1000),
        ({"PROCESSING_BASELINE": "N0214"}, 0),
        ({"PRODUCT_URI": SAFE.format("N0509")}, 1000),
        ({"BOA_ADD_OFFSET": "-1000"}, 1000),
        ({"RADIO_ADD_OFFSET_VALUES": "-1000, -1000,-1000"}, 1000),
        ({"BOA_ADD_OFFSET": "0", "PROCESSING_BASELINE": "05.09"}, 0),
        ({"earthsearch:boa_offset_applied": "True", "PROCESSING_BASELINE": "05.09"}, 0),
    ],
)
def test_tags_tell_and_win_over_names(tags: dict[str, str], offset: float):
    assert sentinel2_offset(Path(SAFE.format("N0301")) / "a.tif", tags) == offset


@pytest.mark.parametrize("name", ["tile.tif", "N0400tile.tif", f"{SAFE.format('N9999')}/a.tif", "x_N040_y.tif"])
def test_what_tells_nothing_is_refused_with_a_way_out(name: str):
    with pytest.raises(BandError, match=r"\.tif: neither its tags .*PROCESSING_BASELINE=05\.09.*--harmonize"):
        sentinel2_offset(Path(name), {"AREA_OR_POINT": "Area"})


@pytest.mark.parametrize("value", ["-1000, -900", "none"])
def test_offsets_that_are_not_one_number_are_refused(value: str):
    with pytest.raises(BandError, match=r"a\.tif: states the offsets .*expected one number"):
        sentinel2_offset(Path("a.tif"), {"BOA_ADD_OFFSET": value})


def test_heights_and_classes_are_no_reflectance():
    names = ("B02", "b8a", "B12", "nir", "rededge1", "band_4", "gray", "SCL", "AOT", "dsm", "vv")
    assert [name for name in names if not is_reflectance(name, names)] == ["SCL", "AOT", "dsm", "vv"]
