"""The data doctor: reads everything, and says what is wrong and where, before hours of work."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hectares.core.window import Window
from hectares.errors import HectaresError, Interrupted
from hectares.io.artefact import sha256_file
from hectares.io.catalog import read_catalog
from hectares.io.chips import open_chips
from hectares.io.labels import LabelFile
from hectares.io.raster import RasterFile, open_raster
from hectares.io.segmenter import SPEC_FILE, find_segmenter
from hectares.monitor import QUIET, Monitor, Problem, track

_ROWS = 512
_BORDER_SHARE = 0.01


def check_paths(paths: list[Path], *, monitor: Monitor = QUIET) -> list[Problem]:
    """Give all problems of scenes, catalogs, chips and segmenters; an empty list is a clean bill of health."""
    return [problem for path in paths for problem in _check(path, monitor)]


def _check(path: Path, monitor: Monitor) -> list[Problem]:
    try:
        if (path / "chips.json").is_file():
            return _check_chips(path, monitor)
        if (path / SPEC_FILE).is_file() or (path / "segmenter" / SPEC_FILE).is_file():
            find_segmenter(path).weights()
            return []
        if path.name == "catalog.json" or (path / "catalog.json").is_file():
            return _check_catalog(path if path.is_file() else path / "catalog.json", monitor)
        if path.is_dir():
            what = "is a folder without catalog.json or chips.json"
            return [Problem(str(path), what, "give single files, chips, a run, or a catalog", "incomplete")]
        return _check_scene(path, monitor)
    except Interrupted:
        raise
    except HectaresError as error:
        return [_as_problem(path, error)]


def _as_problem(path: Path, error: HectaresError) -> Problem:
    text = str(error).removeprefix(f"{path}: ")
    what, _, remedy = text.partition("; ")
    return Problem(str(path), what, remedy or "see `hectares formats`", "incomplete")


def _check_scene(path: Path, monitor: Monitor) -> list[Problem]:
    """Decode every block; look for damage, emptiness, constant bands, fill that nobody declared, and no CRS."""
    problems = []
    with open_raster(path, tolerate_damage=True) as raster:
        valid_px, low, high, edge = _scan(raster, monitor)
        facts, total = raster.facts, raster.grid.window.pixels
        if raster.damage:
            first = raster.damage[0]
            what = f"{len(raster.damage)} block(s) cannot be decoded, first at row {first.row}, col {first.col}"
            problems.append(Problem(str(path), what, "fetch the file again", "incomplete"))
        if valid_px == 0:
            problems.append(Problem(str(path), "has no valid pixel", "check its nodata value", "incomplete"))
            return problems
        for name, least, most in zip(raster.bands, low, high, strict=True):
            if least == most and total > 1:
                problems.append(Problem(str(path), f"band {name} is {least:g} everywhere", "it carries nothing"))
        for value, share in edge.items():
            what = f"value {value:g} fills {share:.1%} of the scene and its border, but is not declared nodata"
            remedy = f"if it means nodata, say so: rio edit-info --nodata {value:g} {path.name}"
            problems.append(Problem(str(path), what, remedy))
        if not facts.grid.is_georeferenced:
            problems.append(Problem(str(path), "has no CRS", "areas will need --gsd-m"))
        if any(s != 1 for s in facts.scales) or any(o != 0 for o in facts.offsets):
            what = f"carries scale {facts.scales[0]:g} and offset {facts.offsets[0]:g}"
            problems.append(Problem(str(path), what, "stored values are used as they are; train and predict alike"))
    return problems


def _scan(
    raster: RasterFile, monitor: Monitor
) -> tuple[
    int,
    np.ndarray[tuple[int], np.dtype[np.float64]],
    np.ndarray[tuple[int], np.dtype[np.float64]],
    dict[float, float],
]:
    """Count valid pixels, the range of each band, and border values that fill more than 1 % of the scene."""
    height, width = raster.grid.shape
    low, high = np.full(len(raster.bands), np.inf), np.full(len(raster.bands), -np.inf)
    valid_px, suspects = 0, dict.fromkeys(_corner_values(raster), 0)
    for row in track(range(0, height, _ROWS), monitor, f"reading {raster.path.name}"):
        chip = raster.read(Window(row, 0, min(_ROWS, height - row), width))
        valid_px += int(chip.valid.sum())
        if chip.valid.any():
            values = chip.image[:, chip.valid]
            low, high = np.minimum(low, values.min(axis=1)), np.maximum(high, values.max(axis=1))
            for value in suspects:
                suspects[value] += int((values == value).all(axis=0).sum())
    fills = {v: n / raster.grid.window.pixels for v, n in suspects.items()}
    return valid_px, low, high, {v: share for v, share in fills.items() if share > _BORDER_SHARE}


def _corner_values(raster: RasterFile) -> set[float]:
    """Values that a corner pixel has in every band."""
    height, width = raster.grid.shape
    values = set()
    for row in (0, height - 1):
        for col in (0, width - 1):
            chip = raster.read(Window(row, col, 1, 1))
            if chip.valid.all() and len(set(chip.image.ravel().tolist())) == 1 and len(raster.bands) > 1:
                values.add(float(chip.image.flat[0]))
    return values


def _check_catalog(path: Path, monitor: Monitor) -> list[Problem]:
    """Check every scene of a catalog, and decode every label with the legend."""
    catalog = read_catalog(path)
    problems = []
    for scene in catalog.scenes:
        problems += _check(scene.image, monitor)
        if scene.label is None:
            continue
        try:
            label = LabelFile(scene.label, catalog.legend)
            height, width = label.grid.shape
            for row in range(0, height, _ROWS):
                label.read(Window(row, 0, min(_ROWS, height - row), width))
            label.close()
        except HectaresError as error:
            problems.append(_as_problem(scene.label, error))
    return problems


def _check_chips(path: Path, monitor: Monitor) -> list[Problem]:
    """Compare the pixel files with their hashes, and the classes of the splits with each other."""
    store = open_chips(path)
    problems = []
    for name, digest in track(store.content["files"].items(), monitor, "reading chips"):
        file = path / name
        if not file.is_file() or sha256_file(file) != digest:
            what = "is missing" if not file.is_file() else "is damaged: its SHA-256 differs from chips.json"
            problems.append(Problem(str(file), what, "prepare the chips again", "incomplete"))
    pixels = store.content["class_pixels"]
    for name in store.legend.names:
        if not pixels["train"][name]:
            problems.append(Problem(str(path), f"class {name!r} is nowhere in training", "it cannot be learned"))
        elif any(store.counts[s] and not pixels[s][name] for s in ("val", "test")):
            where = " and ".join(s for s in ("val", "test") if store.counts[s] and not pixels[s][name])
            problems.append(Problem(str(path), f"class {name!r} is not in {where}", "it will have no score there"))
    return problems
