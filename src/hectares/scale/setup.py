"""A prediction made ready: segmenters, scene and area of interest become tile work and a plan of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hectares.config.predict import PredictConfig
from hectares.core.drift import Drift
from hectares.core.legend import Legend
from hectares.core.scene import RasterSource
from hectares.core.scoring.area_offsets import is_doubtful, offset_factors, offsets_of
from hectares.core.spec import SegmenterSpec
from hectares.core.unsure import with_unsure
from hectares.core.window import Tiling
from hectares.errors import ArtefactError
from hectares.io.acquired import Acquired
from hectares.io.artefact import fingerprint, sha256_file, stamp
from hectares.io.rasters.rescaled import RescaledScene
from hectares.io.rasters.scenes import PlacedSource
from hectares.io.scene_contract import identify_scene, scene_scaling
from hectares.io.scene_values import measure_drift
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.io.shapes.layer_name import split_layer_name
from hectares.monitor import Monitor, Problem
from hectares.runtime.answering import VIEWS, Answering, Member
from hectares.runtime.protocol import Runtime
from hectares.scale.onto_scene import TouchedArea
from hectares.scale.plan import WorkPlan
from hectares.scale.tiles import Area, Decision, ScoresKept, TileWork

_CONTEXT_SHARE = 8
"""A tile spends at most one in eight of its pixels on context, on each side."""
_LEAST_CONTEXT = 32
"""Where 99.9 % of the energy of the gradient ends, far pixels still add up: less than this shows at borders."""


@dataclass(frozen=True, eq=False)
class Setup:
    """All of a prediction but its pixels."""

    work: TileWork
    plan: WorkPlan
    legend: Legend
    """Of the map."""
    scored: Legend
    """Of the scores: without a class for what is unsure."""
    provenance: dict[str, Any]
    area: Area | None = None
    """Where a map is wanted, on the grid of the scene."""
    drift: Drift | None = None
    """How far the values of the scene lie from those of the training images."""


def find_members(segmenter: str | Path, config: PredictConfig) -> list[StoredSegmenter]:
    """Open the segmenters that are asked. Raises ArtefactError unless all of them can make one map together."""
    paths = [segmenter, *config.with_]
    members = [find_segmenter(path) for path in paths]
    for path, stored in zip(paths, members, strict=True):
        if stored.spec.multilabel:
            raise ArtefactError(
                f"{path}: its classes may overlap, so no map of one class a pixel can be made; "
                "score it with `hectares evaluate`, or train on chips without --multilabel to make a map"
            )
        difference = _difference(members[0].spec, stored.spec)
        if difference is not None:
            raise ArtefactError(f"{path}: {difference} {paths[0]}; runs that vote together are alike in this")
    return members


def _difference(first: SegmenterSpec, other: SegmenterSpec) -> str | None:
    named = [(c.code, c.name) for c in first.legend.classes], [(c.code, c.name) for c in other.legend.classes]
    if named[0] != named[1]:
        shown = [", ".join(f"{code} {name}" for code, name in classes) for classes in named]
        return f"has the classes {shown[1]}, not {shown[0]}, as"
    if first.bands != other.bands or first.plan.to_json() != other.plan.to_json():
        return f"takes the bands {', '.join(other.bands)}, not {', '.join(first.bands)} made in the same way, as"
    return None


def set_up(  # noqa: PLR0913 - all that a prediction is made of
    members: Sequence[StoredSegmenter],
    runtimes: Sequence[Runtime],
    files: Sequence[Path],
    source: PlacedSource,
    config: PredictConfig,
    *,
    with_scores: bool,
    monitor: Monitor,
    tiles: RescaledScene | None = None,
    acquired: Acquired | None = None,
) -> Setup:
    """Make a prediction ready.

    `tiles` is the scene as the network sees it, where that is not as it is; `acquired` says when it was taken.
    """
    spec = members[0].spec
    asked = [Member(runtime, _temperature(m)) for m, runtime in zip(members, runtimes, strict=True)]
    answering = Answering(asked, VIEWS[config.tta], config.mean)
    blended = config.blend == "taper"
    kept: ScoresKept = config.scores_type if with_scores else "none"
    offsets = _area_offsets(members, config, monitor)
    scored = blended or with_scores or config.unsure is not None or offsets is not None
    decision = Decision(
        temperature=asked[0].temperature if scored and answering.are_logits else None,
        unsure=config.unsure,
        kept=kept,
        factors=None if offsets is None else offset_factors(list(offsets.values())),
        blended=blended,
    )
    area = None
    if config.aoi is not None:
        from hectares.io.shapes.area_of_interest import read_area  # it loads libraries that nothing else here needs

        area = read_area(config.aoi, source.grid, source.path, monitor)
    seen = source if tiles is None else tiles
    work = TileWork(
        seen,
        [scene_scaling(runtime.spec, seen, monitor).apply for runtime in runtimes],
        answering,
        decision,
        len(spec.legend),
        area if area is None or tiles is None else TouchedArea(area, tiles),
    )
    stride = math.lcm(*(runtime.stride for runtime in runtimes))
    tiling = plan_tiles(seen, [m.spec for m in members], config, stride=stride, monitor=monitor)
    legend = spec.legend if config.unsure is None else with_unsure(spec.legend)
    provenance = _provenance(members, files, config, runtimes, tiling) | {"scores": kept}
    # files beside an unchanged one may say where it lies: world files, .prj
    provenance["place"] = fingerprint([source.grid.crs, tuple(source.grid.transform)[:6], source.grid.shape])
    if tiles is not None:
        provenance["resampled"] = tiles.to_json()
    if area is not None:
        provenance["area"] = area.fingerprint
    if offsets is not None:
        provenance["area_offsets"] = offsets
    if acquired is not None:
        provenance |= {"acquired": acquired.when, "acquired_from": acquired.source}
    drift = measure_drift(spec, source)
    if drift is not None:
        provenance["drift"] = drift.to_json()
    return Setup(work, WorkPlan(tiling, config.batch), legend, spec.legend, provenance, area, drift)


def _area_offsets(
    members: Sequence[StoredSegmenter], config: PredictConfig, monitor: Monitor
) -> dict[str, float] | None:
    """Give what is added to the log scores of each class; the mean of several segmenters. None without --decide area.

    Raises ArtefactError if a segmenter has none.
    """
    if config.decide == "argmax":
        return None
    legend, found = members[0].spec.legend, [offsets_of(m.calibration, m.spec.legend) for m in members]
    for member, offsets in zip(members, found, strict=True):
        if offsets is None:
            raise ArtefactError(
                f"{member.folder}: holds no area offsets, which --decide area adds; they are measured on validation "
                "chips of two classes or more when training ends: train again, or leave --decide out"
            )
    if len(members) > 1 or config.tta != "none":
        what = "area offsets were measured on the answers of each run alone, asked once"
        remedy = "with --tta or --with areas may be a little less exact; `hectares estimate` tells how exact"
        monitor.problem(Problem("--decide area", what, remedy, "note"))
    if any(is_doubtful(m.calibration) for m in members):
        what = "area offsets of half the validation chips were not seen to bring the others nearer to the reference"
        remedy = "compare with `hectares evaluate`, or map without --decide area"
        monitor.problem(Problem("--decide area", what, remedy, "note"))
    mean = np.mean([o for o in found if o is not None], axis=0)
    return dict(zip(legend.names, mean.tolist(), strict=True))


def plan_tiles(
    source: RasterSource,
    specs: Sequence[SegmenterSpec],
    config: PredictConfig,
    *,
    stride: int,
    monitor: Monitor | None = None,
) -> Tiling:
    """Divide a scene into tiles that overlap by twice the context, up to a quarter of their size."""
    overlap = config.overlap_px
    wanted = max(_wanted_context(spec) for spec in specs)
    given = min(wanted, max(1, config.tile_px // _CONTEXT_SHARE))
    if overlap is None:
        overlap = 2 * given
    tiling = Tiling(source.grid.shape, size=max(config.tile_px, overlap + stride), overlap=overlap, stride=stride)
    measured = max(spec.context_px or 0 for spec in specs)
    if monitor is not None and config.overlap_px is None and given < measured and len(tiling) > 1:
        what = f"the network looks {measured} px far, tiles of {config.tile_px} px give it {given} px at their borders"
        monitor.problem(Problem("tiles", what, f"--overlap-px {2 * wanted} gives it all, for more time", "note"))
    return tiling


def _wanted_context(spec: SegmenterSpec) -> int:
    if spec.context_px is None:
        return spec.tile_px // 4
    return max(_LEAST_CONTEXT, spec.context_px) if spec.context_px else 0


def _temperature(stored: StoredSegmenter) -> float:
    found = (stored.calibration or {}).get("temperature")
    return float(found) if found else 1.0


def settings_of(config: PredictConfig) -> dict[str, Any]:
    """Give the options that a map depends on, as it tells them."""
    settings = asdict(config) | {"with_": len(config.with_)}
    for name in ("threads", "out_of_range", "allow_remote"):  # the map is the same
        del settings[name]
    if config.aoi is not None:
        path, layer = split_layer_name(config.aoi)
        settings["aoi"] = path.name + ("" if layer is None else f":{layer}")
    return settings


def _provenance(
    members: Sequence[StoredSegmenter],
    files: Sequence[Path],
    config: PredictConfig,
    runtimes: Sequence[Runtime],
    tiling: Tiling,
) -> dict[str, Any]:
    """Everything the map depends on, and which parts of the scene the segmenters were trained on."""
    scene_sha256, remote = identify_scene(files)
    inputs = {"scene": scene_sha256, "segmenter": members[0].sha256}
    inputs |= {f"segmenter {n}": m.sha256 for n, m in enumerate(members[1:], start=2)}
    if config.aoi is not None:
        inputs["aoi"] = sha256_file(split_layer_name(config.aoi)[0])
    seen = [
        w
        for m in members
        for f in m.spec.footprint
        if f["sha256"] == inputs["scene"]
        for w in f["windows"]  # type: ignore[union-attr]  # a list, as it was written
    ]
    return stamp("class-map", config=settings_of(config), inputs=inputs) | {
        "scene": files[0].name,
        "trained_on": seen,
        "network": members[0].spec.network,
        "bands": list(members[0].spec.bands),
        "tile_px": list(tiling.tile_shape),
        "overlap_px": tiling.overlap,
        "context_px": tiling.context,
        "overcompute": round(tiling.overcompute, 4),
        "temperature": [_temperature(m) for m in members],
        **({"remote": remote} if remote else {}),
        **{k: v for n, r in enumerate(runtimes, start=1) for k, v in _numbered(r.facts, n).items()},
    }


def _numbered(facts: dict[str, str], number: int) -> dict[str, str]:
    return facts if number == 1 else {f"{key}_{number}": value for key, value in facts.items()}
