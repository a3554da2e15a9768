"""Finished batches become a map and its scores, and what was wrong with any of them is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

from hectares.core.seams import SeamCounter, Seams
from hectares.core.window import Window
from hectares.errors import ArtefactError, InputError
from hectares.io.artefact import plain
from hectares.io.journal import Journal
from hectares.io.rasters.class_map import open_class_map, save_class_blocks
from hectares.io.rasters.cog import block_windows
from hectares.io.rasters.score_map import is_of, save_scores
from hectares.monitor import Monitor, Problem
from hectares.scale.assembling import Assembly
from hectares.scale.blueprint import Blueprint
from hectares.scale.onto_scene import OntoScene
from hectares.scale.plan import WorkPlan

T = TypeVar("T")
_SEAMS_SHOW = 1.1
"""Ratio from which seams are worth a warning: on large maps chance explains less than an eye sees."""
_NOTED = ("broken", "damage")
"""What is noted about batches: cores without finite values, and blocks that cannot be decoded."""


def finish_map(
    blueprint: Blueprint,
    journal: Journal,
    found: Assembly | OntoScene,
    target: Path,
    beside: Path | None,
    *,
    overwrite: bool,
    seams: SeamCounter | None,
    monitor: Monitor,
) -> None:
    """Write map and scores from what the batches add up to, and remove the journal."""
    made, grid = blueprint.provenance, blueprint.grid
    windows = block_windows(grid.shape)
    steps = len(windows) * (1 if beside is None else 2)
    if beside is not None:
        blocks = _told(found.scores(windows), monitor, 0, steps)
        kind = blueprint.decision.kept
        save_scores(beside, journal.folder, blocks, grid, blueprint.scored, made, dtype=kind, monitor=monitor)
    codes = ((window, blueprint.legend.decode(indices)[None]) for window, indices in found.indices(windows))
    save_class_blocks(
        target, journal.folder, _told(codes, monitor, steps - len(windows), steps), grid, blueprint.legend, made,
        overwrite=overwrite, seams=seams, monitor=monitor,
    )  # fmt: skip
    journal.close()
    if seams is not None:
        _tell_seams(target, seams.result(), blueprint.plan.tiling.overlap, monitor)


def is_made(target: Path, beside: Path | None, provenance: Mapping[str, Any]) -> bool:
    """Tell if a map, and scores if they are wanted, are there and were made in just this way."""
    try:
        with open_class_map(target) as earlier:
            same = bool(earlier.provenance == plain(provenance))
    except (InputError, ArtefactError):
        return False  # something else that has this name
    return same and (beside is None or is_of(beside, provenance))


def tell_faults(where: Path, plan: WorkPlan, journal: Journal, numbers: Sequence[int], monitor: Monitor) -> None:
    """Tell what was noted about some batches. Raises InputError if no tile at all has finite values."""
    notes = journal.notes(numbers)
    broken, damage = (sorted({Window(*w) for note in notes for w in note[kind]}, key=astuple) for kind in _NOTED)
    if broken:
        if len(broken) == len(plan.tiling):
            journal.close()  # nothing in it is worth going on with
            raise InputError(f"{where}: the network gives no finite value anywhere; train it again")
        what = f"{len(broken)} tile(s) gave values that are not finite, {_first(broken)}"
        monitor.problem(Problem(str(where), what, "they are nodata in the map", "incomplete"))
    if damage:
        what = f"{len(damage)} block(s) cannot be decoded, {_first(damage)}"
        remedy = "they are nodata in the map; fetch the file again"
        monitor.problem(Problem(str(where), what, remedy, "incomplete"))


def _first(windows: Sequence[Window]) -> str:
    return f"first at row {windows[0].row}, col {windows[0].col}"


def _told(blocks: Iterator[T], monitor: Monitor, before: int, steps: int) -> Iterator[T]:
    """Pass blocks on, and tell how many there were."""
    monitor.progress("writing map", before, steps)
    for number, block in enumerate(blocks, start=before + 1):
        yield block
        monitor.progress("writing map", number, steps)
        monitor.raise_if_stopped()


def _tell_seams(target: Path, seams: Seams, overlap_px: int, monitor: Monitor) -> None:
    """Say so if classes change more often where tiles meet than inside of them."""
    if not seams.is_visible or seams.ratio is None or seams.low is None or seams.high is None:
        return
    what = (
        f"classes change {seams.ratio:.2f} times as often where tiles meet as inside of them "
        f"(95 % interval {seams.low:.2f} to {seams.high:.2f})"
    )
    remedy = f"more context makes seams fewer: --overlap-px above {overlap_px}, or --blend taper"
    monitor.problem(Problem(str(target), what, remedy, "warning" if seams.ratio >= _SEAMS_SHOW else "note"))
