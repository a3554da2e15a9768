"""One pass over all scenes of a catalog: every pixel of images and labels is read once, for all examinations."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.check import CheckConfig
from hectares.core.area import nominal_pixel_area, pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE
from hectares.core.sampling import SPLITS
from hectares.core.scene import Chip
from hectares.core.window import Window
from hectares.doctor.account import Account, pixel_size_m
from hectares.doctor.alignment import LabelShift, ShiftTally, tiles_of
from hectares.doctor.duplicates import Fingerprints, find_copies
from hectares.doctor.finding import Finding, Ledger, Place, from_error
from hectares.doctor.labels import LabelExam, count_classes
from hectares.doctor.pixels import PixelTally, examine_grid, scan_windows
from hectares.doctor.shapes import ShapeFile, examine_shapes
from hectares.doctor.splits import Footprints, find_absent, find_shared_groups, note_distances
from hectares.doctor.thumbnails import Thumbnail, has_texture, keep, look_hashes
from hectares.errors import GridError, HectaresError, Interrupted
from hectares.io.catalog import Catalog, CatalogScene, VectorLabel
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.monitor import Monitor, track

_DIGEST = 16
_TURNS = 8
_SAMPLE = 2000
_SHIFT_TILES = 64
"""Of more scenes, and more tiles in a scene, an even sample tells as much about shifts and ways of storing."""


class Survey:
    """The examinations of a catalog."""

    def __init__(self, catalog: Catalog, where: str, config: CheckConfig) -> None:
        self.ledger = Ledger()
        self.facts: dict[str, Any] = {}
        self.account = Account(catalog.legend)
        self._catalog, self._where, self._config = catalog, where, config
        count = len(catalog.scenes)
        turns = _TURNS if config.flips else 1
        self._prints = Fingerprints(
            digests=np.zeros((count, _DIGEST), np.uint8),
            labels=np.zeros((count, _DIGEST), np.uint8),
            hashes=np.zeros((count, turns), np.uint64),
            thumbnails=np.zeros((count, 256), np.int8),
            textured=np.zeros(count, np.bool_),
            splits=np.array([-1 if s.split is None else SPLITS.index(s.split) for s in catalog.scenes], np.int8),
            sources=np.array(_numbers(catalog), np.int64),
        )
        self._crs: list[str | None] = [None] * count
        self._bounds = np.full((count, 4), np.nan)
        self._overall = ShiftTally()
        self._every = max(1, count // _SAMPLE)
        self._shapes: dict[ShapeFile, list[Grid]] = {}

    def run(self, monitor: Monitor) -> None:
        """Read all scenes, then compare them with each other."""
        for number, scene in enumerate(track(self._catalog.scenes, monitor, "checking scenes")):
            try:
                self._examine(number, scene)
            except Interrupted:
                raise
            except HectaresError as error:
                self.ledger.add([from_error("reading", str(scene.image), error, scene=scene.id)])
        self.ledger.add(self.account.findings(self._where))
        self._compare_splits()
        if self._config.duplicates:
            self._compare_images(monitor)
        self._judge_shift(self._overall.shift())
        for file, grids in track(list(self._shapes.items()), monitor, "checking shapes"):
            self.ledger.add(examine_shapes(file, grids)[0])
        self.facts = self.account.facts() | self.facts

    # --- One scene ----------------------------------------------------------------------------------------

    def _examine(self, number: int, scene: CatalogScene) -> None:
        digest = hashlib.sha256()
        for position, file in enumerate(scene.images):
            with open_raster(file.path, names=file.bands, crs=file.crs, tolerate_damage=True) as raster:
                self.account.add_image(position, raster.bands, raster.dtype.name, scene.id)
                digest.update(repr((raster.grid.shape, raster.bands, raster.dtype.name)).encode())
                pixels = PixelTally(raster, scene.id)
                if position == 0:
                    self._examine_first(number, scene, raster, pixels, digest)
                else:
                    for window in scan_windows(raster.grid.shape):
                        chip = raster.read(window)
                        pixels.add(chip, window)
                        if self._config.duplicates:
                            digest.update(np.ascontiguousarray(chip.image).data)
                self.ledger.add(pixels.findings())
        self._prints.digests[number] = np.frombuffer(digest.digest()[:_DIGEST], np.uint8)

    def _examine_first(
        self, number: int, scene: CatalogScene, raster: RasterFile, pixels: PixelTally, digest: hashlib._Hash
    ) -> None:
        """Read the image that gives the grid, with the label."""
        grid = raster.grid
        if grid.crs is not None:
            self._crs[number], self._bounds[number] = grid.crs, grid.bounds
        self.ledger.add(examine_grid(grid, str(scene.image), scene.id))
        label = self._open_label(number, scene, grid)
        reading = _LabelReading(self, number, scene, grid, label)
        thumbnail = Thumbnail(grid.shape)
        for window in scan_windows(grid.shape):
            chip = raster.read(window)
            pixels.add(chip, window)
            if self._config.duplicates:
                digest.update(np.ascontiguousarray(chip.image).data)
                thumbnail.add(chip.image, chip.valid, window)
            reading.add(chip, window)
        reading.finish()
        self.account.add_scene(grid, pixels.valid_px, scene.gsd_m, scene.id)
        gray = thumbnail.gray
        if pixels.valid_px and has_texture(gray) and not raster.damage:
            self._prints.textured[number] = True
            self._prints.hashes[number] = look_hashes(gray, turns=self._config.flips)
            self._prints.thumbnails[number] = keep(gray)

    def _open_label(self, number: int, scene: CatalogScene, grid: Grid) -> LabelExam | None:
        if scene.label is None:
            return None
        if isinstance(scene.label, VectorLabel):
            name = scene.label
            file = ShapeFile(name.path, name.layer, name.field, name.crs, name.may_be_empty)
            self._shapes.setdefault(file, []).extend([grid] if grid.is_georeferenced else [])
        try:
            exam = LabelExam(scene.label, self._catalog.legend, self._catalog.rules, grid, scene.id)
        except Interrupted:
            raise
        except HectaresError as error:
            self.ledger.add([from_error("labels", str(scene.label.path), error, scene=scene.id)])
            return None
        if number % self._every == 0:
            self.account.add_label_kind(exam.kind(), scene.id)
        self.ledger.add(exam.compare_grids())
        if exam.fits:
            return exam
        exam.close()
        return None

    def take_label(self, number: int, digest: bytes, shift: ShiftTally, gsd_m: float | None) -> None:
        """Note what the label of a scene turned out to be."""
        self._prints.labels[number] = np.frombuffer(digest[:_DIGEST], np.uint8)
        scene = self._catalog.scenes[number]
        found = shift.shift()
        self._overall.merge(shift, number // self._every)
        if found is not None and scene.label is not None:
            what = f"lies {found}{_metres(found, gsd_m)} against {scene.image.name} (confidence {found.confidence:.2f})"
            places = self._places(number)
            remedy = "look at it over its image; check the CRS, the transform, or move it"
            finding = Finding("shifted labels", "warning", str(scene.label.path), what, remedy, scene.id, places)
            self.ledger.add([finding])

    def measures_shift(self, number: int) -> bool:
        """Tell if a scene belongs to the sample whose labels are laid against edges."""
        return self._config.shift and number % self._every == 0

    # --- All scenes ---------------------------------------------------------------------------------------

    def _compare_splits(self) -> None:
        self.ledger.add(find_absent(self._where, self.account.class_pixels, self._catalog.legend.names))
        self.ledger.add(find_shared_groups(self._where, self._catalog))
        footprints = Footprints(self._catalog, self._crs, self._bounds)
        self.ledger.add(footprints.overlaps())
        distances = footprints.distances_m()
        self.ledger.add(note_distances(self._where, distances, self.account.finest_gsd_m))
        self.facts["distance_m"] = distances

    def _compare_images(self, monitor: Monitor) -> None:
        monitor.progress("comparing images", 0, 1)
        names = [scene.id for scene in self._catalog.scenes]
        places = _Places(self)
        for copies in find_copies(self._prints, near=self._config.near):
            self.facts[copies.check.replace(" ", "_")] = copies.summary(self._prints)
            self.ledger.add(copies.findings(self._prints, names, places))
        monitor.progress("comparing images", 1, 1)

    def _judge_shift(self, found: LabelShift | None) -> None:
        self.facts["shift"] = None if found is None else {"rows": found.rows, "cols": found.cols}
        if found is None or len(self._catalog.scenes) == 1:
            return
        what = f"labels lie {found}{_metres(found, self.account.finest_gsd_m)} on the whole"
        what += f" ({found.border_px:,} border pixels agree, confidence {found.confidence:.2f})"
        remedy = "look at some over their images; if all are shifted alike, move them all"
        self.ledger.add([Finding("all labels shifted", "warning", self._where, what, remedy)])

    def _places(self, number: int) -> tuple[Place, ...]:
        place = self.place_of(number)
        return () if place is None else (place,)

    def place_of(self, number: int) -> Place | None:
        """Give the middle of a scene, None if nobody knows where it is."""
        crs = self._crs[number]
        if crs is None:
            return None
        west, south, east, north = self._bounds[number].tolist()
        return Place.of_point(crs, (west + east) / 2, (south + north) / 2)


class _Places:
    """Middles of scenes by number, made when they are asked for."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def __getitem__(self, number: int) -> Place | None:
        return self._survey.place_of(int(number))


