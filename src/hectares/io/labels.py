"""Label rasters: codes, colors or a palette on disk, class indices in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import LegendError
from hectares.io.raster import RasterFile, open_raster

LabelBy = Literal["auto", "code", "color"]


class LabelFile:
    """A label raster that is read as class indices.

    What the legend knows about a code counts more than the nodata tag of the file: a class 0 stays a class
    in a file that calls 0 nodata.
    """

    def __init__(self, path: Path, legend: Legend, *, by: LabelBy = "auto", nearest: int = 0) -> None:
        self.path = path
        self.legend = legend
        self._nearest = nearest
        self._raster = self._open(by)
        self.grid = self._raster.grid

    def _open(self, by: LabelBy) -> RasterFile:
        raster = open_raster(self.path, expand_palette=False)
        facts = raster.facts
        count = len(facts.bands)
        if by == "auto":
            by = "color" if count >= 3 or (facts.has_palette and self.legend.color_coded) else "code"
        self._by_color = by == "color"
        self._void: float | None = None
        if by == "code" and count != 1:
            raise LegendError(f"{self.path}: a label by code has one band, this one has {count}")
        if by == "code" and self.legend.color_coded:
            raise LegendError(
                f"{self.path}: has one band of codes, but the legend gives no codes; "
                'add "code" to every class of the legend'
            )
        if by == "color" and count < 3 and not facts.has_palette:
            raise LegendError(f"{self.path}: a label by color has a palette or three bands, this one has {count}")
        by_bands = by == "color" and not facts.has_palette
        if by_bands and facts.nodata not in {c.color[0] for c in self.legend.classes if len(set(c.color)) == 1}:
            self._void = facts.nodata  # as a gray: pure red is no nodata in a file that calls 255 so
        use_nodata = not by_bands and (by == "color" or facts.nodata not in self.legend.source_codes)
        if by == "code" and use_nodata:
            return raster
        raster.close()
        return open_raster(self.path, expand_palette=by == "color", use_nodata=use_nodata)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 where ignored, nodata, or outside the raster."""
        chip = self._raster.read(window)
        valid = chip.valid
        if self._void is not None:
            valid = valid & (chip.image[:3] != self._void).any(axis=0)
        indices = np.full(window.shape, IGNORE, np.uint8)
        if not valid.any():
            return indices
        try:
            if self._by_color:
                # A known color stands in where nothing was observed, so that places in messages stay right.
                known = np.array(self.legend.classes[0].color, np.uint8)[:, None, None]
                colors = chip.image[:3] if valid.all() else np.where(valid, chip.image[:3], known)
                indices = self.legend.encode_colors(colors, nearest=self._nearest)
                indices[~valid] = IGNORE
            else:
                indices[valid] = self.legend.encode(chip.image[0, valid])
        except LegendError as error:
            raise LegendError(f"{self.path}, window at row {window.row}, col {window.col}: {error}") from None
        return indices

    def close(self) -> None:
        """Close the file."""
        self._raster.close()
