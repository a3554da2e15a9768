"""A scene meets a segmenter: its bands, its pixel size and its values against those of the training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hectares.core.band_roles import role_of
from hectares.core.bands import BandStatsCounter, choose_bands
from hectares.core.grid import Grid
from hectares.core.scaling import Scaling
from hectares.core.scene import RasterSource
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Window
from hectares.errors import BandError, GsdError, HectaresError, RasterError
from hectares.io.acquired import Acquired
from hectares.io.artefact import fingerprint, sha256_file
from hectares.io.catalog import ImageFile
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.rescaled import RescaledScene
from hectares.io.rasters.scenes import PlacedSource, SceneFile, open_scene
from hectares.io.remote import RemotePath, hash_remote, is_remote, remote_path, scene_name, split_names
from hectares.io.stac_scene import is_item, item_date, item_files
from hectares.monitor import Monitor, Problem, track

_STRIP_PX = 512
_MUCH_COARSER = 2.0


@dataclass(frozen=True, slots=True)
class InputRule:
    """What the user says about a scene."""

    bidx: str | None = None
    """Which bands of the scene are those of the segmenter, by 1-based number or name."""
    gsd_tolerance: float = 0.25
    """Largest relative difference of the pixel size."""
    resample: bool = False
    """Read a scene whose pixel size differs more with pixels of the size of the training images."""


def scene_files(scene: str | Path, bands: Sequence[str] = (), *, allow_remote: bool = False) -> list[Path]:
    """Give the files of a scene: one, or several joined by +, of which the first gives the grid.

    With `allow_remote`, files may lie on the network, and a STAC item stands for its assets that hold `bands`.

    >>> scene_files("rgb.tif+height.tif")[1].name
    'height.tif'
    """
    text = str(scene)
    if Path(scene).exists() and not is_item(scene):
        return [Path(scene)]
    parts = split_names(text) if any(is_remote(part) for part in split_names(text)) else text.split("+")
    if not allow_remote and (is_item(scene) or any(is_remote(part) for part in parts)):
        where = "may name files on the network" if is_item(scene) and not is_remote(scene) else "lies on the network"
        name = scene_name(scene)[:120]
        raise RasterError(f"{name}: {where}; `predict --allow-remote` reads it from there, or download it first")
    if is_item(scene):
        return item_files(_located(scene), bands)
    return [_located(part) for part in parts]


def date_of(scene: str | Path, source: SceneFile) -> Acquired | None:
    """Give when a scene was taken, as the item that stands for it or its files say; None if they do not."""
    of_item = item_date(_located(scene)) if is_item(scene) else None
    return of_item or Acquired.of_scene(source)


def _located(name: str | Path) -> Path:
    return remote_path(name) if is_remote(name) else Path(name)


def hash_scene(files: Sequence[Path]) -> str:
    """Give one SHA-256 for all image files of a scene; of remote ones, that of what identifies them."""
    return identify_scene(files)[0]


def identify_scene(files: Sequence[Path]) -> tuple[str, list[dict[str, str]]]:
    """Give one SHA-256 for all image files of a scene, and for remote ones where they lie and what was hashed."""
    hashes, remote = [], []
    for file in files:
        if isinstance(file, RemotePath):
            sha256, hashed = hash_remote(file)
            remote.append({"url": str(file), "hashed": hashed})
        else:
            sha256 = sha256_file(file)
        hashes.append(sha256)
    return hashes[0] if len(hashes) == 1 else fingerprint(hashes), remote


def open_for(spec: SegmenterSpec, files: Sequence[Path], rule: InputRule, monitor: Monitor) -> SceneFile:
    """Open a scene with the bands a segmenter wants, in its order, and compare its pixel size.

    Raises BandError if bands are missing, GsdError if the pixel size differs too much.
    """
    images = _images(spec, files)
    with open_scene(images, replace(spec.plan, bands="all", indices=()), tolerate_damage=True) as whole:
        wanted = _wanted_bands(spec, whole, rule, monitor)
        positions = choose_bands(wanted, whole.available)
        if len(positions) != len(_measured(spec)):
            raise BandError(
                f"{whole.path}: --bidx chooses {len(positions)} bands, the segmenter takes {len(_measured(spec))} "
                f"({', '.join(_measured(spec))})"
            )
        images = _renamed(images, _named(whole.available, positions, _measured(spec)))
    plan = replace(spec.plan, bands=",".join(str(n + 1) for n in positions))
    source = open_scene(images, plan, tolerate_damage=True)
    try:
        compare_gsd(spec, source, rule, monitor)
    except HectaresError:
        source.close()
        raise
    return source


def _images(spec: SegmenterSpec, files: Sequence[Path]) -> list[ImageFile]:
    """Give the files with what the segmenter knows and they do not say: bits, and names that differ."""
    depths = set(spec.depths[: len(_measured(spec))])
    depth = depths.pop() if len(depths) == 1 else None
    if len(files) == 1:
        return [ImageFile(files[0], depth=depth)]
    names = []
    for path in files:
        with open_raster(path) as raster:
            names.append(raster.facts.bands)
    every = [name.lower() for bands in names for name in bands]
    if len(set(every)) == len(every):
        return [ImageFile(path, bands=bands, depth=depth) for path, bands in zip(files, names, strict=True)]
    starts = np.cumsum([1, *map(len, names)]).tolist()
    return [
        ImageFile(path, bands=tuple(f"band_{start + n}" for n in range(len(bands))), depth=depth)
        for path, bands, start in zip(files, names, starts, strict=False)
    ]


def _renamed(images: Sequence[ImageFile], names: Sequence[str]) -> list[ImageFile]:
    """Give the bands of all files their names, so that indices find them."""
    left = list(names)
    renamed = []
    for image in images:
        count = len(image.bands or left)
        renamed.append(replace(image, bands=tuple(left[:count])))
        left = left[count:]
    return renamed


def _named(available: Sequence[str], positions: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    """Give all bands of a scene names by which the chosen ones are those of the segmenter, and no other is."""
    taken = {name.lower() for name in names}
    free = [f"other_{n}" if name.lower() in taken else name for n, name in enumerate(available, start=1)]
    for position, name in zip(positions, names, strict=True):
        free[position] = name
    return tuple(free)


def _measured(spec: SegmenterSpec) -> tuple[str, ...]:
    """The bands that a scene must bring; spectral indices are made of them."""
    return spec.bands[: len(spec.bands) - len(spec.plan.indices)]


def _wanted_bands(spec: SegmenterSpec, source: SceneFile, rule: InputRule, monitor: Monitor) -> list[str]:
    needed = _measured(spec)
    if rule.bidx is not None:
        wanted = [b.strip() for b in rule.bidx.split(",")]
        if len(wanted) != len(needed) and wanted != ["all"]:
            raise BandError(
                f"--bidx names {len(wanted)} bands, the segmenter takes {len(needed)} ({', '.join(needed)})"
            )
        return wanted
    available = [name.lower() for name in source.bands]
    missing = [name for name in needed if name.lower() not in available]
    if not missing:  # given as numbers: a band may be named "8" and be the fourth
        return [str(available.index(name.lower()) + 1) for name in needed]
    roles = [role_of(name, needed) for name in needed]
    theirs = [role_of(name, source.bands) for name in source.bands]
    if None not in roles and all(theirs.count(role) == 1 for role in roles):  # B04 is red
        what = f"has the bands {', '.join(source.bands)}, the segmenter was trained on {', '.join(needed)}"
        monitor.problem(Problem(str(source.path), what, "they are matched by what they measure"))
        return [str(theirs.index(role) + 1) for role in roles]
    if len(source.bands) == len(needed) and (_unnamed(needed) or _unnamed(source.bands)):
        what = f"has the bands {', '.join(source.bands)}, the segmenter was trained on {', '.join(needed)}"
        monitor.problem(Problem(str(source.path), what, "they are taken in this order; say otherwise with --bidx"))
        return [str(n) for n in range(1, len(source.bands) + 1)]
    example = ",".join(map(str, range(len(needed), 0, -1)))
    way_out = f"say which bands of the scene these are with --bidx {example}"
    if len(source.bands) < len(needed):
        way_out = f"{len(source.bands)} of {len(needed)} bands are not enough; give a scene with all of them"
    raise BandError(
        f"{source.path}: has no band {', '.join(missing)}; it has {', '.join(source.bands)}. "
        f"The segmenter takes {', '.join(needed)}: {way_out}"
    )


def _unnamed(bands: Sequence[str]) -> bool:
    return all(name == "gray" or name.removeprefix("band_").isdecimal() for name in bands)


def compare_gsd(spec: SegmenterSpec, source: PlacedSource | RescaledScene, rule: InputRule, monitor: Monitor) -> None:
    """Raise GsdError if the pixel size of a scene is not about that of the training images, nor can be made so."""
    if spec.gsd_m is None:
        if rule.resample:
            what = "--resample has no effect: the training images had no georeference, so their pixel size is unknown"
            monitor.problem(Problem(str(source.path), what, "make sure that it is about the same"))
        return
    if not source.grid.is_georeferenced:
        what = f"has no CRS, so its pixel size cannot be compared with the {spec.gsd_m:.3g} m of the training images"
        monitor.problem(Problem(str(source.path), what, "make sure that it is about the same"))
        return
    if _difference(spec.gsd_m, source.grid) <= rule.gsd_tolerance:
        return
    gsd = sum(source.grid.gsd) / 2
    if not rule.resample:
        raise GsdError(
            f"{source.path}: has pixels of {gsd:.3g} m, the segmenter was trained on {spec.gsd_m:.3g} m; "
            "give --resample to let it see pixels of that size, or allow the difference with --gsd-tolerance"
        )
    if gsd > _MUCH_COARSER * spec.gsd_m:
        what = f"has pixels of {gsd:.3g} m, the training images of {spec.gsd_m:.3g} m"
        remedy = "smaller pixels are made, but what is in between cannot be: look at the map before using it"
        monitor.problem(Problem(str(source.path), what, remedy))


def rescale(spec: SegmenterSpec, source: PlacedSource, rule: InputRule) -> RescaledScene | None:
    """Give a scene with the pixel size of the training images, if that is asked for and its own is another."""
    if not rule.resample or spec.gsd_m is None or not source.grid.is_georeferenced:
        return None
    return RescaledScene(source, spec.gsd_m) if _difference(spec.gsd_m, source.grid) > rule.gsd_tolerance else None


def _difference(gsd_m: float, grid: Grid) -> float:
    return abs(sum(grid.gsd) / 2 - gsd_m) / gsd_m


def scene_scaling(spec: SegmenterSpec, source: RasterSource, monitor: Monitor) -> Scaling:
    """Give the scaling of a scene; where each scene is scaled by its own range, it is read once for that."""
    scaling = spec.scaler
    if not scaling.by_scene:
        return scaling
    counter = BandStatsCounter(source.bands)
    height, width = source.grid.shape
    for row in track(range(0, height, _STRIP_PX), monitor, "measuring range of scene"):
        chip = source.read(Window(row, 0, min(_STRIP_PX, height - row), width))
        counter.add(chip.image, chip.valid)
    stats = counter.result()
    return scaling.for_scene(stats.low, stats.high)
