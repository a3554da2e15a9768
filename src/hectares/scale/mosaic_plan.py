"""The scenes of a mosaic and its grid; those whose pixels coincide are opened as one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.core.grid import Grid
from hectares.core.mosaic import mosaic_grid, place_in, window_around
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Window
from hectares.errors import ArtefactError, ConfigError, GridError, InputError, VectorError
from hectares.io.artefact import plain, sha256_file, stamp
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.io.rasters.raster_header import MAX_PIXELS
from hectares.io.rasters.scene_mosaic import Piece, SceneMosaic
from hectares.io.remote import scene_name
from hectares.io.scene_contract import date_of, hash_scene, open_for, scene_files
from hectares.io.scene_values import measure_drift, tell_drift
from hectares.io.segmenter import StoredSegmenter
from hectares.io.shapes.area_of_interest import read_area
from hectares.io.shapes.layer_name import split_layer_name
from hectares.monitor import QUIET, Monitor, Problem
from hectares.scale.scene_job import SceneJob, input_rule, job_of, tell_masks
from hectares.scale.setup import find_members, settings_of


@dataclass(frozen=True, eq=False)
class Part:
    """A scene of a mosaic."""

    scene: str
    files: list[Path]
    grid: Grid
    dtype: np.dtype[Any]
    acquired: str | None
    sha256: str

    @property
    def name(self) -> str:
        """The name of its first file."""
        return self.files[0].name


@dataclass(frozen=True, eq=False)
class MosaicPlan:
    """The scenes of a mosaic in the order they decide, its grid, and what its map says of itself."""

    members: list[StoredSegmenter]
    parts: list[Part]
    grid: Grid
    deepest: bool
    apart: str | None
    """Why the scenes are mapped one by one; None if they are mapped as one."""
    header: dict[str, Any]

    @classmethod
    def of(
        cls,
        segmenter: str | Path,
        scenes: Sequence[str | Path],
        config: PredictConfig,
        mosaic: MosaicConfig,
        monitor: Monitor,
    ) -> MosaicPlan:
        """Open every scene, and tell about those that are refused."""
        if config.out_of_range:
            raise ConfigError("--out-of-range is written beside the map of one scene; give it without --mosaic")
        members = find_members(segmenter, config)
        parts, left_out = _parts(members[0].spec, scenes, config, monitor)
        given = [p.name for p in parts]
        grid = mosaic_grid([p.grid for p in parts], crs=mosaic.crs, gsd_m=mosaic.gsd_m)
        if grid.window.pixels > MAX_PIXELS:
            raise GridError(
                f"the mosaic would have {grid.shape[0]} x {grid.shape[1]} px, more than {MAX_PIXELS:.0e}; give a "
                "larger --gsd-m, or fewer scenes"
            )
        if mosaic.overlap_rule == "newest":
            parts = _newest_first(parts)
        settings = settings_of(config) | {k: v for k, v in asdict(mosaic).items() if k != "mosaic"}
        inputs = {f"scene {n}": p.sha256 for n, p in enumerate(parts, start=1)} | {"segmenter": members[0].sha256}
        inputs |= {f"segmenter {n}": m.sha256 for n, m in enumerate(members[1:], start=2)}
        if config.aoi is not None:
            inputs["aoi"] = sha256_file(split_layer_name(config.aoi)[0])
        shown = [{"name": p.name, "acquired": p.acquired, "crs": p.grid.crs, "shape": p.grid.shape} for p in parts]
        header = stamp("class-map", config=settings, inputs=inputs) | {
            "scene": f"{given[0]} and {len(given) - 1} more" if len(given) > 1 else given[0],
            "mosaic": plain({"rule": mosaic.overlap_rule, "scenes": shown, "left_out": left_out}),
        }
        dates = sorted({p.acquired for p in parts if p.acquired is not None})
        if dates:
            header["acquired"] = dates[0] if len(dates) == 1 else f"{dates[0]}/{dates[-1]}"
        return cls(members, parts, grid, mosaic.overlap_rule == "center", _apart(members, parts, grid, mosaic), header)

    @property
    def trained_on(self) -> list[list[int]]:
        """Windows of the mosaic that segmenters were trained on."""
        prints = [f for member in self.members for f in member.spec.footprint]
        seen: list[tuple[Part, Any]] = [
            (p, f["windows"]) for p in self.parts for f in prints if f["sha256"] == p.sha256
        ]
        onto = [
            window_around(part.grid, Window(*w) & part.grid.window, self.grid)
            for part, windows in seen
            for w in windows
        ]
        return [[w.row, w.col, w.height, w.width] for w in onto if w.pixels]

    def tell(self, monitor: Monitor) -> None:
        """Note that scenes are mapped one by one, if nobody asked for it."""
        if self.apart is not None and not self.deepest and len(self.parts) > 1:
            what = f"scenes are mapped one by one, since {self.apart}: at its edge none sees what the next one shows"
            remedy = "where they overlap, --overlap-rule center decides far from the edges"
            monitor.problem(Problem("mosaic", what, remedy, "note"))

    def is_finished(self, target: Path, *, overwrite: bool) -> bool:
        """Tell if nothing is left to do: the run was killed right after placing the map."""
        if overwrite or not work_path(target).is_dir() or not target.is_file():
            return False
        try:
            with open_class_map(target) as earlier:
                same = all(earlier.provenance.get(key) == value for key, value in plain(self.header).items())
        except (InputError, ArtefactError):
            return False
        if same:
            shutil.rmtree(work_path(target), ignore_errors=True)
        return same


def _parts(
    spec: SegmenterSpec, scenes: Sequence[str | Path], config: PredictConfig, monitor: Monitor
) -> tuple[list[Part], list[str]]:
    """Open the scenes; those that are refused become problems. Raises InputError if all of them are."""
    parts: list[Part] = []
    refused: list[tuple[str, InputError]] = []
    for number, scene in enumerate(scenes):
        monitor.progress("looking at scenes", number, len(scenes))
        monitor.raise_if_stopped()
        try:
            parts.append(_look_at(spec, str(scene), config))
        except InputError as error:
            refused.append((scene_name(scene), error))
    monitor.progress("looking at scenes", len(scenes), len(scenes))
    if not parts:
        raise refused[0][1]
    for scene, reason in refused:
        outside = isinstance(reason, VectorError)  # beyond the area of interest
        remedy = "the mosaic is made without it"
        what = str(reason).removeprefix(f"{scene}: ")
        monitor.problem(Problem(scene, what, remedy, "note" if outside else "incomplete"))
    return parts, [Path(scene).name for scene, _ in refused]


def _look_at(spec: SegmenterSpec, scene: str, config: PredictConfig) -> Part:
    files = scene_files(scene, spec.bands, allow_remote=config.allow_remote)
    with open_for(spec, files, input_rule(config), QUIET) as source:
        if not source.grid.is_georeferenced:
            raise GridError(f"{source.path}: has no CRS, so that its place in a mosaic is unknown; give it one first")
        if config.aoi is not None:
            read_area(config.aoi, source.grid, source.path, QUIET)
        taken = date_of(scene, source)
        return Part(scene, files, source.grid, source.dtype, None if taken is None else taken.when, hash_scene(files))


def _newest_first(parts: Sequence[Part]) -> list[Part]:
    """Order scenes by date, the newest first; those of one date stay as given."""
    unknown = next((p for p in parts if p.acquired is None), None)
    if unknown is not None:
        raise ConfigError(
            f"{unknown.files[0]}: neither tags, a .json beside it nor its name tell when it was taken, which "
            "--overlap-rule newest goes by; give --overlap-rule first, and the scenes in the order that they count"
        )
    return sorted(parts, key=lambda p: str(p.acquired), reverse=True)


def _apart(members: Sequence[StoredSegmenter], parts: Sequence[Part], grid: Grid, mosaic: MosaicConfig) -> str | None:
    """Give why scenes cannot be mapped as one; None if they can."""
    types = sorted({p.dtype.name for p in parts})
    if mosaic.overlap_rule == "center":
        return "the scene that a pixel lies deepest in decides it"
    if len(parts) > 1 and any(m.spec.scaler.by_scene for m in members):
        return "the run scales each by its own range"
    if len(types) > 1:
        return f"their values are of the types {', '.join(types)}"
    if any(place_in(p.grid, grid) is None for p in parts):
        return "their pixels do not coincide with those of the mosaic"
    return None


# --- Doing it ---------------------------------------------------------------------------------------------


@contextmanager
def open_together(plan: MosaicPlan, config: PredictConfig, monitor: Monitor) -> Iterator[SceneJob]:
    """Open all scenes as one, on whose map those that meet leave no trace."""
    spec, rule = plan.members[0].spec, input_rule(config)
    pieces = []
    for part in plan.parts:
        window = place_in(part.grid, plan.grid)
        assert window is not None, "else they are mapped one by one"
        pieces.append(Piece(window, partial(open_for, spec, part.files, rule, QUIET)))
        tell_masks(part.files, monitor)
        with open_for(spec, part.files, rule, monitor) as source:
            tell_drift(spec, source.path, measure_drift(spec, source), monitor)
    files = [file for part in plan.parts for file in part.files]
    with SceneMosaic(pieces, plan.grid, Path(plan.header["scene"])) as whole:
        job = job_of(plan.members, whole, files, config, monitor=monitor)
        made = job.setup.provenance | plan.header | {"trained_on": plan.trained_on}
        yield replace(job, setup=replace(job.setup, provenance=made))
        for path, count in whole.filled.items():
            remedy = "other scenes show what is there; fetch the file again"
            monitor.problem(Problem(str(path), f"{count} block(s) cannot be decoded", remedy, "note"))
