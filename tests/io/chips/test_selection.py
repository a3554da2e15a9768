"""Some bands and one class of a folder of chips."""

import numpy as np
import pytest
from affine import Affine

from hectares.config.prepare import PrepareConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import BandError, ConfigError, LegendError
from hectares.io.artefact import dump_json
from hectares.io.chips.selection import Selection
from hectares.io.chips.store import open_chips
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.scene_file import write_scene
from hectares.prepare import prepare_chips

LABELS = np.array([[0, 1, 2, 255] * 4] * 16, np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Red 10 to 25 by row, nir 100 to 115 by column, and ndvi; three classes in stripes, a stripe without label."""
    root = tmp_path_factory.mktemp("chips")
    grid = Grid("EPSG:32633", Affine(2, 0, 500_000, 0, -2, 5_000_000), (16, 16))
    rows, cols = np.mgrid[:16, :16]
    write_scene(root / "s.tif", np.stack([rows + 10, cols + 100]).astype(np.uint8), grid, ("red", "nir"),
                nodata=None, overwrite=False)  # fmt: skip
    legend = Legend.of({1: "road", 2: "roof", 3: "tree"}).for_maps()
    write_class_map(root / "l.tif", LABELS, grid, legend, {}, overwrite=False)
    (root / "legend.json").write_text(dump_json(legend.to_json()))
    scenes = [{"id": "s", "image": "s.tif", "label": "l.tif", "split": "train"}]
    (root / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": scenes}))
    prepare_chips(root / "catalog.json", root / "chips", PrepareConfig(chip_px=8, indices="ndvi"))
    return open_chips(root / "chips")


def test_without_a_choice_all_is_as_in_the_chips(store):
    chosen = Selection.of(store)
    assert chosen.is_whole
    assert chosen.stats == store.stats
    assert chosen.plan.indices == ("ndvi",)
    assert np.array_equal(chosen.class_counts("train"), store.class_counts("train"))


def test_a_chosen_band_brings_its_statistics_and_no_index(store):
    chosen = Selection.of(store, bands="nir")
    assert chosen.stats.names == ("nir",)
    assert chosen.stats.mean == (107.5,)
    assert chosen.plan.indices == ()
    assert len(chosen.depths) == 1
    assert chosen.chips("train").read(0).image.shape == (1, 8, 8)


def test_bands_come_in_the_wanted_order(store):
    image = store.chips("train").read(0).image
    assert np.array_equal(Selection.of(store, bands="2,1,ndvi").chips("train").read(0).image, image[[1, 0, 2]])


def test_an_index_needs_all_measured_bands_before_it(store):
    assert Selection.of(store, bands="nir,red,ndvi").stats.names == ("nir", "red", "ndvi")
    with pytest.raises(ConfigError, match="red, nir"):
        Selection.of(store, bands="nir,ndvi")
    with pytest.raises(ConfigError, match="red, nir"):
        Selection.of(store, bands="ndvi,red,nir")


def test_a_band_that_is_not_there_is_refused(store):
    with pytest.raises(BandError, match="swir"):
        Selection.of(store, bands="swir")


def test_counts_of_one_class_and_the_rest_leave_out_what_is_not_labelled(store):
    chosen = Selection.of(store, only="roof")
    assert chosen.class_counts("train").tolist() == [[32, 16]] * 4
    assert chosen.label(LABELS[:1, :4]).tolist() == [[0, 1, 0, 255]]


def test_a_class_that_is_not_there_is_refused(store):
    with pytest.raises(LegendError, match="roof"):
        Selection.of(store, only="car")


def test_the_spread_of_standardized_bands_is_one(store):
    assert Selection.of(store, bands="red,nir").spread.tolist() == pytest.approx([1, 1])
