"""Class maps on disk: a cloud-optimized GeoTIFF of codes, with colors, legend and provenance inside; or a PNG."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, MAP_NODATA, LandClass, Legend, default_color
from hectares.core.seams import SeamCounter
from hectares.core.window import Window
from hectares.errors import ArtefactError, LegendError
from hectares.io.artefact import dump_json
from hectares.io.outputs import disk_errors, work_path
from hectares.io.rasters.cog import (
    BLOCK_PX,
    WINDOW_COLS,
    Blocks,
    RasterForm,
    blocks_of_strip,
    check_written,
    copy_to_cog,
    remove_raster,
    write_plain,
)
from hectares.io.rasters.map_files import (
    SEAL_TAG,
    CodeTally,
    Seal,
    add_tag,
    check_map_target,
    is_picture,
    is_placed,
    make_seal,
    place_map,
    tags_fingerprint,
)
from hectares.io.rasters.palette_png import PalettePng, ascii_json
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.io.rasters.world_file import read_world_file, world_file_text
from hectares.monitor import QUIET, Monitor

LEGEND_TAG = "HECTARES_LEGEND"
PROVENANCE_TAG = "HECTARES_PROVENANCE"
CRS_TAG = "HECTARES_CRS"
"""In a map as PNG, which has no place for a CRS of its own."""
MOST_CODES = 64
"""One band of no more different whole numbers than these looks like classes."""
_LOOKED_AT_PX = 1024
_SHOWN_CODES = 5


def save_class_map(
    target: Path,
    work: Path,
    strips: Iterable[NDArray[np.uint8]],
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write a class map from strips of codes (h, W) that follow each other from top to bottom.

    `work` is an existing folder on the same file system. The map is written there, read back, compared with
    what went in, and moved into place. Memory is that of a few strips.
    """
    save_class_blocks(target, work, _blocks_of(strips), grid, legend, provenance, overwrite=overwrite)


def save_class_blocks(  # noqa: PLR0913 - one map, and how it was made
    target: Path,
    work: Path,
    blocks: Blocks,
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    *,
    overwrite: bool,
    seams: SeamCounter | None = None,
    monitor: Monitor = QUIET,
) -> None:
    """Write a class map as `save_class_map` does, from blocks of codes (1, h, w) in any order.

    With `seams`, the map is read once more, and the label changes between tiles are noted in it.
    """
    check_map_target(target, overwrite=overwrite, work=work)
    plain, done = work / "plain.tif", work / f"done{target.suffix.lower()}"
    tags = _tags(legend, provenance)
    form = RasterForm("uint8", MAP_NODATA, ("class",), tags, resampling="MODE", colors=colormap(legend))
    with disk_errors(target):
        tally = CodeTally(blocks)
        written = write_plain(plain, tally, grid, form)
        found = _grid_in(target, plain, grid)
        seal = make_seal(plain, found, written, tally.pixels, tags_fingerprint(found, legend, provenance), seams)
        if is_picture(target):
            _write_picture(done, plain, found, legend, provenance, seal)
        else:
            add_tag(plain, SEAL_TAG, seal.to_json())
            copy_to_cog(plain, done, grid, form, monitor)
        remove_raster(plain)
        check_written(done, written)
        place_map(target, done, found, legend, provenance, tally.pixels)


def _grid_in(target: Path, plain: Path, grid: Grid) -> Grid:
    """Give the grid that a reader of the map finds: places in files are rounded."""
    if is_picture(target):
        if not is_placed(grid):
            return grid
        file = plain.with_name("place.pgw")
        file.write_text(world_file_text(grid.transform), encoding="ascii")
        return replace(grid, transform=read_world_file(file))
    with open_raster(plain) as raster:
        return raster.grid


def _write_picture(
    path: Path, plain: Path, grid: Grid, legend: Legend, provenance: Mapping[str, Any], seal: Seal
) -> None:
    """Write a map as a PNG with a palette, with what the tags of a GeoTIFF say as text."""
    texts = {LEGEND_TAG: legend.to_json(), PROVENANCE_TAG: provenance, SEAL_TAG: seal.to_json()}
    shown = {tag: ascii_json(content) for tag, content in texts.items()}
    if grid.crs is not None:
        shown[CRS_TAG] = ascii_json(grid.crs)
    height, width = grid.shape
    with path.open("wb") as file, open_raster(plain, use_nodata=False, expand_palette=False) as raster:
        picture = PalettePng(file, grid.shape, legend, shown | {"Software": "hectares"})
        for row in range(0, height, BLOCK_PX):
            picture.write(raster.read(Window(row, 0, min(BLOCK_PX, height - row), width)).image[0])
        picture.finish()


