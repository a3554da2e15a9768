"""Finished batches become a map and its scores, and what was wrong with any of them is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

from hectares.core.gaps import KEY, Gaps, without_gaps
from hectares.core.grid import Grid
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
_NOTED = ("broken", "damage", "raised", "fatal")
"""What is noted about batches: cores of tiles without an answer, see `Fault`, and blocks that cannot be decoded."""
_TRY_AGAIN = "the same command with --overwrite tries it again"
_LEFT_OUT = {
    "raised": f"it is nodata in the map; {_TRY_AGAIN}",
    "fatal": "it is nodata in the map; memory may be short (--tile-px takes less), or the file is damaged there "
    f"(`hectares check` reads all of it); {_TRY_AGAIN}",
}
_TOLD = 20
"""Of more windows than that the others are only counted."""


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
    made, grid = _with_gaps(blueprint, journal), blueprint.grid
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
            same = bool(without_gaps(earlier.provenance) == plain(provenance))
    except (InputError, ArtefactError):
        return False  # something else that has this name
    return same and (beside is None or is_of(beside, provenance))


def tell_gaps(target: Path, monitor: Monitor) -> None:
    """Tell again what a finished map lacks."""
    with open_class_map(target) as earlier:
        for sentence in Gaps.told_by(earlier.provenance).sentences():
            remedy = "the map is kept as it is; the same command with --overwrite tries them again"
            monitor.problem(Problem(str(target), sentence, remedy, "incomplete"))


def tell_faults(
    where: Path, plan: WorkPlan, grid: Grid, journal: Journal, numbers: Sequence[int], monitor: Monitor
) -> None:
    """Tell what was noted about some batches. Raises InputError if no tile at all has finite values."""
    notes = journal.notes(numbers)
    found = _noted(notes)
    if found["broken"]:
        if len(found["broken"]) == len(plan.tiling):
            journal.close()  # nothing in it is worth going on with
            raise InputError(f"{where}: the network gives no finite value anywhere; train it again")
        what = f"{len(found['broken'])} tile(s) gave values that are not finite, {_first(found['broken'])}"
        monitor.problem(Problem(str(where), what, "they are nodata in the map", "incomplete"))
    if found["damage"]:
        what = f"{len(found['damage'])} block(s) cannot be decoded, {_first(found['damage'])}"
        remedy = "they are nodata in the map; fetch the file again"
        monitor.problem(Problem(str(where), what, remedy, "incomplete"))
    _tell_left_out(where, notes, grid, monitor)


def _tell_left_out(where: Path, notes: Sequence[Mapping[str, Any]], grid: Grid, monitor: Monitor) -> None:
    """Tell each window that was left out: where it is, and what happened there."""
    for why, remedy in _LEFT_OUT.items():
        how = {Window(*w): str(note["how"]) for note in notes for w in note.get(why, ())}
        for window in sorted(how, key=astuple)[:_TOLD]:
            what = f"{_place(window, grid)} was left out: {how[window]}"
            monitor.problem(Problem(str(where), what, remedy, "incomplete"))
        if len(how) > _TOLD:
            what = f"{len(how) - _TOLD} more windows were left out in the same way"
            monitor.problem(Problem(str(where), what, remedy, "incomplete"))


def _place(window: Window, grid: Grid) -> str:
    """Name a window of a scene, in pixels and in degrees."""
    place = f"rows {window.row} to {window.row_end}, cols {window.col} to {window.col_end}"
    middle = grid.crop(window).center_lonlat
    return place if middle is None else f"{place} (around longitude {middle[0]:.5f}, latitude {middle[1]:.5f})"


def _noted(notes: Sequence[Mapping[str, Any]]) -> dict[str, list[Window]]:
    """Give the windows of notes by what is wrong with them."""
    return {why: sorted({Window(*w) for note in notes for w in note.get(why, ())}, key=astuple) for why in _NOTED}


def _with_gaps(blueprint: Blueprint, journal: Journal) -> Mapping[str, Any]:
    """Give what a map says of itself, with the windows that it lacks."""
    noted = _noted(journal.notes(range(len(blueprint.plan))))
    gaps = Gaps.of((why, window) for why, windows in noted.items() for window in windows).to_json()
    return {**blueprint.provenance, KEY: gaps} if gaps else blueprint.provenance


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
