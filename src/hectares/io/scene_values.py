"""The values of a scene against those that training saw: a drift score from a few windows, and a raster of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.drift import FAR, OFTEN, Drift, ValueRange, otherwise_scaled
from hectares.core.legend import MAP_NODATA
from hectares.core.scene import RasterSource
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Window
from hectares.errors import ArtefactError, InputError
from hectares.io.artefact import dump_json
from hectares.io.outputs import commit_file, disk_errors
from hectares.io.rasters.cog import RasterForm, block_windows, check_written, copy_to_cog, remove_raster, write_plain
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.style import mask_qml_text
from hectares.io.segmenter import StoredSegmenter
from hectares.monitor import Monitor, Problem

RANGE_SUFFIX = ".out-of-range.tif"
_COLOR = "#e6007e"
RANGE_TAG = "HECTARES_OUT_OF_RANGE"
_ALL_PX = 2**20
"""A scene of so many pixels is read whole."""
_ACROSS = 4
_SIDE_PX = 256


def sample_windows(shape: tuple[int, int]) -> list[Window]:
    """Give windows that are spread evenly over a scene, row by row: the whole of a small one, else 16 of 256 px.

    >>> sample_windows((5000, 9000))[:2]
    [Window(row=497, col=997, height=256, width=256), Window(row=497, col=3247, height=256, width=256)]
    """
    height, width = shape
    if height * width <= _ALL_PX:
        return [Window(0, 0, height, width)]
    rows, cols = (_spread(length) for length in shape)
    return [Window(row, col, tall, wide) for row, tall in rows for col, wide in cols]


def _spread(length: int) -> list[tuple[int, int]]:
    """First pixels and lengths of parts in the middle of each quarter of an axis."""
    ends = [length * i // _ACROSS for i in range(_ACROSS + 1)]
    return [(a + max(0, b - a - _SIDE_PX) // 2, min(_SIDE_PX, b - a)) for a, b in pairwise(ends) if b > a]


def measure_drift(spec: SegmenterSpec, source: RasterSource) -> Drift | None:
    """Compare the values of a scene with those of the training images; at most a million pixels are read."""
    chips = [source.read(window) for window in sample_windows(source.grid.shape)]
    return Drift.measure(spec.stats, np.concatenate([c.image[:, c.valid] for c in chips], axis=1))


def tell_drift(spec: SegmenterSpec, path: Path, drift: Drift | None, monitor: Monitor) -> None:
    """Warn if the values of a scene lie far from those of the training images."""
    if drift is None or spec.scaler.by_scene:
        return  # each scene is scaled by its own range: its values say nothing
    scaled = otherwise_scaled(drift.bands)
    for band in scaled:
        what = f"band {band.name} reaches {band.high:.4g} in the scene, {band.trained_high:.4g} in the training images"
        monitor.problem(Problem(str(path), what, "the scene may be scaled differently; check its units"))
    if scaled:
        return
    far = [b for b in drift.bands if abs(b.score) > FAR]
    if far:
        worst = drift.farthest
        others = f", and {len(far) - 1} more band(s) are as far" if len(far) > 1 else ""
        what = (
            f"band {worst.name} has a mean of {worst.mean:.4g}, {worst.trained_mean:.4g} in the training images: "
            f"{abs(worst.score):.1f} of their deviations away{others}"
        )
        remedy = "the scene is unlike what was trained on; score the map with `hectares evaluate` or a sample"
        monitor.problem(Problem(str(path), what, remedy))
    if drift.out_of_range > OFTEN:
        share = max(drift.bands, key=lambda b: b.out_of_range)
        what = (
            f"{drift.out_of_range:.1%} of the pixels have values that the training images had hardly ever, {OFTEN:.0%} "
            f"would be many; most in band {share.name} ({share.out_of_range:.1%})"
        )
        monitor.problem(Problem(str(path), what, "--out-of-range writes a raster that shows where"))


# --- The raster -------------------------------------------------------------------------------------------


def range_file(target: Path) -> Path:
    """Give the name of the raster beside a map.

    >>> range_file(Path("maps/north.tif")).name
    'north.out-of-range.tif'
    """
    return target.with_name(target.stem + RANGE_SUFFIX)


@dataclass(frozen=True, slots=True)
class RangeRaster:
    """Where a scene has values that training hardly ever saw: 1 there, 0 elsewhere, 255 where it has none."""

    usual: ValueRange
    bands: tuple[str, ...]
    made_of: Mapping[str, Any]
    """What identifies scene, segmenter and the choice of bands."""

    @classmethod
    def of(cls, stored: StoredSegmenter, provenance: Mapping[str, Any]) -> RangeRaster:
        """Give the raster of a map that is made in this way. Raises ArtefactError if the range was not stored."""
        usual = ValueRange.of(stored.spec.stats)
        if usual is None:
            raise ArtefactError(
                f"{stored.folder}: holds no percentiles of the training images, which --out-of-range compares with; "
                "prepare and train again, or leave it out"
            )
        made_of = {k: provenance["inputs"][k] for k in ("scene", "segmenter")}
        return cls(usual, stored.spec.bands, made_of | {"bidx": provenance["config"]["bidx"]})

    def to_json(self) -> dict[str, Any]:
        """Give what the tag of the raster holds."""
        ends = {name: [lo, hi] for name, lo, hi in zip(self.bands, self.usual.low, self.usual.high, strict=True)}
        return {"made_of": dict(self.made_of), "range": ends}

    def is_in(self, target: Path) -> bool:
        """Tell if a file holds just this raster."""
        if not target.is_file():
            return False
        try:
            with open_raster(target) as raster:
                return raster.facts.tags.get(RANGE_TAG) == dump_json(self.to_json())
        except InputError:
            return False

    def save(self, target: Path, work: Path, source: RasterSource, monitor: Monitor) -> None:
        """Write it, block by block, with a style for QGIS; `work` is an existing folder on the same file system."""
        plain, cog = work / "range-plain.tif", work / "range-cog.tif"
        tags = {
            RANGE_TAG: dump_json(self.to_json()),
            "TIFFTAG_SOFTWARE": "hectares",
            "TIFFTAG_IMAGEDESCRIPTION": "1 where a band lies out of the range of training, 0 elsewhere, 255 nodata",
        }
        form = RasterForm("uint8", MAP_NODATA, ("out of range",), tags, resampling="MODE")
        with disk_errors(target):
            written = write_plain(plain, _blocks(source, self.usual, monitor), source.grid, form)
            copy_to_cog(plain, cog, source.grid, form, monitor)
            remove_raster(plain)
            check_written(cog, written)
            style, placed = work / "range.qml", target.with_suffix(".qml")
            if not placed.exists():  # one that is there may be the user's own
                style.write_text(mask_qml_text("as in training", "out of range", _COLOR), encoding="utf-8")
                commit_file(style, placed)
            commit_file(cog, target)


def _blocks(source: RasterSource, usual: ValueRange, monitor: Monitor) -> Iterator[tuple[Window, NDArray[Any]]]:
    windows = block_windows(source.grid.shape)
    for number, window in enumerate(windows):
        monitor.progress("writing range", number, len(windows))
        chip = source.read(window)
        outside = usual.leaves(chip.image).any(axis=0)
        yield window, np.where(chip.valid, outside, MAP_NODATA).astype(np.uint8)[None]
        monitor.raise_if_stopped()
    monitor.progress("writing range", len(windows), len(windows))