class _LabelReading:
    """Reads the label of a scene along with its image."""

    def __init__(self, survey: Survey, number: int, scene: CatalogScene, grid: Grid, exam: LabelExam | None) -> None:
        self._survey, self._number, self._scene, self._grid, self._exam = survey, number, scene, grid, exam
        count = len(survey.account.legend)
        self._pixels, self._area = np.zeros(count + 1, np.int64), np.zeros(count + 1)
        self._read_px = 0
        self._has_area = grid.is_georeferenced or scene.gsd_m is not None
        self._digest = hashlib.sha256()
        self._shift = ShiftTally()
        self._step = max(1, grid.window.pixels // (_SHIFT_TILES * 256**2))

    def add(self, chip: Chip, window: Window) -> None:
        """Read the label of a window whose image was read."""
        label = None if self._exam is None else self._exam.read(window)
        if label is None:
            return
        if not chip.valid.all():
            label[..., ~chip.valid] = IGNORE
        self._digest.update(np.ascontiguousarray(label).data)
        pixels, area = count_classes(label, len(self._pixels) - 1, self._pixel_area(window))
        self._pixels += pixels
        self._read_px += window.pixels
        self._area += area
        if self._survey.measures_shift(self._number):
            indices = label if label.ndim == 2 else _flat(label)
            for tile in tiles_of(window, self._step):
                part = tile.within(window).slices
                self._shift.add(chip.image[:, *part], chip.valid[part], indices[part])

    def _pixel_area(self, window: Window) -> NDArray[np.float64] | None:
        if not self._has_area:
            return None
        if not self._grid.is_georeferenced:
            assert self._scene.gsd_m is not None
            return np.broadcast_to(nominal_pixel_area(self._scene.gsd_m), window.shape)
        try:
            return pixel_area(self._grid, window)
        except GridError:  # said by the examination of the grid
            self._has_area = False
            return None

    def finish(self) -> None:
        """Hand over what was counted."""
        if self._exam is None:
            return
        survey, scene = self._survey, self._scene
        survey.ledger.add(self._exam.findings())
        self._exam.close()
        labelled_px = self._read_px - int(self._pixels[-1])
        survey.account.add_label(scene.split, self._pixels, self._area if self._has_area else None, labelled_px)
        gsd_m = pixel_size_m(self._grid, scene.gsd_m)
        survey.take_label(self._number, self._digest.digest(), self._shift, gsd_m)
        if not self._pixels[:-1].any() and not self._exam.is_refused:
            where = str(scene.label.path) if scene.label is not None else scene.id
            what = "has no labelled pixel" + ("" if self._pixels[-1] == 0 else ": all are ignored or nodata")
            remedy = "check the legend, or leave it out"
            survey.ledger.add([Finding("no label", "warning", where, what, remedy, scene.id)])


def _flat(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give one number for each combination that matters to borders: the topmost class, or none."""
    top = np.uint8(len(planes) - 1) - np.argmax(planes[::-1] == 1, axis=0).astype(np.uint8)
    flat = np.where((planes == 1).any(axis=0), top, np.uint8(len(planes)))
    return np.where((planes == IGNORE).all(axis=0), np.uint8(IGNORE), flat)


def _numbers(catalog: Catalog) -> list[int]:
    """Give each scene the number of its image files: equal files, equal numbers."""
    known: dict[tuple[Path, ...], int] = {}
    return [known.setdefault(tuple(f.path for f in s.images), len(known)) for s in catalog.scenes]


def _metres(shift: LabelShift, gsd_m: float | None) -> str:
    return "" if gsd_m is None else f" ({np.hypot(shift.rows, shift.cols) * gsd_m:.1f} m)"
