"""What a segmenter expects and means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ConfigError


def _spec(legend: Legend) -> SegmenterSpec:
    return SegmenterSpec(
        network="unet-elu",
        options={"width": 4},
        stats=BandStats(("nir", "red"), (1.5, 2.5), (3.0, 4.0), (0.0, 0.0), (9.0, 9.0)),
        legend=legend.for_maps(),
        gsd_m=0.25,
        tile_px=64,
        dtype="uint16",
        footprint=({"scene": "north", "sha256": "ab", "windows": [[0, 64, 64, 64]]},),
    )


def test_a_spec_survives_json(legend: Legend):
    assert SegmenterSpec.from_json(_spec(legend).to_json()) == _spec(legend)


def test_bands_are_those_of_the_statistics(legend: Legend):
    assert _spec(legend).bands == ("nir", "red")


def test_a_tile_has_a_size(legend: Legend):
    with pytest.raises(ConfigError, match="tile_px is 0"):
        replace(_spec(legend), tile_px=0)


def test_what_is_measured_after_training_survives_json(legend: Legend):
    spec = replace(_spec(legend), stride=16, crop=8, context_px=0)
    assert SegmenterSpec.from_json(spec.to_json()) == spec


def test_a_record_from_before_these_were_measured_is_read(legend: Legend):
    record = {k: v for k, v in _spec(legend).to_json().items() if k not in {"stride", "crop", "context_px"}}
    assert SegmenterSpec.from_json(record) == _spec(legend)


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"crop": -1}, {"context_px": -1}])
def test_measures_of_size_are_not_negative(legend: Legend, wrong: dict[str, int]):
    with pytest.raises(ConfigError, match="expected at least"):
        replace(_spec(legend), **wrong)
