"""Scores on disk: a cloud-optimized GeoTIFF with one band a class, beside the class map they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hectares.core.decision import SCORE_NODATA, SCORE_STEPS
from hectares.core.gaps import without_gaps
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import InputError
from hectares.io.artefact import dump_json, plain
from hectares.io.outputs import commit_file, disk_errors
from hectares.io.rasters.cog import Blocks, RasterForm, check_written, copy_to_cog, remove_raster, write_plain
from hectares.io.rasters.raster import open_raster
from hectares.monitor import Monitor

TAG = "HECTARES_SCORES"


def save_scores(
    target: Path,
    work: Path,
    blocks: Blocks,
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    *,
    dtype: str,
    monitor: Monitor,
) -> None:
    """Write scores from blocks (K, h, w), as bytes in steps of 1/250 or as floats.

    `work` is an existing folder on the same file system. The file is read back and compared before it is put in place.
    """
    plain_file, cog = work / "scores-plain.tif", work / "scores-cog.tif"
    small = dtype == "uint8"
    tags = {
        TAG: dump_json(plain(provenance) | {"hectares": "scores", "classes": list(legend.names)}),
        "TIFFTAG_SOFTWARE": f"hectares {provenance.get('version', '')}".strip(),
        "TIFFTAG_IMAGEDESCRIPTION": "Scores of classes: "
        + (f"value / {SCORE_STEPS} is the share, {SCORE_NODATA} is nodata" if small else "0 to 1, NaN is nodata"),
    }
    form = RasterForm(
        dtype,
        SCORE_NODATA if small else np.nan,
        tuple(legend.names),
        tags,
        resampling="AVERAGE",
        scale=1 / SCORE_STEPS if small else None,
    )
    with disk_errors(target):
        written = write_plain(plain_file, blocks, grid, form)
        copy_to_cog(plain_file, cog, grid, form, monitor)
        remove_raster(plain_file)
        check_written(cog, written)
        commit_file(cog, target)


def is_of(target: Path, provenance: Mapping[str, Any]) -> bool:
    """Tell if a file holds scores that were made in just this way."""
    if not target.is_file():
        return False
    try:
        with open_raster(target) as raster:
            found = json.loads(raster.facts.tags.get(TAG, "null"))
    except (InputError, ValueError):
        return False
    if not isinstance(found, dict):
        return False
    return {k: v for k, v in without_gaps(found).items() if k not in {"hectares", "classes"}} == {
        k: v for k, v in plain(provenance).items() if k != "hectares"
    }
