"""Batches that end whatever process computes them: found by their marks, and named."""

from __future__ import annotations

from pathlib import Path

from hectares.core.window import Window
from hectares.errors import ResourceError
from hectares.io.artefact import read_json
from hectares.io.journal import marks_in
from hectares.io.outputs import work_path


def refuse_deadly(target: Path, deaths: int) -> None:
    """Raise ResourceError if processes died so many times at one batch of a map, and say where that is."""
    found = marks_in(work_path(target))
    batch = max(found, key=lambda n: len(found[n]), default=None)
    if batch is None or len(found[batch]) < deaths:
        return
    raise ResourceError(
        f"{target}: the process ended {len(found[batch])} times while it computed {_place(found[batch])} of the scene "
        f"(batch {batch}); memory may be short (--tile-px takes less), or the file is damaged there (`hectares check` "
        "reads all of it); --aoi can leave the place out. All other finished work is kept"
    )


def _place(marks: list[Path]) -> str:
    for mark in marks:
        try:
            cores = [Window(*numbers) for numbers in read_json(mark)["windows"]]
        except (ValueError, KeyError, TypeError, OSError):
            continue  # its writer died before it was whole
        rows = f"{min(w.row for w in cores)} to {max(w.row_end for w in cores)}"
        return f"rows {rows}, cols {min(w.col for w in cores)} to {max(w.col_end for w in cores)}"
    return "one batch"