def write_class_map(
    target: Path,
    indices: NDArray[np.uint8],
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write a class map that is in memory, from class indices (H, W); 255 is nodata."""
    work = work_path(target)
    check_map_target(target, overwrite=overwrite)
    work.mkdir(exist_ok=True)  # one that is there is what a killed run left
    try:
        save_class_map(target, work, [legend.decode(indices)], grid, legend, provenance, overwrite=overwrite)
    finally:
        shutil.rmtree(work)


def _blocks_of(strips: Iterable[NDArray[np.uint8]]) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    row = 0
    for strip in _regroup(strips, BLOCK_PX):
        yield from blocks_of_strip(row, strip)
        row += strip.shape[0]


def _regroup(strips: Iterable[NDArray[np.uint8]], rows: int) -> Iterator[NDArray[np.uint8]]:
    """Cut strips of any height into strips of `rows`, so that every block of the file is written once."""
    held: list[NDArray[np.uint8]] = []
    for strip in strips:
        held.append(strip)
        if sum(s.shape[0] for s in held) >= rows:
            joined = np.concatenate(held)
            whole = joined.shape[0] // rows * rows
            for start in range(0, whole, rows):
                yield joined[start : start + rows]
            held = [joined[whole:]]
    joined = np.concatenate(held)
    if joined.size:
        yield joined


def colormap(legend: Legend) -> dict[int, tuple[int, int, int, int]]:
    """Give the color table of a map with a legend; nodata is transparent."""
    return {c.code: (*c.color, 255) for c in legend.classes} | {MAP_NODATA: (0, 0, 0, 0)}


def _tags(legend: Legend, provenance: Mapping[str, Any]) -> dict[str, str]:
    """Tags of the default domain: a custom one is lost when the COG is made."""
    return {
        LEGEND_TAG: dump_json(legend.to_json()),
        PROVENANCE_TAG: dump_json(provenance),
        "TIFFTAG_SOFTWARE": f"hectares {provenance.get('version', '')}".strip(),
        "TIFFTAG_IMAGEDESCRIPTION": "Class map: " + ", ".join(f"{c.code} {c.name}" for c in legend.classes),
    }


@dataclass(frozen=True)
class ClassMap:
    """A class map opened for reading: any raster of one integer band."""

    raster: RasterFile
    legend: Legend
    provenance: Mapping[str, Any]
    """Empty for a map that we did not write."""

    @property
    def seal(self) -> Seal | None:
        """What was known when it was written; None for a map that we did not write. Raises ArtefactError if changed."""
        text = self.raster.facts.tags.get(SEAL_TAG)
        return None if text is None else Seal.from_tag(self.path, text)

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.raster.grid

    @property
    def path(self) -> Path:
        """The file."""
        return self.raster.path

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 is nodata."""
        chip = self.raster.read(window)
        indices = np.full(window.shape, IGNORE, np.uint8)
        try:
            indices[chip.valid] = self.legend.encode(chip.image[0, chip.valid])
        except LegendError as error:
            raise LegendError(f"{self.path}: {error}") from None
        return indices

    def windows(self) -> list[Window]:
        """Give windows over the whole map, row by row; their size does not depend on that of the map."""
        height, width = self.grid.shape
        return [
            Window(row, col, min(BLOCK_PX, height - row), min(WINDOW_COLS, width - col))
            for row in range(0, height, BLOCK_PX)
            for col in range(0, width, WINDOW_COLS)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.raster.close()


def open_class_map(path: str | Path, *, legend: Legend | None = None) -> ClassMap:
    """Open a class map. Without a legend in its tags, the codes found become classes named `class N`.

    Raises LegendError if it has several bands, floats, or codes above 254 that are not nodata.
    """
    raster = open_raster(path, expand_palette=False)
    if raster.grid.crs is None and CRS_TAG in raster.facts.tags:
        crs = _crs_of(raster)
        raster.close()
        raster = open_raster(path, expand_palette=False, crs=crs)
    facts = raster.facts
    if len(facts.bands) != 1 or raster.dtype.kind not in "ui":
        raster.close()
        raise LegendError(
            f"{path}: has {len(facts.bands)} band(s) of {facts.dtype}; expected a class map, one band of whole numbers"
        )
    try:
        provenance = _provenance_of(raster)
        if legend is None and LEGEND_TAG in facts.tags:
            legend = _legend_of(raster)
        if legend is None:
            legend = _legend_from_codes(raster)
    except BaseException:
        raster.close()
        raise
    return ClassMap(raster, legend, provenance)


def codes_in_the_middle(raster: RasterFile) -> tuple[int, ...]:
    """Give the numbers in the middle of a raster that looks like a class map; none for one that does not.

    It is one band of no more than `MOST_CODES` whole numbers, 0 to 255, without its palette expanded.
    """
    if len(raster.facts.bands) != 1 or raster.dtype.kind not in "ui":
        return ()
    height, width = raster.grid.shape
    sides = min(height, _LOOKED_AT_PX), min(width, _LOOKED_AT_PX)
    chip = raster.read(Window((height - sides[0]) // 2, (width - sides[1]) // 2, *sides))
    codes = np.unique(chip.image[0, chip.valid]).tolist()
    fit = 0 < len(codes) <= MOST_CODES and codes[0] >= 0 and codes[-1] <= MAP_NODATA
    return tuple(int(code) for code in codes) if fit else ()


def _crs_of(raster: RasterFile) -> str | None:
    """Read the CRS of a map as PNG; None if the tag is not as we write it."""
    try:
        found = json.loads(raster.facts.tags[CRS_TAG])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _provenance_of(raster: RasterFile) -> dict[str, Any]:
    """Read how a map was made; {} where it does not say. What is not as we write it is refused."""
    provenance = _tag_of(raster, PROVENANCE_TAG) if PROVENANCE_TAG in raster.facts.tags else {}
    windows, inputs = provenance.get("trained_on", []), provenance.get("inputs", {})
    numbers = isinstance(windows, list) and all(
        isinstance(w, list) and len(w) == 4 and all(type(n) is int for n in w) and min(w[2:]) >= 0 for w in windows
    )
    if not numbers or not isinstance(inputs, dict):
        key = "inputs" if numbers else "trained_on"
        raise ArtefactError(_odd_tag(raster, PROVENANCE_TAG, f"{key} is {str(provenance[key])[:60]}"))
    return provenance


def _legend_of(raster: RasterFile) -> Legend:
    content = _tag_of(raster, LEGEND_TAG)
    try:
        return Legend.from_json(content)
    except (LegendError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = str(error) if isinstance(error, LegendError) else f"lacks or garbles {error}"
        raise LegendError(_odd_tag(raster, LEGEND_TAG, why)) from error


def _tag_of(raster: RasterFile, tag: str) -> dict[str, Any]:
    text = raster.facts.tags[tag]
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(_odd_tag(raster, tag, f"begins {text[:40]!r} and is no JSON")) from error
    if not isinstance(content, dict):
        raise ArtefactError(_odd_tag(raster, tag, f"is {text[:40]!r}, expected an object"))
    return content


def _odd_tag(raster: RasterFile, tag: str, why: str) -> str:
    return f"{raster.path}: the tag {tag} is not as hectares writes it ({why}); remove it: gdal_edit.py -unsetmd FILE"


def _legend_from_codes(raster: RasterFile) -> Legend:
    found: set[int] = set()
    height, width = raster.grid.shape
    for row in range(0, height, BLOCK_PX):
        chip = raster.read(Window(row, 0, min(BLOCK_PX, height - row), width))
        found |= set(np.unique(chip.image[0, chip.valid]).tolist())
    outside = sorted(code for code in found if not 0 <= code < MAP_NODATA)
    if outside == [MAP_NODATA] and raster.facts.nodata is None:
        outside = []  # our nodata in a file that does not say so
        found.discard(MAP_NODATA)
    if not found:
        raise LegendError(f"{raster.path}: has no class: every pixel is nodata; give a map that shows one")
    if outside:
        shown = ", ".join(map(str, outside[:_SHOWN_CODES])) + (", ..." if len(outside) > _SHOWN_CODES else "")
        raise LegendError(
            f"{raster.path}: has the codes {shown}; class codes are 0 to 254: "
            "give classes other codes in a raster calculator, or declare what is nodata (gdal_edit.py -a_nodata)"
        )
    classes = (LandClass(code, f"class {code}", default_color(i)) for i, code in enumerate(sorted(found)))
    nodata = MAP_NODATA if MAP_NODATA not in found else None
    return Legend(tuple(classes), nodata=nodata)
