"""What a class map is compared with: which classes it means, and whether it lies where the map does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid, same_grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import ConfigError, GridError, LegendError, VectorError
from hectares.io.artefact import sha256_file
from hectares.io.catalog import LabelRules, VectorLabel, read_legend
from hectares.io.labels import LabelFile, LabelSource, open_label
from hectares.io.rasters.class_map import LEGEND_TAG, PROVENANCE_TAG, ClassMap, open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.vector_file import SUFFIXES
from hectares.monitor import Monitor, Problem


@dataclass(frozen=True, eq=False)
class Reference:
    """Labels in the class indices of a map."""

    path: Path
    label: LabelSource
    lookup: NDArray[np.uint8]
    """(256,) from index in the label to index in the map; 255 for what the map does not know."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices of the map (h, w); 255 where ignored, unknown to the map, or outside."""
        return self.lookup[self._read(window)]

    def tell_unknown(self, opened: ClassMap, monitor: Monitor) -> None:
        """Tell of classes that the map does not have, where it has a class: they are not scored, and not right."""
        names = self.label.legend.names
        unknown = [k for k in range(len(names)) if self.lookup[k] == IGNORE]
        if not unknown:
            return
        counts = np.zeros(IGNORE + 1, np.int64)
        for window in opened.windows():
            counts += np.bincount(self._read(window)[opened.read(window) != IGNORE], minlength=IGNORE + 1)
        found = [f"{names[k]} ({counts[k]:,} px)" for k in unknown if counts[k]]
        if found:
            share = counts[unknown].sum() / counts[:IGNORE].sum()
            what = f"{share:.1%} of the labelled pixels are of classes that {opened.path} does not have: "
            remedy = (
                "they are not scored, though the map is wrong there; if the map calls them otherwise, say so in a "
                "legend given with --legend"
            )
            monitor.problem(Problem(str(self.path), what + ", ".join(found), remedy))

    def _read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices of the reference; a code it does not explain is refused with the way out."""
        try:
            return self.label.read(window)
        except LegendError as error:
            raise LegendError(f"{error}; name the classes of the reference in a legend given with --legend") from None


@dataclass(frozen=True, slots=True)
class ShapeRules:
    """How shapes of a vector file are a reference."""

    field: str | None = None
    """Attribute with the name or code of the class."""
    aoi: str | None = None
    """FILE or FILE:LAYER of what was labelled; outside of it nothing is scored."""
    background: str | None = None
    """Class of what no shape covers; None: it was not labelled."""


def open_reference(
    path: str | Path, opened: ClassMap, legend: Path | None, shapes: ShapeRules, monitor: Monitor
) -> Reference:
    """Open the reference of a map: a label raster, or shapes of a vector file (FILE or FILE:LAYER).

    What cannot be known for sure, or looks like a mistake, is told: a reference without a CRS, the map itself, a
    map that a segmenter made, or classes that the map does not have.
    Raises LegendError if no class is shared, GridError if it lies elsewhere.
    """
    file, layer = split_layer_name(path)
    if file.suffix.lower() in SUFFIXES:
        reference = _open_shapes(file, layer, opened, legend, shapes, monitor)
    elif shapes != ShapeRules():
        raise ConfigError(f"{path}: is no vector file; --class-field, --aoi and --background are for those")
    else:
        reference = _open_raster(Path(path), opened, legend, monitor)
    reference.tell_unknown(opened, monitor)
    return reference


def _open_shapes(
    path: Path, layer: str | None, opened: ClassMap, legend: Path | None, shapes: ShapeRules, monitor: Monitor
) -> Reference:
    if not path.exists():
        raise VectorError(f"{path}: there is no such file")
    aoi, aoi_layer = (None, None) if shapes.aoi is None else split_layer_name(shapes.aoi)
    what = VectorLabel(path, layer, shapes.field, aoi=aoi, aoi_layer=aoi_layer)
    meant = opened.legend if legend is None else read_legend(legend)
    label = open_label(what, meant, LabelRules(background=shapes.background), opened.grid)
    for note in label.notes:
        monitor.problem(note)
    return Reference(path, label, _match_names(path, label.legend, opened))


def _open_raster(path: Path, opened: ClassMap, legend: Path | None, monitor: Monitor) -> Reference:
    label = LabelFile(path, _legend_of(opened, path, legend))
    lookup = _match_names(path, label.legend, opened)
    check_grid(label.path, label.grid, opened, monitor)
    if path.samefile(opened.path) or sha256_file(path) == sha256_file(opened.path):
        what = "is the map itself, or a copy of it"
        monitor.problem(Problem(str(path), what, "the scores say nothing; give labels that somebody drew"))
    elif _was_predicted(path):
        what = "is a class map that a segmenter made"
        remedy = "the scores tell how far two maps agree, not how good one is"
        monitor.problem(Problem(str(path), what, remedy))
    return Reference(path, label, lookup)


def check_grid(path: Path, grid: Grid, opened: ClassMap, monitor: Monitor) -> None:
    """Check that a raster lies pixel on pixel with a map. Raises GridError if it does not.

    If one of the two has no CRS, only sizes, and transforms if both have one, can be compared: that is told.
    """
    both_placed = opened.grid.is_georeferenced and grid.is_georeferenced
    fits = same_grid(opened.grid, grid) if both_placed else opened.grid.shape == grid.shape
    if not both_placed and fits and not (opened.grid.transform.is_identity or grid.transform.is_identity):
        fits = opened.grid.transform.almost_equals(grid.transform, precision=1e-6 * abs(opened.grid.transform.a))
    if not fits:
        raise GridError(
            f"{path}: is not on the grid of {opened.path} ({grid.shape} px, {grid.crs}, pixels of {grid.transform.a:g} "
            f"from {grid.transform.c:.10g}, {grid.transform.f:.10g} against {opened.grid.shape} px, {opened.grid.crs}, "
            f"pixels of {opened.grid.transform.a:g} from {opened.grid.transform.c:.10g}, "
            f"{opened.grid.transform.f:.10g}); resample it onto that grid, labels with nearest neighbor"
        )
    if opened.grid.is_georeferenced != grid.is_georeferenced:
        bare = path if opened.grid.is_georeferenced else opened.path
        what = "has no CRS, so that its place cannot be checked"
        monitor.problem(Problem(str(bare), what, "pixels are compared one by one, from the upper left corner"))


def _legend_of(opened: ClassMap, reference: Path, legend: Path | None) -> Legend:
    """The legend given, else the one inside the reference, else that of the map."""
    if legend is not None:
        return read_legend(legend)
    with open_raster(reference, expand_palette=False) as raster:
        facts = raster.facts
    if LEGEND_TAG in facts.tags:
        with open_class_map(reference) as other:
            return other.legend
    nodata = facts.nodata if facts.nodata is not None and facts.nodata.is_integer() else None  # NaN is not
    free = nodata is not None and nodata not in opened.legend.codes
    return replace(opened.legend, nodata=int(nodata) if free and nodata is not None else IGNORE)


def _match_names(path: Path, legend: Legend, opened: ClassMap) -> NDArray[np.uint8]:
    """Table from index in the reference to index in the map; what the map does not know is ignored."""
    lookup = np.full(IGNORE + 1, IGNORE, np.uint8)
    for k, name in enumerate(legend.names):
        if name in opened.legend.names:
            lookup[k] = opened.legend.index(name)
    if (lookup == IGNORE).all():
        raise LegendError(
            f"{path}: shares no class name with {opened.path} ({', '.join(legend.names)} "
            f"against {', '.join(opened.legend.names)}); rename them in a legend given with --legend"
        )
    return lookup


def _was_predicted(path: Path) -> bool:
    with open_raster(path, expand_palette=False) as raster:
        if PROVENANCE_TAG not in raster.facts.tags or len(raster.facts.bands) != 1:
            return False
    with open_class_map(path) as other:
        return "segmenter" in other.provenance.get("inputs", {})
