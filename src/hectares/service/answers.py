"""What is known, as the records of the API."""

from __future__ import annotations

import threading
from pathlib import Path

from hectares.core.legend import hex_color
from hectares.errors import HectaresError
from hectares.io.artefact import read_artefact
from hectares.io.rasters.class_map import open_class_map
from hectares.service.data_root import DataRoot, Scene, Segmenter
from hectares.service.job import Job, State
from hectares.service.models import ClassArea, FileAnswer, JobAnswer, LandClassAnswer, SceneAnswer, SegmenterAnswer
from hectares.service.runner import Runner
from hectares.service.steps import FILES, MAP, finished_files
from hectares.view.place import place_line

_MOST_HELD = 500


def scene_answer(scene: Scene) -> SceneAnswer:
    """Tell of a scene."""
    height, width = scene.grid.shape
    gsd = max(scene.grid.gsd) if scene.grid.is_georeferenced else None
    return SceneAnswer(
        id=scene.id, name=scene.name, width=width, height=height, bands=list(scene.bands), gsd_m=gsd,
        place=place_line(scene.grid), bytes=scene.bytes,
    )  # fmt: skip


def segmenter_answer(found: Segmenter) -> SegmenterAnswer:
    """Tell of a segmenter."""
    classes = [LandClassAnswer(name=c.name, color=hex_color(c.color)) for c in found.classes]
    return SegmenterAnswer(
        id=found.id, name=found.name, summary=found.summary, bands=list(found.bands), gsd_m=found.gsd_m,
        classes=classes, license=found.license,
    )  # fmt: skip


class JobAnswers:
    """Tells of jobs; areas of finished maps are read once."""

    def __init__(self, runner: Runner, root: DataRoot) -> None:
        """Take what there is to tell of."""
        self._runner, self._root = runner, root
        self._areas: dict[tuple[str, int], list[ClassArea]] = {}
        self._lock = threading.Lock()

    def of(self, job: Job) -> JobAnswer:
        """Tell of a job."""
        folder = self._runner.folder(job)
        progress = self._runner.progress(job)
        files = finished_files(folder)
        remaining = None if progress is None else progress.remaining_s
        percent = (
            min(99.0, 100.0 * progress.share) if progress is not None else (100.0 if job.state is State.DONE else 0.0)
        )
        return JobAnswer(
            id=job.id, state=job.state, scene_id=job.scene_id, scene=job.scene, segmenter_id=job.segmenter_id,
            segmenter=job.segmenter, created=job.created, place_in_queue=self._runner.place(job),
            step="" if progress is None else progress.words, percent=round(percent, 1),
            remaining_s=None if remaining is None else round(remaining, 1), message=job.message,
            problems=list(job.problems), has_map=MAP in files, areas=self._areas_of(job, folder, files),
            files=[FileAnswer(name=n, what=FILES[n][1], bytes=(folder / n).stat().st_size) for n in files],
        )  # fmt: skip

    def _areas_of(self, job: Job, folder: Path, files: list[str]) -> list[ClassArea]:
        """Give the classes of a map with their areas, the largest first."""
        key = (job.id, len(files))
        if MAP not in files:
            return []
        with self._lock:
            if key in self._areas:
                return self._areas[key]
        try:
            found = _read_areas(folder)
        except HectaresError:
            found = []
        with self._lock:
            if len(self._areas) > _MOST_HELD:
                self._areas.clear()
            self._areas[key] = found
        return found


def _read_areas(folder: Path) -> list[ClassArea]:
    with open_class_map(folder / MAP) as opened:
        legend = opened.legend
    table = folder / "areas.json"
    if not table.is_file():
        return [ClassArea(name=c.name, color=hex_color(c.color), area_ha=None, share=None) for c in legend.classes]
    rows = {row["class_name"]: row for row in read_artefact(table, "areas")["total"]}
    found = [
        ClassArea(
            name=c.name,
            color=hex_color(c.color),
            area_ha=rows[c.name]["area_ha"],
            share=rows[c.name]["share"],
        )
        for c in legend.classes
        if c.name in rows
    ]
    return sorted(found, key=lambda area: -(area.area_ha or 0.0))
