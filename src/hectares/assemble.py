"""Shards that were computed on several machines to the map of one process, to the byte.

Neither scene nor segmenter is needed: each shard tells how its batches become a map, and all must tell the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from hectares.core.seams import SeamCounter
from hectares.errors import ArtefactError, ConfigError
from hectares.io.journal import Journal
from hectares.io.outputs import check_target, exclusive, resolve, work_path
from hectares.io.rasters.map_files import check_map_target
from hectares.monitor import QUIET, Monitor
from hectares.scale.finishing import finish_map, is_made, tell_faults, tell_gaps
from hectares.scale.shard_folder import check_complete, read_shards

_SUFFIXES = {".tif", ".tiff"}


def assemble_shards(
    shards: Sequence[str | Path],
    out: str | Path,
    *,
    scores: str | Path | None = None,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Write the class map of shards, and the scores of its classes if `scores` names a file for them.

    Raises ArtefactError if the shards are of several predictions, or not all batches are there.
    """
    target, beside = _targets(out, scores)
    folders = list(dict.fromkeys(Path(shard) for shard in shards))
    if not folders:
        raise ConfigError("assemble needs at least one shard and, last, the map to write")
    found = read_shards(folders)
    blueprint = found[0].blueprint
    if beside is not None and blueprint.decision.kept == "none":
        raise ArtefactError(
            f"{folders[0]}: holds no scores; give --scores to each `predict --shard` that is to keep them"
        )
    inputs = [path for folder in folders for path in (folder, folder / "header.json")]
    with exclusive(target):
        left = work_path(target)
        if not overwrite and left.is_dir() and target.is_file() and is_made(target, beside, blueprint.provenance):
            shutil.rmtree(left, ignore_errors=True)  # killed right after the map was placed
            tell_gaps(target, monitor)
            return target
        check_map_target(target, overwrite=overwrite, inputs=inputs)
        if beside is not None:
            check_target(beside, overwrite=overwrite, inputs=inputs)
        journal = Journal(target, blueprint.provenance, overwrite=overwrite, others=folders)
        done = blueprint.assembly(journal)
        try:
            check_complete(found, done)
        except ArtefactError:
            journal.close_unused()
            raise
        where = Path(str(blueprint.provenance.get("scene", target.name)))
        tell_faults(where, blueprint.plan, blueprint.grid, journal, range(len(blueprint.plan)), monitor)
        seams = SeamCounter.of(blueprint.plan.tiling)
        finish_map(blueprint, journal, done, target, beside, overwrite=overwrite, seams=seams, monitor=monitor)
    return target


def _targets(out: str | Path, scores: str | Path | None) -> tuple[Path, Path | None]:
    target, beside = resolve(out), None if scores is None else resolve(scores)
    if target.suffix.lower() not in {*_SUFFIXES, ".png"} or target.is_dir():
        raise ArtefactError(f"{target}: a class map is a GeoTIFF, or a PNG; end its name in .tif")
    if beside is not None and (beside.suffix.lower() not in _SUFFIXES or beside.is_dir() or beside == target):
        raise ArtefactError(f"{beside}: scores are a GeoTIFF beside the map; end its name in .tif")
    return target, beside
