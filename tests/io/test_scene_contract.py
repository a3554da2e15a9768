"""A scene meets a segmenter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory import Notes, WriteRaster
from hectares.core.bands import BandPlan, BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Window
from hectares.errors import BandError, GsdError
from hectares.io.scene_contract import InputRule, hash_scene, open_for, scene_files, scene_scaling

IMAGE = np.arange(1, 73, dtype=np.uint16).reshape(3, 4, 6)
ALL = Window(0, 0, 4, 6)


def _spec(*names: str, gsd_m: float | None = 10, **options: object) -> SegmenterSpec:
    stats = BandStats(names, (30.0,) * len(names), (9.0,) * len(names), (2.0,) * len(names), (70.0,) * len(names))
    return SegmenterSpec("fake", {}, stats, Legend.of({1: "a", 2: "b"}), gsd_m, 4, **options)


def test_bands_are_matched_by_name_and_brought_into_order(write_raster: WriteRaster, notes: Notes):
    path = write_raster("s.tif", IMAGE, names=["red", "green", "nir"])
    with open_for(_spec("nir", "RED"), [path], InputRule(), notes) as source:
        assert np.array_equal(source.read(ALL).image, IMAGE[[2, 0]])
    assert not notes.problems


def test_bands_are_matched_by_what_they_measure_and_it_is_said(write_raster: WriteRaster, notes: Notes):
    path = write_raster("s.tif", IMAGE, names=["B08", "B04", "B03"])
    with open_for(_spec("red", "nir"), [path], InputRule(), notes) as source:
        assert np.array_equal(source.read(ALL).image, IMAGE[[1, 0]])
        assert source.bands == ("red", "nir")
    assert "matched by what they measure" in notes.problems[0].remedy


def test_bands_without_names_are_taken_in_order_and_it_is_said(write_raster: WriteRaster, notes: Notes):
    path = write_raster("s.tif", IMAGE)
    with open_for(_spec("x", "y", "z"), [path], InputRule(), notes) as source:
        assert np.array_equal(source.read(ALL).image, IMAGE)
    assert "--bidx" in notes.problems[0].remedy


def test_an_index_is_made_of_the_bands_that_bidx_names(write_raster: WriteRaster, notes: Notes):
    path = write_raster("s.tif", IMAGE)
    spec = _spec("nir", "red", "ndvi", plan=BandPlan("nir,red", ("ndvi",)))
    with open_for(spec, [path], InputRule(bidx="3,1"), notes) as source:
        image = source.read(ALL).image
    nir, red = IMAGE[2].astype(float), IMAGE[0].astype(float)
    assert np.allclose(image, np.stack([nir, red, (nir - red) / (nir + red)]))


def test_a_scene_of_two_files_is_taken_in_their_order(write_raster: WriteRaster, notes: Notes):
    files = [write_raster("rgb.tif", IMAGE[:2]), write_raster("dsm.tif", IMAGE[2])]
    assert scene_files(f"{files[0]}+{files[1]}") == files
    with open_for(_spec("a", "b", "c"), files, InputRule(), notes) as source:
        assert np.array_equal(source.read(ALL).image, IMAGE)


def test_an_index_is_made_of_bands_of_several_files_that_say_no_names(write_raster: WriteRaster, notes: Notes):
    files = [write_raster("rgb.tif", IMAGE[:2]), write_raster("nir.tif", IMAGE[2])]
    spec = _spec("red", "green", "nir", "ndvi", plan=BandPlan("all", ("ndvi",)))
    with open_for(spec, files, InputRule(), notes) as source:
        image = source.read(ALL).image
    red, nir = IMAGE[0].astype(float), IMAGE[2].astype(float)
    assert np.allclose(image, [*IMAGE, (nir - red) / (nir + red)])


@pytest.mark.parametrize(
    ("bidx", "message"),
    [
        (None, "has no band swir; it has red, green, blue.*--bidx 1"),
        ("1,2", "--bidx names 2 bands, the segmenter takes 1"),
        ("all", "--bidx chooses 3 bands, the segmenter takes 1"),
        ("7", "band 7 does not exist"),
    ],
)
def test_bands_that_do_not_fit_are_named(write_raster: WriteRaster, notes: Notes, bidx: str | None, message: str):
    path = write_raster("s.tif", IMAGE, names=["red", "green", "blue"])
    with pytest.raises(BandError, match=message):
        open_for(_spec("swir"), [path], InputRule(bidx=bidx), notes)


def test_another_pixel_size_is_refused_and_an_unknown_one_said(write_raster: WriteRaster, notes: Notes):
    path = write_raster("s.tif", IMAGE[0])
    with pytest.raises(GsdError, match=r"has pixels of 10 m, the segmenter was trained on 2 m"):
        open_for(_spec("gray", gsd_m=2), [path], InputRule(), notes)
    bare = write_raster("bare.tif", IMAGE[0], crs=None, transform=None)
    open_for(_spec("gray", gsd_m=2), [bare], InputRule(), notes).close()
    assert "cannot be compared with the 2 m" in notes.problems[0].what


def test_a_scene_that_is_scaled_by_its_own_range_is_measured_whole(write_raster: WriteRaster, notes: Notes):
    path = write_raster("s.tif", IMAGE[:1], names=["a"])
    with open_for(_spec("a", scaling="scene-percentile"), [path], InputRule(), notes) as source:
        scaling = scene_scaling(source=source, spec=_spec("a", scaling="scene-percentile"), monitor=notes)
    low, high = np.percentile(IMAGE[0], (2, 98))
    assert np.allclose(scaling.apply(IMAGE[:1]), np.clip((IMAGE[:1] - low) / (high - low), 0, 1), atol=1e-6)


def test_a_scene_of_several_files_has_one_hash_that_tells_their_order(write_raster: WriteRaster):
    one, two = write_raster("a.tif", IMAGE[0]), write_raster("b.tif", IMAGE[1])
    assert hash_scene([one, two]) != hash_scene([two, one])


def test_a_name_with_a_plus_is_a_file_if_there_is_one(tmp_path: Path):
    (tmp_path / "a+b.tif").write_bytes(b"")
    assert scene_files(tmp_path / "a+b.tif") == [tmp_path / "a+b.tif"]
