"""What the map page is told about a map: the record that `view` writes, with tiles made when they are asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affine import Affine

from hectares import __version__
from hectares.core.grid import Grid
from hectares.errors import HectaresError, InputError
from hectares.io.artefact import read_artefact, sha256_file
from hectares.io.polygons.page_polygons import read_page_polygons
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.shapes.zones import OUTSIDE
from hectares.monitor import QUIET
from hectares.service.data_root import DataRoot, grid_of
from hectares.service.job import Job
from hectares.service.steps import AREAS, FILES, MAP, POLYGONS, finished_files
from hectares.view import map_page as view
from hectares.view.account import map_notes, stamp_facts
from hectares.view.page import Source
from hectares.view.place import place_facts, place_line
from hectares.view.pyramid import level_shapes
from hectares.view.service_page import map_frame

MAP_LAYER, SCENE_LAYER = "map-1", "scene-1"
_MOST_POLYGONS = 10_000
_MOST_HELD = 8


@dataclass(frozen=True, slots=True)
class MapView:
    """The page of a map: its files by name, and the scene that lies below it."""

    files: Mapping[str, bytes]
    scene: Path | None


class MapViews:
    """Makes the pages of maps, and keeps the last few."""

    def __init__(self, root: DataRoot) -> None:
        """Take the folder of the service."""
        self._root = root
        self._held: dict[tuple[str, tuple[str, ...]], MapView] = {}
        self._lock = threading.Lock()

    def forget(self, job: Job) -> None:
        """Let go of the pages of a map."""
        with self._lock:
            for key in [key for key in self._held if key[0] == job.id]:
                del self._held[key]

    def of(self, job: Job, folder: Path) -> MapView:
        """Give the page of a job whose map is there; made anew when more of its files are."""
        key = (job.id, tuple(finished_files(folder)))
        with self._lock:  # also while it is made: a page asks for a dozen files at once
            if key not in self._held:
                self._held[key] = _make(job, folder, self._root)
                while len(self._held) > _MOST_HELD:
                    self._held.pop(next(iter(self._held)))
            return self._held[key]


def _make(job: Job, folder: Path, root: DataRoot) -> MapView:
    with open_class_map(folder / MAP) as opened:
        record = _map_record(job, folder, opened)
        scene, layer = _scene(job, root, opened.grid)
        extent = view.extent_of([record])
        frame = opened.grid
        title = Path(job.scene).name
        content = {
            "title": title,
            "subtitle": place_line(frame),
            "version": __version__,
            "extent": extent,
            "pixelM": list(frame.gsd) if frame.crs is not None else [job.gsd_m, job.gsd_m],
            "lonlat": None if frame.crs is None else view.lonlat_record(frame, extent),
            "maps": [record],
            "scenes": [] if layer is None else [layer],
            "zones": [],
            "outlines": list(_outlines(folder, frame)),
            "sources": [view.source_record(_source(opened))],
            "back": "../../",
            "files": [
                {"name": name, "what": FILES[name][1], "href": _href(job, name)} for name in finished_files(folder)
            ],
        }
    return MapView(view.page_files(title, content, more=map_frame()), scene)


def _href(job: Job, name: str) -> str:
    return f"../../api/jobs/{job.id}/files/{name}"


def _map_record(job: Job, folder: Path, opened: ClassMap) -> dict[str, Any]:
    grid = opened.grid
    identity = Affine.identity()[:6]
    table = read_artefact(folder / "areas.json", "areas") if (folder / "areas.json").is_file() else None
    record = view.layer_record(MAP_LAYER, job.segmenter, identity, grid.shape, 1, _all_tiles(grid.shape, "c"))
    if table is not None:
        record["table"] = _href(job, AREAS)
    return record | {
        "classes": view.legend_record(opened.legend),
        "notes": list(map_notes(opened.provenance, grid.shape, 1, has_nodata=False)),
        "areas": None if table is None else view.areas_record(table, last=OUTSIDE),
        "pixelArea": view.pixel_area_record(grid, job.gsd_m),
        "scores": None,
    }


def _all_tiles(shape: tuple[int, int], kind: str) -> view.Tiles:
    """Say that every tile is there: what it shows is known when it is made."""
    tiles = view.Tiles(level_shapes(shape))
    tiles.rows = [[[kind] * len(row) for row in level] for level in tiles.rows]
    return tiles


def _scene(job: Job, root: DataRoot, frame: Grid) -> tuple[Path | None, dict[str, Any] | None]:
    """Give the scene below the map; nothing if it is gone, changed, or leads out of the folder."""
    path = root.path / job.scene
    try:
        if not root.holds(path):
            raise InputError(f"{path}: leads out of the folder")
        grid = grid_of(root.decode("showable", path).answer)
        if grid.crs != frame.crs or (grid.crs is None and grid.shape != frame.shape):
            return None, None
    except HectaresError:
        return None, None
    affine = (~frame.transform @ grid.transform)[:6] if grid.crs else Affine.identity()[:6]
    affine = [round(v, 9) for v in affine]
    tiles = _all_tiles(grid.shape, "j")
    return path, view.layer_record(SCENE_LAYER, Path(job.scene).name, affine, grid.shape, 1, tiles)


def _outlines(folder: Path, frame: Grid) -> Iterator[dict[str, Any]]:
    if frame.crs is None or not (folder / POLYGONS).is_file():
        return
    with contextlib.suppress(InputError):  # a map of nodata alone has no polygons
        for found in read_page_polygons(folder / POLYGONS, frame, _MOST_POLYGONS, QUIET):
            yield {"name": found.name, "m2": float(f"{found.area_m2:.9g}"), "rings": found.rings}


def _source(opened: ClassMap) -> Source:
    facts = (*place_facts(opened.grid), *stamp_facts(opened.provenance))
    return Source(MAP, "class map", sha256_file(opened.path), facts)
