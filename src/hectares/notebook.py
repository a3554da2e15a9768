"""Artefacts that show themselves in a notebook: pictures and tables in the cell, without a server or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hectares.config.report import ReportConfig
from hectares.core.area import AreaTable, AreaTally, pixel_area
from hectares.io.rasters.class_map import open_class_map
from hectares.monitor import QUIET, Monitor
from hectares.report import read_artefacts
from hectares.view.notebook import Cell, render_cell

_PICTURE_PX = 480


@dataclass(frozen=True, slots=True)
class Shown:
    """What a cell of a notebook shows; a terminal sees the same tables as text."""

    text: str
    html: str = field(repr=False)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def show(
    *artefacts: str | Path, rgb: str | None = None, picture_px: int = _PICTURE_PX, monitor: Monitor = QUIET
) -> Shown:
    """Give class maps, scenes, areas, estimates, scores and runs as what a notebook displays.

    A map stands beside the scene on its grid, if that is given too, and its areas are counted from it. `rgb` chooses
    the bands of scenes, as in `report`; `picture_px` is the longest side of pictures.
    Raises InputError for what is none of the artefacts that a report takes.
    """
    given, paths = read_artefacts(artefacts, ReportConfig(picture_px=picture_px, rgb=rgb), monitor=monitor)
    measured = {sha for record in given.areas for sha in record.piece.inputs.values()}
    areas = {
        item.piece.name: _areas(paths[item.piece.name])
        for item in given.maps
        if item.grid.is_georeferenced and item.piece.sha256 not in measured
    }
    cell = Cell.of(given, areas)
    return Shown(cell.text(), render_cell(cell))


def _areas(path: Path) -> AreaTable:
    with open_class_map(path) as opened:
        tally = AreaTally(opened.legend)
        for window in opened.windows():
            tally.add(opened.read(window), pixel_area(opened.grid, window))
        return tally.table()
